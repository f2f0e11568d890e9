"""Folders with loops, without permission or with pipes in them; and unusable outputs."""

import os
import shutil
import socket
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import pytest
from helpers import COLUMNS, COMMAND, in_rows, link, make_picture, posix, run_bytes, table_of
from PIL import Image

from freqfake import UnreadableImageWarning, find_images
from freqfake.batch.tables import open_table
from freqfake.cli import main
from freqfake.cli.common import paths_of
from freqfake.pictures.finding import walk


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for place in (root / "1.png", root / "a" / "b" / "2.png", tmp_path / "outside" / "3.png"):
        Image.fromarray(make_picture(0, asynchrony=0.3)).save(place)
    return root


@pytest.mark.filterwarnings("ignore::freqfake.UnreadableImageWarning")
class TestLinks:
    @pytest.mark.parametrize("given", ["tree", "tree/**", "tree/**/*.png", "**/tree/**/*"])
    def test_loops_end(self, tree, given, monkeypatch):
        monkeypatch.chdir(tree.parent)
        for name, target in {"here": ".", "up": "..", "a/root": "..", "x": "y", "y": "x"}.items():
            link(tree / name, target)
        for number in range(20):  # 2 ** 20 ways round
            link(tree / f"loop{number}", ".")
        found = [path.replace(os.sep, "/") for path in find_images(given)]
        pictures = [path for path in found if path.endswith(".png")]
        assert pictures == ["tree/1.png", "tree/a/b/2.png"]
        assert set(found) - set(pictures) <= {"tree/x", "tree/y"}  # they lead nowhere
        assert list(find_images(found)) == found

    def test_a_folder_is_searched_once_and_a_named_link_too(self, tree):
        link(tree / "same", "a")
        link(tree / "again", "a/b")
        assert [Path(path).name for path in find_images(tree)] == ["1.png", "2.png"]
        assert list(find_images(tree / "same")) == [str(tree / "same" / "b" / "2.png")]

    def test_links_to_files_are_files(self, tree):
        link(tree / "link.png", "1.png")
        link(tree / "broken.png", "nowhere")
        link(tree / "[1].png", "nowhere")  # a pattern, but also the name of a file
        done = main(["features", str(tree), "--out", str(tree / "f.csv")])
        rows = {Path(row["path"]).name: row for row in table_of((tree / "f.csv").read_bytes())}
        assert done == 1
        assert list(rows) == ["1.png", "[1].png", "2.png", "broken.png", "link.png"]
        assert [name for name, row in rows.items() if row["error"]] == ["[1].png", "broken.png"]


def test_a_link_out_of_the_folder_gives_a_warning(tree, capsys):
    link(tree / "more", tree.parent / "outside")
    link(tree / "inside", "a")
    with pytest.warns(UnreadableImageWarning, match=r"not searched: .*more is a link") as caught:
        assert len(list(find_images(tree))) == 2
    assert len(caught) == 1
    assert main(["features", str(tree), "--out", str(tree / "f.csv")]) == 1
    assert "more is a link to a folder elsewhere" in capsys.readouterr().err


@posix
def test_deep_trees(tmp_path, monkeypatch):
    """A thousand levels are searched; a path that is too long for the system is reported."""
    monkeypatch.chdir(tmp_path)
    for depth in range(1400):
        Path("dd").mkdir()
        os.chdir("dd")
        if depth in (0, 1000):
            Path("x.png").touch()
    os.chdir(tmp_path)
    try:
        for given, ending in (("dd", ""), ("dd/**/*.png", "dd")):
            first, second, beyond = sorted(find_images(given), key=len)
            assert [first.count("/"), second.count("/")] == [1, 1001]
            assert len(beyond) >= 4095
            assert beyond.endswith(ending)
        assert main(["features", "dd", "--out", "f.csv"]) == 1
        assert Path("f.csv").read_text().count("name too long") == 1
    finally:
        subprocess.run(["rm", "-rf", "dd"], check=True)  # shutil.rmtree does not go that deep


@posix
def test_special_files_do_not_block(tree):
    os.mkfifo(tree / "pipe.png")
    link(tree / "zero.png", "/dev/zero")
    with socket.socket(socket.AF_UNIX) as end:
        os.chdir(tree)  # a socket's name must be short
        end.bind("socket.png")
        os.chdir("/")
        done = run_bytes("score", tree, cwd=tree, timeout=60)
    rows = {Path(row["path"]).name: row["error"] for row in table_of(done.stdout)}
    assert done.returncode == 1
    assert [name for name, error in rows.items() if error] == ["pipe.png", "socket.png", "zero.png"]
    assert len(rows) == 5


def test_a_vanished_folder_is_reported(tree):
    seen = {}
    for here, names in walk(str(tree)):
        seen[Path(here).name] = names
        shutil.rmtree(tree / "a", ignore_errors=True)
    assert seen == {"tree": ["1.png"], "a": None}


def without_privileges(*arguments, cwd):
    """Run with permissions in force, which root would bypass."""
    if os.name != "posix":
        pytest.skip("Windows has other permissions")
    if os.geteuid() != 0:
        return run_bytes(*arguments, cwd=cwd)
    dropped = ["--bounding-set", "-dac_override,-dac_read_search"]
    check = shutil.which("setpriv") and subprocess.run(["setpriv", *dropped, "true"])
    if not check or check.returncode:
        pytest.skip("root can read every file, and setpriv is not available")
    return run_bytes(*arguments, cwd=cwd, program=["setpriv", *dropped, *COMMAND])


