"""Run Python programs as processes of their own that need not import the large packages again.

They are forked, with their own working directory, environment and files, from a server that has
only imported packages: nothing of freqfake, and nothing that is optional.
"""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CAN_FORK = sys.platform == "linux"  # elsewhere, large packages do not survive a fork
PACKAGES = (
    "numpy scipy.fft scipy.ndimage scipy.optimize scipy.signal scipy.special scipy.stats pandas "
    "sklearn.covariance sklearn.isotonic sklearn.linear_model sklearn.metrics "
    "sklearn.model_selection sklearn.pipeline sklearn.preprocessing sklearn.svm joblib rich.table"
)
_SERVER = """
import atexit, gc, importlib, json, os, sys, warnings
status = 0

def leave():
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

atexit.register(leave)  # before all others, to be called last: taking all down takes long
for name in sys.argv[1:]:
    importlib.import_module(name)
gc.freeze()  # no memory of the packages is touched in a child, which would copy it
for line in sys.stdin:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: pyarrow's has no part
        child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
task = json.loads(line)
for number, (name, mode) in enumerate(zip(task["files"], ("r", "w", "w"), strict=True)):
    with open(name, mode) as file:
        os.dup2(file.fileno(), number)
os.chdir(task["cwd"])
os.environ.clear()
os.environ.update(task["environment"])
how, what, *arguments = task["arguments"]
sys.argv = [how, *arguments]
sys.path[0] = "" if how == "-c" else os.getcwd()
if "numpy" in sys.modules:
    sys.modules["numpy"].random.seed()
try:
    if how == "-c":
        exec(what)
    else:
        importlib.import_module("runpy").run_module(what, run_name="__main__", alter_sys=True)
except SystemExit as stop:
    status = stop.code or 0
    raise
except BaseException:
    status = 1
    raise
"""


@functools.cache
def _server(packages: str) -> subprocess.Popen:
    command = [sys.executable, "-c", _SERVER, *packages.split()]
    server = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # threads do not survive a fork
    )
    atexit.register(server.communicate)  # the end of its input ends it
    return server


def run_python(*arguments, cwd=None, more="") -> subprocess.CompletedProcess:
    """Run `python ARGUMENTS`, which begin with -m or -c; its output is text.

    `more` names packages to be imported besides the usual ones.
    """
    if not CAN_FORK:
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    with tempfile.TemporaryDirectory() as folder:
        files = [os.devnull, f"{folder}/stdout", f"{folder}/stderr"]
        task = {
            "arguments": [*map(str, arguments)],
            "cwd": os.fspath(cwd or Path.cwd()),
            "environment": {**os.environ},
            "files": files,
        }
        server = _server(f"{PACKAGES} {more}".strip())
        server.stdin.write(json.dumps(task) + "\n")
        status = int(server.stdout.readline())
        texts = [Path(name).read_text() for name in files[1:]]
    return subprocess.CompletedProcess(arguments, status, *texts)
