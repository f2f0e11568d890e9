"""Every notebook runs and gives the committed outputs: python -m pytest notebooks."""

import math
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra notebooks")
pytest.importorskip("nbmake", reason="notebooks need the extra notebooks")
from execute import execute  # noqa: E402

NOTEBOOKS = sorted(Path(__file__).parent.glob("*.ipynb"))
NEEDS = {"1_first_score": ["jinja2"], "6_deep_and_video": ["torch", "av", "onnxruntime"]}

VERSION = re.compile(r"\d+\.\d+\.\d+")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_says_what_is_committed(path):
    for package in NEEDS.get(path.stem, []):
        pytest.importorskip(package)
    committed = nbformat.read(path, 4)
    result = execute(path)
    assert result.error is None, result.error.trace
    for before, now in zip(committed.cells, result.nb.cells, strict=True):
        assert agree(said(before), said(now)), f"{now.source}\nsaid {said(before)}, now {said(now)}"


def said(cell):
    """Return the words and numbers that a cell prints; nothing where they vary between runs."""
    if cell.cell_type != "code" or "varies" in cell.metadata.get("tags", []):
        return ""
    parts = []
    for output in cell.outputs:
        parts.append(output.get("data", {}).get("text/plain", ""))
        if output.get("name") == "stdout":
            parts.append(output.text)
    return " ".join(VERSION.sub("version", "\n".join(parts)).split())


def agree(one, other):
    """Compare words exactly, and numbers within what package versions may change."""
    if NUMBER.split(one) != NUMBER.split(other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=0.05, abs_tol=0.03) for a, b in pairs)


def test_agree_tells_apart():
    assert agree("AUC 0.97, 19 inconclusive", "AUC 0.95, 19 inconclusive")
    for other in ("AUC 0.88, 19 inconclusive", "AUC 0.97, 15 inconclusive", "AUC 0.97, 19 real"):
        assert not agree("AUC 0.97, 19 inconclusive", other)
