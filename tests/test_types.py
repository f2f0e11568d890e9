"""Types of the installed package."""

import subprocess
import sys
from pathlib import Path

import pytest

import freqfake

pytest.importorskip("mypy", reason="types need the extra lint")

PROGRAM = Path(__file__).with_name("public_types.py")


@pytest.mark.slow
def test_a_strict_program_can_use_the_public_names(tmp_path):
    assert Path(freqfake.__file__).with_name("py.typed").is_file()
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr
