"""What a user meets before the first call: import, help, README."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import freqfake

ROOT = Path(__file__).parents[1]
PACKAGE = Path(freqfake.__file__).parent  # it may be installed, without the rest beside it
LAYERS = [
    ["_version", "exceptions", "_percentiles"],
    ["_validation", "_cells", "_optional", "_files", "_folders", "_foreign", "_tags", "_text"],
    ["containers"],
    ["_opening"],
    ["io", "_exif", "_npz", "delivery", "tables", "distribution"],
    ["spectrum", "faces", "video", "provenance"],
    ["rings"],
    ["features", "rich"],
    ["extraction", "feature_range", "mixture", "svm", "linear", "calibration", "metrics"],
    ["adaptation", "domain", "audit", "results"],
    ["_schema", "cards"],
    ["persistence", "scoring"],
    ["detector"],
    ["training", "plots", "crops", "robustness", "export"],
    ["report"],
    ["cli"],
    ["__main__", "__init__"],
]
ROOMS = sorted(
    p for room in ("plots", "export", "report", "cli") for p in (PACKAGE / room).glob("*.py")
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def test_every_public_name_is_there():
    for name in freqfake.__all__:
        assert getattr(freqfake, name) is not None
    assert set(freqfake.__all__) == set(dir(freqfake))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        freqfake.nonsense  # noqa: B018


def test_import_is_light():
    code = "import sys, freqfake; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "matplotlib", "pandas", "sklearn", "joblib", "tqdm"}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda p: p.stem)
def test_imports_run_downward(path):
    imported = {
        node.module.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 1
    }
    assert all(LEVEL[name] < LEVEL[path.stem] for name in imported)


@pytest.mark.parametrize("path", ROOMS, ids=lambda p: f"{p.parent.stem}.{p.stem}")
def test_rooms_import_what_lies_below_them(path):
    """And the networks stay behind one door, the command for them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module:
            name = node.module.split(".")[0]
            if (path.parent.stem, path.stem, name) != ("cli", "deep", "deep"):
                assert LEVEL[name] < LEVEL[path.parent.stem]


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")) + ROOMS, ids=str)
def test_torch_stays_behind_its_door(path):
    """Nothing but `deep` imports it, or `deep`, when it is itself imported."""
    beside = "deep" if path.parent.stem == "cli" else ""  # the command of that name
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            if getattr(node, "level", 0) == 1 and names[0] == beside:
                continue
            assert not {name.split(".")[0] for name in names} & {"torch", "deep"}


STERN = """
import sys
from freqfake.cli import make_parser

real, fake = (["--real", "real"], ["--fake", "fake"])
for words in (
    ["train", *real, *fake, "--features", "asynchrony", "--out", "m.npz"],
    ["adapt", "--model", "m.npz", "real", "fake", "--out", "a.npz"],
    ["evaluate", "--model", "a.npz", *real, *fake],
    ["audit", *real, *fake],
    ["features", "real", "--out", "f.csv"],
    ["score", "real/00.png", "fake/00.png", "--jobs", "2", "--out", "s.csv"],
    ["score", "fake/00.png", "--format", "jsonl"],
):
    args = make_parser().parse_args(words)
    args.run(args)
"""


def test_nothing_deprecated_is_called_and_nothing_left_open(picture_folders, tmp_path):
    """By the commands themselves: `main` would keep such warnings from its user."""
    for side in ("real", "fake"):
        shutil.copytree(picture_folders / side, tmp_path / side)
    kinds = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "ResourceWarning")
    stern = [word for kind in kinds for word in ("-W", f"error::{kind}")]
    command = [sys.executable, "-X", "dev", *stern, "-c", STERN]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if any(kind in line for kind in kinds)]
    assert len(list(tmp_path.glob("*.csv"))) == 2
