"""The end of a run by a signal: its status, its message, and no process left."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import COMMAND, make_picture, posix
from PIL import Image

pytestmark = posix
SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"]
WORDS = {"SIGINT": "interrupted", "SIGTERM": "ended by SIGTERM", "SIGHUP": "ended by SIGHUP"}
SOON = 20  # seconds; a busy machine needs longer than the program's own limits


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Pictures that keep two processes busy for longer than a test takes."""
    folder = tmp_path_factory.mktemp("many")
    Image.fromarray(make_picture(0, asynchrony=0.3, size=128)).save(folder / "0.png")
    for n in range(1, 5000):
        (folder / f"{n}.png").hardlink_to(folder / "0.png")
    return folder


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a program as from a terminal; whatever is left of it is killed after the test."""
    started = []

    def start(*command: object, ignored: tuple[int, ...] = ()) -> subprocess.Popen:
        def heed() -> None:  # a shell makes background programs ignore Ctrl-C
            for number in (getattr(signal, name) for name in SIGNALS):
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        words = list(map(str, command))
        started.append(subprocess.Popen(words, preexec_fn=heed, start_new_session=True, **options))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_rows(path: Path, n: int = 20) -> None:
    for _ in range(30_000):
        if path.exists() and path.read_bytes().count(b"\n") > n:
            return
        time.sleep(0.01)
    pytest.fail(f"{path} does not grow")


def end_of(process: subprocess.Popen) -> tuple[int, str]:
    """Status and messages; fails if any process holds stderr for longer."""
    status = process.wait(timeout=120)
    return status, process.communicate(timeout=SOON)[1]


def status_for(name: str) -> int:
    return 128 + getattr(signal, name)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("name", SIGNALS)
def test_nothing_is_left_and_the_status_tells_the_signal(start, many, tmp_path, name, jobs):
    out = tmp_path / "rows.csv"
    running = start(*COMMAND, "features", many, "--out", out, "--jobs", jobs)
    wait_for_rows(out)
    os.kill(running.pid, getattr(signal, name))
    status, messages = end_of(running)
    assert status == status_for(name)
    resume = f"freqfake: the finished rows are on disk; add --resume to continue {out}"
    assert messages == f"{resume}\nfreqfake: {WORDS[name]}\n"


def test_a_killed_program_leaves_no_process(start, many, tmp_path):
    running = start(*COMMAND, "features", many, "--out", tmp_path / "rows.csv", "--jobs", 2)
    wait_for_rows(tmp_path / "rows.csv")
    running.kill()
    assert end_of(running) == (-signal.SIGKILL, "")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["report", "train"])
def test_the_processes_of_other_commands_end_too(start, many, tmp_path, command):
    arguments = {
        "report": [many, "--out", tmp_path / "pages"],
        "train": ["--real", many, "--fake", many, "--out", tmp_path / "m.safetensors"],
    }
    running = start(*COMMAND, command, *arguments[command], "--jobs", 2)
    time.sleep(4)
    os.kill(running.pid, signal.SIGTERM)
    status, messages = end_of(running)
    assert (status, messages.splitlines()[-1]) == (143, "freqfake: ended by SIGTERM")
    assert "Traceback" not in messages


def test_rows_in_a_pipe_are_not_lost(start, many):
    running = start(*COMMAND, "features", many)
    rows = [running.stdout.readline() for _ in range(3)]
    running.terminate()
    rows += running.stdout.readlines()
    assert end_of(running) == (143, "freqfake: ended by SIGTERM\n")
    assert len({row.count(",") for row in rows}) == 1
    assert rows[-1].endswith("\n")


def test_a_signal_that_the_starter_ignores_stays_ignored(start, samples):
    running = start(*COMMAND, "score", samples, ignored=(signal.SIGHUP,))
    for _ in range(20):
        os.kill(running.pid, signal.SIGHUP)
        time.sleep(0.05)
    assert running.communicate(timeout=60)[1] == ""
    assert running.returncode == 0


WHEN_IMPORTED = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.{signal})

sys.meta_path.insert(0, Finder())
"""
PROGRAM = {
    "freqfake": "from freqfake.cli import program\nsys.exit(program())",
    "python -m freqfake": "runpy.run_module('freqfake', run_name='__main__', alter_sys=True)",
}


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAM)
@pytest.mark.parametrize(
    "module",
    [
        "argparse",
        "freqfake.cli.commands",
        "numpy",
        "numpy._core._multiarray_umath",
        "joblib",
        "scipy.special._ufuncs",
        "safetensors",
        "freqfake.detector.scoring",
    ],
)
def test_ctrl_c_while_starting_up(start, module, program, samples):
    code = WHEN_IMPORTED.format(module=module, signal="SIGINT") + PROGRAM[program]
    assert end_of(start(sys.executable, "-c", code, "score", samples, "--jobs", 2)) == (
        130,
        "freqfake: interrupted\n",
    )


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_while_starting_up(start, name, samples):
    code = WHEN_IMPORTED.format(module="scipy", signal=name) + PROGRAM["freqfake"]
    found = end_of(start(sys.executable, "-c", code, "score", samples))
    assert found == (status_for(name), f"freqfake: {WORDS[name]}\n")


STUBBORN = """
import os, signal, sys, time
from freqfake.cli import commands, program

class Grave:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)

def lost():
    Grave()
    time.sleep(60)

def swallowed():
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass

def turned():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except KeyboardInterrupt:
        raise ImportError("numpy._core.multiarray failed to import")

commands.make_parser = type("Parser", (), {{"parse_args": lambda self, argv: {case}()}})
sys.exit(program())
"""


@pytest.mark.parametrize("case", ["lost", "swallowed", "turned"])
def test_a_signal_ends_the_program_even_if_its_exception_does_not(start, case):
    found = end_of(start(sys.executable, "-c", STUBBORN.format(case=case)))
    assert found == (143, "freqfake: ended by SIGTERM\n")


def test_a_signal_at_the_very_end(start):
    code = "import atexit, os, signal, sys\natexit.register(os.kill, os.getpid(), signal.SIGTERM)\n"
    code += "from freqfake.cli import program\nsys.exit(program())\n"
    assert end_of(start(sys.executable, "-c", code, "info")) == (-signal.SIGTERM, "")
