"""Run the notebooks and store their outputs: `python execute.py`, in this folder.

What differs between runs or machines (times, the version of Python) is not stored.
"""

import os
import sys
from pathlib import Path
from unittest.mock import patch

import nbformat
from nbmake.nb_run import NotebookRun

HERE = Path(__file__).parent
SECONDS = 120  # limit per cell

# The matrices are small: threads would only wait for each other, and change the rounding.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path):
    """Run a notebook from its first cell to its last.

    Returns
    -------
    nbmake.nb_result.NotebookResult
        ``nb``, the notebook with its outputs, and ``error``, None if all cells ran.
    """
    with patch.dict(os.environ, _ONE_THREAD):
        result = NotebookRun(path, SECONDS).execute()
    result.nb.metadata = nbformat.from_dict(_METADATA)
    for cell in result.nb.cells:
        cell.metadata.pop("execution", None)
    return result


def main(paths):
    """Run notebooks, all by default, and write them with their outputs."""
    for path in map(Path, paths or sorted(HERE.glob("*.ipynb"))):
        result = execute(path)
        if result.error:
            sys.exit(f"{path.name}: {result.error.summary}\n{result.error.trace}")
        nbformat.write(result.nb, path)


if __name__ == "__main__":
    main(sys.argv[1:])