def test_files_without_permission_get_a_row(tmp_path):
    root = tmp_path / "p"
    for name in ("good", "closed", "no_entry"):
        (root / name).mkdir(parents=True)
        Image.fromarray(make_picture(0, asynchrony=0.3)).save(root / name / "1.png")
    shutil.copy(root / "good" / "1.png", root / "good" / "2.png")
    (root / "good" / "2.png").chmod(0)
    (root / "closed").chmod(0)
    (root / "no_entry").chmod(0o444)  # its names can be read, but not its files
    try:
        expected = ["p/closed", "p/good/1.png", "p/good/2.png", "p/no_entry/1.png"]
        for inputs in (["p/**/*.png"], ["p/*/*.png", "p/no_entry/1.png"]):
            done = without_privileges("features", *inputs, cwd=tmp_path)
            rows = {row["path"]: row["error"] for row in table_of(done.stdout)}
            assert done.returncode == 1
            assert [path for path in sorted(rows) if path != "p/no_entry"] == expected
            assert [path for path in expected if not rows[path]] == ["p/good/1.png"]
            assert rows["p/closed"] == "no permission to read: p/closed"
    finally:
        for name in ("closed", "no_entry"):
            (root / name).chmod(0o755)


def test_a_read_only_folder(tmp_path):
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(tmp_path / "1.png")
    tmp_path.chmod(0o555)
    done = without_privileges("features", "1.png", "--out", "f.parquet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == "freqfake: error: no permission to write --out: f.parquet\n"
    assert [path.name for path in tmp_path.iterdir()] == ["1.png"]


LINES = {
    "features {p} > /dev/full": (2, "freqfake: error: No space left on device: stdout\n"),
    "features {p} --out /dev/full": (2, "freqfake: error: No space left on device: /dev/full\n"),
    "features {p} >&-": (2, "freqfake: error: Bad file descriptor: stdout\n"),
    "features {p} --out /dev/null": (0, ""),
    "--help > /dev/full": (2, "freqfake: error: No space left on device: stdout\n"),
    "score {p} --model nobody 2>&-": (2, ""),
    "features {d}/none 2>&1 | true; exit ${{PIPESTATUS[0]}}": ((0, 1), ""),
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("line", LINES)
def test_outputs_that_cannot_be_written(line, tmp_path):
    statuses, message = LINES[line]
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(tmp_path / "1.png")
    command = f"{sys.executable} -m freqfake {line.format(p=tmp_path / '1.png', d=tmp_path)}"
    environment = {**os.environ}
    environment.pop("PYTHONUNBUFFERED", None)  # the last write can fail too
    options = {"capture_output": True, "text": True, "env": environment, "timeout": 60}
    done = subprocess.run(["bash", "-c", command], check=False, **options)
    assert done.stderr == message
    assert done.returncode in (statuses if isinstance(statuses, tuple) else (statuses,))


def test_inputs_are_not_written_over(tmp_path, capsys):
    picture, model = str(tmp_path / "1.png"), str(tmp_path / "m.safetensors")
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(picture)
    os.link(picture, tmp_path / "other")
    shutil.copy(resources.files("freqfake.model_files") / "embedded" / "lewoo.safetensors", model)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for line in (
        ["features", picture, "--out", picture],
        ["features", str(tmp_path), "--out", str(tmp_path / "other"), "--resume"],
        ["score", picture, "--model", model, "--out", model],
        ["train", "--real", picture, "--fake", picture, "--out", picture],
        ["adapt", str(tmp_path), "--out", str(tmp_path / "other")],
        ["export", "--model", model, "--onnx", model],
    ):
        assert main(line) == 2
        assert (
            f"{line[-2] if line[-1] != '--resume' else '--out'} must not be one of the inputs; got"
            in capsys.readouterr().err
        )
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@posix
def test_a_device_cannot_be_resumed(tmp_path, capsys):
    assert main(["features", str(tmp_path), "--out", "/dev/zero", "--resume"]) == 2
    assert "only a file can be resumed; got a device" in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_rows(tmp_path, monkeypatch):
    """Rows that fitted are kept."""
    left = 40
    write = os.write

    def small(number, data):
        nonlocal left
        if not left:
            raise OSError(28, "No space left on device")
        taken = write(number, bytes(data)[:left])
        left -= taken
        return taken

    out = tmp_path / "t.csv"
    with open_table(str(out), COLUMNS) as table:
        monkeypatch.setattr(os, "write", small)
        table.write({"path": "1.png", "score": 1, "error": ""})
        with pytest.raises(OSError, match="No space left on device") as caught:
            table.write(*in_rows(["2.png", "3.png"]))
    assert caught.value.filename == str(out)
    assert out.read_text() == "path,score,error\n1.png,1,\n"


def test_many_arguments_are_not_compared_with_each_other(tmp_path, monkeypatch):
    """A shell expands `*.png` to many arguments: 100,000 took minutes."""
    names = [f"{number}.png" for number in range(40_000)]
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    monkeypatch.chdir(tmp_path)
    before = time.process_time()
    assert paths_of(names) == names
    assert time.process_time() - before < 3  # about 15 s if they were
