"""Models and scores with the oldest and the newest dependencies, see `exchange.py`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("exchange.py")
OTHERS = [path for path in os.environ.get("FREQFAKE_OTHER_PYTHONS", "").split(os.pathsep) if path]


def run(python, *arguments):
    return subprocess.run([python, SCRIPT, *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exchange") / "ours"
    done = run(sys.executable, "save", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_a_difference_is_found(ours):
    stored = ours / "scores.json"
    text = stored.read_text(encoding="utf-8")
    table = json.loads(text)
    table = {"rich.safetensors": table["rich.safetensors"]}
    table["rich.safetensors"][0]["score"] += 2e-9
    table["rich.safetensors"][1]["verdict"] = "other"
    try:
        stored.write_text(json.dumps(table), encoding="utf-8")
        done = run(sys.executable, "check", ours)
    finally:
        stored.write_text(text, encoding="utf-8")
    assert done.returncode == 1, done.stderr
    *lines, summary = done.stdout.splitlines()
    assert ["score" in lines[0], "verdict" in lines[1], len(lines)] == [True, True, 2]
    assert summary.startswith("largest difference 2.0e-09, 2 too large")


def test_models_and_scores_are_the_same_everywhere(ours):
    """Each interpreter scores the pictures of this one with its models, and the other way round."""
    if not OTHERS:
        pytest.skip("only one set of dependencies: add others in FREQFAKE_OTHER_PYTHONS")
    theirs = [ours.with_name(f"theirs{number}") for number in range(len(OTHERS))]
    for python, folder in zip(OTHERS, theirs, strict=True):
        done = run(python, "save", folder)
        assert done.returncode == 0, done.stderr
        done = run(python, "check", ours)
        assert done.returncode == 0, f"{python}\n{done.stdout}{done.stderr}"
    done = run(sys.executable, "check", *theirs)
    assert done.returncode == 0, done.stdout + done.stderr
