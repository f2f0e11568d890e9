"""The notebooks as committed: with outputs, and without traces of the machine.

notebooks/test_execute.py tests that they run with the same results.
"""

import re
from pathlib import Path

import pytest

pytest.importorskip("nbformat", reason="notebooks need the extra notebooks")
import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_BYTES = 1_000_000
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def test_six_notebooks_exist():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number}_" for number in range(1, 7)]


@every_notebook
def test_every_cell_was_run_in_order(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)


@every_notebook
def test_no_error_and_no_warning_was_left(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]


@every_notebook
def test_figures_are_stored_in_the_file(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    assert path.stat().st_size < MAX_BYTES


@every_notebook
def test_notebooks_hold_no_traces_of_a_machine(path):
    text = re.sub(r'"image/png": "[^"]*"', "", path.read_text("utf-8"))
    assert not re.findall(r"(?:^|[\s\"'(=])/(?:work|tmp|root|home|usr|var|Users)/\S*", text)
    notebook = nbformat.read(path, 4)
    assert notebook.metadata == {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        assert not any(output.get("metadata") for output in cell.get("outputs", []))


@every_notebook
def test_links_lead_to_files(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert (path.parent / link).is_file(), link


@every_notebook
def test_simulated_pictures_are_called_simulated(path):
    source = " ".join(cell.source for cell in nbformat.read(path, 4).cells)
    words = " ".join(source.lower().split())
    assert ("from simulated import" in words) == ("**the pictures are simulated**" in words)
