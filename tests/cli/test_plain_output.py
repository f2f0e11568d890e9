"""Data in pipes and files are the same bytes as ever, whatever a terminal shows.

The files in `recorded` were written before the terminal had its present tables, and once more
when the coefficients of the default model were stored in half precision. The last digits
of a number may depend on the computer.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import COMMAND

RECORDED = Path(__file__).parent / "recorded"
INPUTS = ("chelsea.png", "mobilestylegan_201.webp", "text.jpg", "missing.png")
DECIMALS = rb"-?\d+\.\d{4,}"


@pytest.fixture(scope="module")
def folder(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    shutil.copy(samples / "real" / "chelsea.png", folder)
    shutil.copy(samples / "fake" / "mobilestylegan_201.webp", folder)
    (folder / "text.jpg").write_text("no picture")
    return folder


def check(data, recorded):
    data, before = (
        text.replace(b"\r\n", b"\n") for text in (data, (RECORDED / recorded).read_bytes())
    )
    assert re.sub(DECIMALS, b"#", data) == re.sub(DECIMALS, b"#", before)
    numbers, known = ([float(n) for n in re.findall(DECIMALS, text)] for text in (data, before))
    assert numbers == pytest.approx(known, rel=1e-6)


@pytest.mark.parametrize(
    ("words", "recorded"),
    [
        (["score"], "scores.csv"),
        (["score", "--format", "jsonl"], "scores.jsonl"),
        (["features"], "features.csv"),
    ],
)
def test_a_pipe_gets_the_recorded_bytes(words, recorded, folder):
    done = subprocess.run([*COMMAND, *words, *INPUTS], cwd=folder, capture_output=True)
    check(done.stdout, recorded)
    assert done.stderr == b"freqfake: 2 input(s) could not be read, see the column `error`\n"


@pytest.mark.parametrize("recorded", ["scores.csv", "scores.jsonl"])
def test_a_file_gets_the_recorded_bytes(recorded, folder, tmp_path):
    out = tmp_path / recorded
    done = subprocess.run(
        [*COMMAND, "score", *INPUTS, "--out", out], cwd=folder, capture_output=True
    )
    check(out.read_bytes(), recorded)
    assert done.stdout == b""
    assert done.stderr == b"freqfake: 2 input(s) could not be read, see the column `error`\n"
