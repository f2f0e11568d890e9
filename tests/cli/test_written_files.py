"""Commands write their outputs, and nothing else that stays."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from helpers import COMMAND

from freqfake.cli.temporary import temporary_caches

SIDES = ["--real", "real", "--fake", "fake"]
COMMANDS = {  # with the extra that each needs, and what it may write
    "score": (["score", "real", "--jobs", "2", "--out", "s.csv"], "", {"s.csv"}),
    "faces": (["score", "real", "--faces", "--out", "s.csv"], "onnxruntime", {"s.csv"}),
    "features": (["features", "real", "--out", "f.csv"], "", {"f.csv"}),
    "audit": (["audit", *SIDES], "", set()),
    "train": (
        ["train", *SIDES, "--features", "asynchrony", "--jobs", "2", "--out", "t.safetensors"],
        "",
        {"t.safetensors"},
    ),
    "info": (["info", "faces"], "", set()),
    "page": (["report", "real/00.png", "-o", "r.html"], "matplotlib", {"r.html"}),
    "pages": (["report", "real", "-o", "pages", "--jobs", "2"], "matplotlib", {"pages"}),
    "network": (
        ["deep", "train", *SIDES, "--model", "meso4", "--input-size", "32", "--epochs", "1",
         "--out", "n"],
        "torch",
        {"n"},
    ),
}  # fmt: skip


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_writes_its_outputs_only(tmp_path, picture_folders, name):
    """Not in the home, which matplotlib and others use, and nothing that stays in /tmp."""
    words, package, outputs = COMMANDS[name]
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    home, temporary, work = (tmp_path / part for part in ("home", "temporary", "work"))
    for folder in (home, temporary, work):
        folder.mkdir()
    for side in ("real", "fake"):
        shutil.copytree(picture_folders / side, work / side)
    places = {"HOME": home, "USERPROFILE": home, "LOCALAPPDATA": home, "APPDATA": home,
              "TMPDIR": temporary, "TEMP": temporary, "TMP": temporary}  # fmt: skip
    set_elsewhere = ("CI", "GITHUB_", "MPL", "ORT_", "TORCH", "XDG_")  # these choose other places
    kept = {k: v for k, v in os.environ.items() if not k.startswith(set_elsewhere)}
    environment = {**kept, **{name: str(folder) for name, folder in places.items()}}
    done = subprocess.run(
        [*COMMAND, *words], cwd=work, env=environment, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert files_in(home) == files_in(temporary) == set()
    # Beside a table stays what made it, for --resume.
    written = {path.name for path in work.iterdir()} - {f"{name}.run" for name in outputs}
    assert written - {"real", "fake"} == outputs
    for side in ("real", "fake"):
        assert files_in(work / side) == files_in(picture_folders / side)


def test_folders_chosen_elsewhere_stay(monkeypatch):
    """By the user, or by a program that has imported the package before."""
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "torch", sys)
    before = dict(os.environ)
    with temporary_caches():
        assert dict(os.environ) == before
    monkeypatch.delitem(sys.modules, "torch")
    with temporary_caches():
        assert os.environ["MPLCONFIGDIR"] == "mine"
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"].endswith("torch")
    assert dict(os.environ) == before
