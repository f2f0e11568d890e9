"""What a user meets before the first call: import, help, README."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import freqfake

ROOT = Path(__file__).parents[1]
LAYERS = [
    ["_version", "exceptions", "_percentiles"],
    ["_validation", "_optional"],
    ["io", "containers", "delivery", "tables", "distribution"],
    ["spectrum", "faces", "video", "provenance"],
    ["rings"],
    ["features", "rich"],
    ["extraction", "feature_range", "mixture", "svm", "linear", "calibration", "metrics"],
    ["adaptation", "domain", "audit", "results"],
    ["persistence", "cards", "scoring"],
    ["detector"],
    ["training", "plots", "crops", "robustness"],
    ["report"],
    ["cli"],
    ["__main__", "__init__"],
]
ROOMS = sorted(
    p for room in ("plots", "report", "cli") for p in (ROOT / "freqfake" / room).glob("*.py")
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


@pytest.mark.parametrize("path", sorted((ROOT / "freqfake").glob("*.py")), ids=lambda p: p.stem)
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


@pytest.mark.parametrize("path", sorted((ROOT / "freqfake").glob("*.py")) + ROOMS, ids=str)
def test_torch_stays_behind_its_door(path):
    """Nothing but `deep` imports it, or `deep`, when it is itself imported."""
    beside = "deep" if path.parent.stem == "cli" else ""  # the command of that name
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            if getattr(node, "level", 0) == 1 and names[0] == beside:
                continue
            assert not {name.split(".")[0] for name in names} & {"torch", "deep"}


def test_readme_and_ci_run_the_same_commands():
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    ci = (ROOT / ".ci" / "run").read_text()
    for command in (line for block in blocks[:2] for line in block.strip().splitlines()):
        assert command in ci


def test_version_is_in_one_place():
    done = subprocess.run(
        [sys.executable, "-m", "freqfake", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"freqfake {freqfake.__version__}\n"
    assert f"## {freqfake.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {freqfake.__version__}" in (ROOT / "CITATION.cff").read_text()
