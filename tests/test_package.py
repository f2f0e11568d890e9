"""The package: public names, imports between subpackages, deprecated calls."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import freqfake

ROOT = Path(__file__).parents[1]
PACKAGE = Path(freqfake.__file__).parent  # may be installed, without the other folders
FLOORS = """
    cli
    serve
    report export
    deep
    detector
    plots model_files
    batch evidence
    features crops
    pictures estimators
"""
FLOOR = {room: n for n, rooms in enumerate(FLOORS.split("\n")[::-1]) for room in rooms.split()}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[tuple[str, bool]]:
    """Full names of the modules that a module imports, and whether at top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(PACKAGE.parent).parts[:-1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            found.append((".".join([*above, *filter(None, [node.module])]), node in tree.body))
        elif isinstance(node, ast.Import):
            found += [(alias.name, node in tree.body) for alias in node.names]
    return found


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "freqfake" and len(parts) > 1 and parts[1] in FLOOR else ""


def test_every_public_name_is_there():
    for name in freqfake.__all__:
        assert getattr(freqfake, name) is not None
    assert set(freqfake.__all__) == set(dir(freqfake))
    with pytest.raises(AttributeError, match="nonsense"):
        freqfake.nonsense  # noqa: B018


def test_import_is_light():
    code = "import sys, freqfake; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "matplotlib", "pandas", "sklearn", "joblib", "tqdm"}


HEAVY = """
    joblib matplotlib multiprocessing pandas pyarrow rich sklearn torch tqdm
    scipy.linalg scipy.ndimage scipy.optimize scipy.sparse scipy.spatial scipy.stats
"""


@pytest.mark.parametrize("side", ["real", "fake"])
def test_scoring_a_picture_imports_no_more_than_it_needs(side):
    """These take longer to import than a picture takes to score."""
    picture = min((ROOT / "tests" / "samples" / side).iterdir())
    code = (
        "import sys, scipy.fft; before = set(sys.modules); from freqfake.cli import main; main(); "
        "print(*sys.modules.keys() - before, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "score", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 2
    loaded = set(done.stderr.split())
    assert "freqfake.features.rich" in loaded
    assert not loaded & set(HEAVY.split())


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path):
    """Each subpackage imports only from subpackages below it in `FLOORS`."""
    room = path.relative_to(PACKAGE).parts[0]
    for module, _ in imports(path):
        below = room_of(module)
        if path.stem == "__main__" or not below or below == room:
            continue
        assert FLOOR[below] < FLOOR.get(room, 0)


def test_every_subpackage_is_in_the_order():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_deep_imports_torch(path):
    """No other subpackage imports torch or `deep` at top level."""
    if path.relative_to(PACKAGE).parts[0] != "deep":
        at_once = {module for module, now in imports(path) if now}
        assert not [m for m in at_once if m.split(".")[0] == "torch" or room_of(m) == "deep"]


STERN = """
import sys
from freqfake.cli import make_parser

real, fake = (["--real", "real"], ["--fake", "fake"])
for words in (
    ["train", *real, *fake, "--features", "asynchrony", "--out", "m.safetensors"],
    ["adapt", "--model", "m.safetensors", "real", "fake", "--out", "a.safetensors"],
    ["evaluate", "--model", "a.safetensors", *real, *fake],
    ["audit", *real, *fake],
    ["features", "real", "--out", "f.csv"],
    ["score", "real/00.png", "fake/00.png", "--jobs", "2", "--out", "s.csv"],
    ["score", "fake/00.png", "--format", "jsonl"],
):
    args = make_parser().parse_args(words)
    args.run(args)
"""


@pytest.mark.slow
def test_no_deprecated_calls_and_no_open_files(picture_folders, tmp_path):
    """Runs the commands directly, because `main` hides such warnings from users."""
    for side in ("real", "fake"):
        shutil.copytree(picture_folders / side, tmp_path / side)
    kinds = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "ResourceWarning")
    stern = [word for kind in kinds for word in ("-W", f"error::{kind}")]
    command = [sys.executable, "-X", "dev", *stern, "-c", STERN]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if any(kind in line for kind in kinds)]
    assert len(list(tmp_path.glob("*.csv"))) == 2
