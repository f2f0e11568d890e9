"""Folders with loops, without permission, with pipes in them; and outputs that will not do."""

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

    def test_a_folder_is_searched_once_and_links_named_are(self, tree):
        link(tree / "same", "a")
        link(tree / "again", "a/b")
        assert [Path(path).name for path in find_images(tree)] == ["1.png", "2.png"]
        assert list(find_images(tree / "same")) == [str(tree / "same" / "b" / "2.png")]

    def test_links_to_files_are_files(self, tree):
        link(tree / "link.png", "1.png")
        link(tree / "broken.png", "nowhere")
        link(tree / "[1].png", "nowhere")  # is a pattern, but the name of a file too
        done = main(["features", str(tree), "--out", str(tree / "f.csv")])
        rows = {Path(row["path"]).name: row for row in table_of((tree / "f.csv").read_bytes())}
        assert done == 1
        assert list(rows) == ["1.png", "[1].png", "2.png", "broken.png", "link.png"]
        assert [name for name, row in rows.items() if row["error"]] == ["[1].png", "broken.png"]


def test_a_link_out_of_the_folder_is_not_followed_in_silence(tree, capsys):
    link(tree / "more", tree.parent / "outside")
    link(tree / "inside", "a")
    with pytest.warns(UnreadableImageWarning, match=r"not searched: .*more is a link") as told:
        assert len(list(find_images(tree))) == 2
    assert len(told) == 1
    assert main(["features", str(tree), "--out", str(tree / "f.csv")]) == 1
    assert "more is a link to a folder elsewhere" in capsys.readouterr().err


@posix
def test_deep_trees(tmp_path, monkeypatch):
    """A thousand levels are searched; where a path gets longer than systems take, it is told."""
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
        subprocess.run(["rm", "-rf", "dd"], check=True)  # shutil's does not go that deep


@posix
def test_what_is_no_ordinary_file_keeps_nobody_waiting(tree):
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


def test_what_vanishes_is_told(tree):
    seen = {}
    for here, names in walk(str(tree)):
        seen[Path(here).name] = names
        shutil.rmtree(tree / "a", ignore_errors=True)
    assert seen == {"tree": ["1.png"], "a": None}


def without_privileges(*arguments, cwd):
    """Run so that permissions count, as for root they do not."""
    if os.name != "posix":
        pytest.skip("Windows has other permissions")
    if os.geteuid() != 0:
        return run_bytes(*arguments, cwd=cwd)
    dropped = ["--bounding-set", "-dac_override,-dac_read_search"]
    check = shutil.which("setpriv") and subprocess.run(["setpriv", *dropped, "true"])
    if not check or check.returncode:
        pytest.skip("run by root, who may read all, and there is no setpriv to change that")
    return run_bytes(*arguments, cwd=cwd, program=["setpriv", *dropped, *COMMAND])


def test_without_permission_there_is_a_row(tmp_path):
    root = tmp_path / "p"
    for name in ("good", "closed", "no_entry"):
        (root / name).mkdir(parents=True)
        Image.fromarray(make_picture(0, asynchrony=0.3)).save(root / name / "1.png")
    shutil.copy(root / "good" / "1.png", root / "good" / "2.png")
    (root / "good" / "2.png").chmod(0)
    (root / "closed").chmod(0)
    (root / "no_entry").chmod(0o444)  # its names can be read, its files cannot
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


def test_a_folder_that_is_not_to_be_written(tmp_path):
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="here is no disk that is always full")
@pytest.mark.parametrize("line", LINES)
def test_outputs_that_cannot_be_written(line, tmp_path):
    statuses, told = LINES[line]
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(tmp_path / "1.png")
    command = f"{sys.executable} -m freqfake {line.format(p=tmp_path / '1.png', d=tmp_path)}"
    environment = {**os.environ}
    environment.pop("PYTHONUNBUFFERED", None)  # what is written at the end can fail too
    options = {"capture_output": True, "text": True, "env": environment, "timeout": 60}
    done = subprocess.run(["bash", "-c", command], check=False, **options)
    assert done.stderr == told
    assert done.returncode in (statuses if isinstance(statuses, tuple) else (statuses,))


def test_inputs_are_not_written_over(tmp_path, capsys):
    picture, model = str(tmp_path / "1.png"), str(tmp_path / "m.npz")
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(picture)
    os.link(picture, tmp_path / "other")
    shutil.copy(resources.files("freqfake.model_files") / "embedded" / "lewoo.npz", model)
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
def test_devices_are_not_gone_on_with(tmp_path, capsys):
    assert main(["features", str(tmp_path), "--out", "/dev/zero", "--resume"]) == 2
    assert "only a file can be gone on with; got a device" in capsys.readouterr().err


def test_a_full_disk_takes_no_half_rows(tmp_path, monkeypatch):
    """And those that fitted are there."""
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
        with pytest.raises(OSError, match="No space left on device") as told:
            table.write(*in_rows(["2.png", "3.png"]))
    assert told.value.filename == str(out)
    assert out.read_text() == "path,score,error\n1.png,1,\n"


def test_many_arguments_are_not_looked_up_in_each_other(tmp_path, monkeypatch):
    """A shell expands `*.png` to many words: 100,000 took minutes."""
    names = [f"{number}.png" for number in range(40_000)]
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    monkeypatch.chdir(tmp_path)
    before = time.process_time()
    assert paths_of(names) == names
    assert time.process_time() - before < 3  # some 15 s if they were
