"""Runs that meet at an output, end badly, or would make other rows than those that are there."""

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pandas as pd
import pytest
from helpers import link, make_picture, posix, run
from PIL import Image

from freqfake import FreqFakeError, OutputInUseError, TableError
from freqfake.batch.runs import only_run
from freqfake.batch.tables import files_of, open_table
from freqfake.cli import main

COLUMNS = ("path", "face", "error")
FORMATS = [
    "t.csv",
    "t.jsonl",
    pytest.param(
        "t.parquet",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("pyarrow") is None, reason="Parquet needs the extra parquet"
        ),
    ),
]
any_format = pytest.mark.parametrize("name", FORMATS)


def rows(*paths):
    return [{"path": path, "face": 0, "error": ""} for path in paths]


def paths_in(out):
    if out.suffix == ".parquet":
        return list(pd.read_parquet(out)["path"])
    if out.suffix == ".jsonl":
        return [json.loads(line)["path"] for line in out.read_text().splitlines()]
    return list(pd.read_csv(out)["path"])


def add(out, *paths, made_by=None, resume=True):
    with open_table(str(out), COLUMNS, resume=resume, made_by=made_by) as table:
        for row in rows(*paths):
            table.write(row)


LIMITED = """
import resource, signal, sys
from freqfake.batch.tables import open_table

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the system kills the process in a write
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
with open_table(sys.argv[1], ("path", "face", "error"), resume=True) as table:
    table.write(*({"path": "group", "face": n, "error": ""} for n in range(4000)))
"""


def killed_at(out, size):
    """Continue a table in a process that dies when a file is larger than this."""
    done = subprocess.run([sys.executable, "-c", LIMITED, str(out), str(size)])
    assert done.returncode == -signal.SIGXFSZ


@posix
def test_a_kill_while_a_complete_table_is_opened_loses_nothing(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
    out = tmp_path / "t.parquet"
    names = [f"{number:05d}.png" for number in range(5000)]
    add(out, *names, resume=False)
    killed_at(out, 100_000)
    assert paths_in(out) == names
    add(out, "one more")
    assert paths_in(out) == [*names, "one more"]


@posix
@any_format
def test_rows_of_a_picture_that_a_kill_has_parted_are_dropped(tmp_path, name):
    out = tmp_path / name
    add(out, "a", resume=False)
    killed_at(out, 20_000)
    place = out.with_name(f"{name}.partial") if name == "t.parquet" else out
    assert place.stat().st_size == 20_000
    with open_table(str(out), COLUMNS, resume=True) as table:
        assert table.done == {"a"}
        table.write(*rows("group", "group"))
    assert paths_in(out) == ["a", "group", "group"]


@any_format
def test_a_table_is_written_by_one_run_at_a_time(tmp_path, name):
    out = tmp_path / name
    (tmp_path / "again").mkdir()
    link(tmp_path / "again" / name, out)
    with open_table(str(out), COLUMNS) as table:
        table.write(*rows("a"))
        for same in (out, tmp_path / "again" / name):
            for resume in (False, True):
                with pytest.raises(OutputInUseError, match=f"process {os.getpid()} on "):
                    add(same, "b", resume=resume)
        table.write(*rows("c"))
    assert paths_in(out) == ["a", "c"]
    assert issubclass(OutputInUseError, FreqFakeError)
    add(out, "d")
    assert paths_in(out) == ["a", "c", "d"]


def test_what_made_the_rows_stays_and_who_wrote_them_does_not(tmp_path):
    add(tmp_path / "t.csv", "a", made_by={"model": "x"})
    assert json.loads((tmp_path / "t.csv.run").read_text()) == {"made_by": {"model": "x"}}


@any_format
@pytest.mark.parametrize("complete", [True, False])
def test_rows_that_were_made_differently_are_not_mixed(tmp_path, name, complete):
    out = tmp_path / name
    try:
        with open_table(str(out), COLUMNS, made_by={"model": "x", "prior": 0.5}) as table:
            table.write(*rows("a"))
            assert complete, "as if stopped"
    except AssertionError:
        pass
    there = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for other, words in (
        ({"model": "y", "prior": 0.5}, r"\(model was x, is now y\)"),
        ({"model": "x"}, r"\(prior was 0.5, is now not set\)"),
        ({"model": "x", "prior": 0.5, "faces": True}, r"\(faces was not set, is now True\)"),
    ):
        with pytest.raises(TableError, match=f"made differently {words}: leave out --resume"):
            add(out, "b", made_by=other)
    assert {file: file.read_bytes() for file in there} == there
    add(out, "b", made_by={"prior": 0.5, "model": "x"})
    assert paths_in(out) == ["a", "b"]
    add(out, "c", made_by={"model": "y"}, resume=False)
    add(out, "d", made_by={"model": "y"})
    assert paths_in(out) == ["c", "d"]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_rows_of_unknown_origin_are_not_continued(tmp_path, name):
    out = tmp_path / name
    add(out, "a")
    (tmp_path / f"{name}.run").unlink()
    with pytest.raises(TableError, match="it is not known what made its rows"):
        add(out, "b")
    assert paths_in(out) == ["a"]


def test_a_parquet_file_of_unknown_origin_is_not_continued(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
    out = tmp_path / "t.parquet"
    pd.DataFrame(rows("a")).to_parquet(out)
    for text in (out.read_bytes(), b"nonsense"):
        out.write_bytes(text)
        with pytest.raises(TableError, match=r"what made its rows|is not a Parquet file"):
            add(out, "b")
        assert [file.name for file in tmp_path.iterdir()] == [out.name]
        assert out.read_bytes() == text


@pytest.mark.parametrize("text", ["mine", "{}", "\n[]\n", '\n{"made_by": 1}\n', "\n{}{\n", "\n"])
def test_a_file_of_the_same_name_is_kept(tmp_path, text):
    (tmp_path / "t.csv.run").write_text(text)
    with pytest.raises(FileExistsError, match="not a file that a run of freqfake left"):
        add(tmp_path / "t.csv", "a")
    assert (tmp_path / "t.csv.run").read_text() == text
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize("resume", [True, False])
def test_a_partial_file_of_another_origin_is_kept(tmp_path, resume):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
    mine = tmp_path / "t.parquet.partial"
    mine.write_text("mine")
    with pytest.raises(TableError, match=r"t.parquet.partial is needed .* remove it"):
        add(tmp_path / "t.parquet", "a", resume=resume)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("ending", [".run", ".partial"])
def test_links_beside_the_table_are_not_followed(tmp_path, ending):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
    (tmp_path / "mine").touch()
    link(tmp_path / f"t.parquet{ending}", tmp_path / "mine")
    with pytest.raises((FileExistsError, TableError), match="remove it"):
        add(tmp_path / "t.parquet", "a", resume=False)
    assert (tmp_path / "mine").read_bytes() == b""


@posix
def test_a_pipe_needs_no_lock(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    add(tmp_path / "pipe", "a", resume=False)
    reader.join(10)
    assert read == ["path,face,error\na,0,\n"]
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch):
    def missing(descriptor, *, blocking):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(filelock, "lock_descriptor", missing)
    with pytest.warns(UserWarning, match="no locks: make sure that no other run writes"):
        add(tmp_path / "t.csv", "a")
    assert paths_in(tmp_path / "t.csv") == ["a"]


def test_two_threads_cannot_hold_an_output(tmp_path):
    """The file that holds the lock may vanish with the run before."""
    held, most = [], []

    def hold():
        for _ in range(200):
            try:
                with only_run(tmp_path / "t"):
                    held.append(1)
                    most.append(len(held))
                    held.pop()
            except OutputInUseError:
                pass

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(40):
        Image.fromarray(make_picture(seed, asynchrony=0.3)).save(folder / f"{seed:02d}.png")
    return folder


STOPS_ITSELF = """
import os, signal, sys

def stop(event, arguments):
    if event == "open" and str(arguments[0]).endswith("20.png"):
        os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(stop)
from freqfake.cli import main

sys.exit(main(sys.argv[1:]))
"""


@posix
@any_format
def test_a_second_run_ends_with_2_and_says_who_writes(pictures, tmp_path, name):
    """A run that stops before the 21st picture; and later one that was killed."""
    out = tmp_path / name
    arguments = ["features", str(pictures), "--out", str(out)]
    first = subprocess.Popen([sys.executable, "-c", STOPS_ITSELF, *arguments])
    assert os.WIFSTOPPED(os.waitpid(first.pid, os.WUNTRACED)[1])
    try:
        second = run("features", pictures, "--out", out)
        assert (second.returncode, second.stdout) == (2, "")
        holder = f"error: {out} is being written by process {first.pid} on "
        assert holder in second.stderr
    finally:
        first.kill()
        first.wait()
    third = run("features", pictures, "--out", out, "--resume")
    assert third.returncode == 0, third.stderr
    assert sorted(paths_in(out)) == sorted(map(str, pictures.iterdir()))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (["features"], ["features", "--spectrum", "modulus"], "spectrum was log, is now modulus"),
        (["features"], ["features", "--max-pixels", "99"], "is now 99"),
        (["score"], ["score", "--model", "lewoo"], "model_sha256 was "),
        (["score"], ["score", "--prior", "0.1"], "prior was 0.5, is now 0.1"),
        (["score"], ["score", "--max-fpr", "0.02"], "max_fpr was not set, is now 0.02"),
        (["score"], ["score", "--provenance"], "is not a table of this command"),
    ],
)
def test_options_that_change_rows_are_not_mixed(pictures, tmp_path, capsys, first, second, words):
    out = tmp_path / "t.csv"
    few = sorted(pictures.iterdir())[:2]
    end = ["--out", str(out), "--resume"]
    assert main([*first, str(few[0]), *end]) == 0
    before = out.read_bytes()
    assert main([*second, *map(str, few), *end]) == 2
    assert words in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*first, *map(str, few), *end]) == 0
    assert len(paths_in(out)) == 2


def test_files_beside_the_table_are_not_inputs(pictures, tmp_path, capsys):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
    out = tmp_path / "t.parquet"
    for beside in files_of(str(out)):
        picture = tmp_path / "picture.png"
        picture.write_bytes((pictures / "00.png").read_bytes())
        os.link(picture, beside)
        for given in (picture, beside):
            assert main(["features", str(given), "--out", str(out)]) == 2
            message = capsys.readouterr().err
            assert f"must not be one of the inputs; got {beside}, which would be" in message
        assert beside.read_bytes() == (pictures / "00.png").read_bytes()
        beside.unlink()
