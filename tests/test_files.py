"""Files are written completely or not at all."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from freqfake import load_detector
from freqfake._files import whole_file
from freqfake.batch.tables import open_table

KILLED = """
import os, signal, sys
from freqfake._files import whole_file
with whole_file(sys.argv[1]) as file:
    file.write(b"half of the n")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
posix = pytest.mark.skipif(os.name != "posix", reason="Windows lacks such files or signals")


@posix
def test_a_kill_leaves_the_old_file_and_blocks_no_later_write(tmp_path):
    target = tmp_path / "m.safetensors"
    target.write_bytes(b"old")
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(target)])
        assert done.returncode == -signal.SIGKILL
        assert target.read_bytes() == b"old"
    left = [file for file in tmp_path.iterdir() if file != target]
    assert len(left) == 2
    assert all(file.name.startswith(".freqfake-") for file in left)
    load_detector("lewoo").save(target)
    assert load_detector(target).sha256 == load_detector("lewoo").sha256


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "m.safetensors"
    target.write_bytes(b"old")

    def fail():
        with whole_file(target) as file:
            file.write(b"half of the n")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "no" / "m.safetensors"):
        pass
    with pytest.raises(IsADirectoryError if os.name == "posix" else OSError), whole_file(tmp_path):
        pass


def test_a_file_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    steps = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: steps.append("sync") or sync(file))

    def noted(self, target):
        steps.append(self.read_bytes())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    with whole_file(tmp_path / "a") as file:
        file.write(b"all of it")
    assert steps == ["sync", b"all of it"]


@posix
def test_permissions_are_the_usual_ones_or_those_of_the_old_file(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "new") as file:
            file.write(b"new")
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(0o600)
        with whole_file(tmp_path / "old") as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o600


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with whole_file(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@posix
def test_a_pipe_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with whole_file(tmp_path / "pipe") as file:
        file.write(b"new")
    reader.join(10)
    assert read == [b"new"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("length", [200, 255])
def test_names_of_maximum_length(tmp_path, length):
    with whole_file(tmp_path / ("a" * length)) as file:
        file.write(b"new")
    assert [len(file.name) for file in tmp_path.iterdir()] == [length]


def write_model(path):
    load_detector("lewoo").save(path)


def write_report(path):
    pytest.importorskip("matplotlib")
    from freqfake.report.page import write_page

    write_page(path, "<html>")


def write_parquet(path):
    pytest.importorskip("pyarrow")
    with open_table(str(path.with_suffix(".parquet")), ["path", "error"]):
        pass


def write_network(path):
    pytest.importorskip("torch")
    from freqfake.deep import Meso4, save_network

    save_network(path, Meso4(input_size=32))


@pytest.mark.parametrize("write", [write_model, write_report, write_parquet, write_network])
def test_a_file_gets_its_name_only_when_complete(tmp_path, monkeypatch, write):
    def stopped(self, target):
        raise OSError(f"stopped at {target.name}")

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(OSError, match="stopped at a"):
        write(tmp_path / "a")
    assert {file.suffix for file in tmp_path.iterdir()} <= {".partial", ".run"}
