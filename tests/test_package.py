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
    ["io", "containers", "delivery", "tables", "distribution", "results"],
    ["spectrum", "faces", "video", "provenance"],
    ["rings"],
    ["features", "rich"],
    ["extraction", "feature_range", "mixture", "svm", "linear", "calibration", "metrics"],
    ["adaptation", "domain", "audit"],
    ["persistence", "cards"],
    ["detector"],
    ["training", "plots", "crops", "robustness"],
    ["report"],
    ["_terminal"],
    ["_parser"],
    ["_cli"],
    ["cli_audit", "cli_completion", "cli_crops", "cli_report"],
    ["cli_deep"],
    ["cli"],
    ["__main__", "__init__"],
]
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
    assert all(LEVEL[name] < LEVEL[path.stem] for name in imported - {"deep"})
    assert "deep" not in imported or path.stem == "cli_deep"


@pytest.mark.parametrize("room", ["plots", "report"])
def test_rooms_import_what_lies_below_them(room):
    for path in (ROOT / "freqfake" / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                names = [node.module.split(".")[0]] if node.module else []
                assert all(LEVEL[name] < LEVEL[room] for name in names)


@pytest.mark.parametrize("path", sorted((ROOT / "freqfake").glob("*.py")), ids=lambda p: p.stem)
def test_torch_stays_behind_its_door(path):
    """Nothing but `deep` imports it, or `deep`, when it is itself imported."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
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
