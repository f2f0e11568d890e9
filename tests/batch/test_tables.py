"""Tables that are written row by row: called directly, and in runs that a user stops."""

import contextlib
import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import make_picture, posix
from PIL import Image

from freqfake import FreqFakeError, TableError
from freqfake.batch.tables import TableWriter, open_table

COLUMNS = ("path", "score", "error")
N_PICTURES = 300
needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="Parquet needs the extra parquet"
)


def row(path: str, score: float = 0.5, error: str = "") -> dict:
    return dict(zip(COLUMNS, (path, score, error), strict=True))


def read(path: Path) -> list[dict]:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_dict("records")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "name", ["t.csv", "t.jsonl", pytest.param("t.parquet", marks=needs_pyarrow)]
)
class TestOpenTable:
    def written(self, path, rows, **options):
        with open_table(str(path), COLUMNS, **options) as table:
            for one in rows:
                table.write(one)
        return table

    def test_rows_are_read_back(self, tmp_path, name):
        rows = [row("a"), row('b,"c"\n\u00e9'), row("d", np.nan, "no such file: d")]
        assert self.written(tmp_path / name, rows).n_failed == 1
        found = read(tmp_path / name)
        assert [r["path"] for r in found] == [r["path"] for r in rows]
        assert float(found[0]["score"]) == 0.5
        assert found[2]["score"] in ("", None) or np.isnan(found[2]["score"])
        assert found[2]["error"] == "no such file: d"
        beside = [] if name.endswith("parquet") else [f"{name}.run"]
        assert sorted(p.name for p in tmp_path.iterdir()) == [name, *beside]

    def test_numbers_are_exact_and_infinite_ones_are_missing(self, tmp_path, name):
        numbers = [1 / 3, 0.1, 1e-300, -2e22, float(np.float32(0.1))]
        self.written(tmp_path / name, [row(str(n), n) for n in (*numbers, np.inf, -np.inf)])
        found = [r["score"] for r in read(tmp_path / name)]
        assert [float(n) for n in found[:-2]] == numbers
        assert all(n in ("", None) or np.isnan(n) for n in found[-2:])

    def test_each_row_is_written_immediately(self, tmp_path, name):
        place = tmp_path / (name + ".partial" if name.endswith("parquet") else name)
        with open_table(str(tmp_path / name), COLUMNS) as table:
            for n in (1, 2, 3):
                table.write(row(str(n)))
                assert place.read_text().count("\n") == n + name.endswith("csv")

    def test_a_complete_table_can_be_resumed(self, tmp_path, name):
        self.written(tmp_path / name, [row("a"), row("b", np.nan, "bad")])
        table = self.written(tmp_path / name, [row("c")], resume=True)
        assert table.done == {"a", "b"}
        assert table.n_failed == 1
        assert [r["path"] for r in read(tmp_path / name)] == ["a", "b", "c"]
        self.written(tmp_path / name, [row("d")])
        assert [r["path"] for r in read(tmp_path / name)] == ["d"]

    def test_an_incomplete_row_is_dropped(self, tmp_path, name):
        place = tmp_path / (name + ".partial" if name.endswith("parquet") else name)
        with contextlib.suppress(KeyboardInterrupt), open_table(str(tmp_path / name), COLUMNS) as t:
            t.write(row("a"))
            t.write(row("b"))
            raise KeyboardInterrupt
        place.write_bytes(place.read_bytes()[:-4])
        table = self.written(tmp_path / name, [row("b"), row("c")], resume=True)
        assert table.done == {"a"}
        assert [r["path"] for r in read(tmp_path / name)] == ["a", "b", "c"]

    def test_another_table_cannot_be_resumed(self, tmp_path, name):
        place = tmp_path / (name + ".partial" if name.endswith("parquet") else name)
        for text in ("path,mean,error\na,1,\n", '{"path": "a"}\n', "nonsense\n", "[1]\n"):
            with contextlib.suppress(KeyboardInterrupt), open_table(str(tmp_path / name), COLUMNS):
                raise KeyboardInterrupt
            place.write_text(text)
            with (
                pytest.raises(TableError, match="is not a table of this command"),
                open_table(str(tmp_path / name), COLUMNS, resume=True),
            ):
                pass
            assert place.read_text() == text


def test_rows_of_a_picture_are_written_together():
    written: list[str] = []
    table = TableWriter(lambda *lines: written.append("".join(lines)), COLUMNS, "jsonl", [])
    table.write(row("a"), row("a", error="bad"), row("a", error="bad"))
    assert [text.count("\n") for text in written] == [3]
    assert table.n_failed == 2


def test_resuming_without_a_table_starts_one(tmp_path):
    with open_table(str(tmp_path / "t.csv"), COLUMNS, resume=True) as table:
        assert table.done == frozenset()
    assert issubclass(TableError, FreqFakeError)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Enough pictures to stop a run in the middle, and a file that is not a picture."""
    folder = tmp_path_factory.mktemp("many")
    for seed in range(N_PICTURES):
        image = make_picture(seed, asynchrony=0.3, size=64 if seed < 60 else 256)
        Image.fromarray(image).save(folder / f"{seed:04d}.png", compress_level=0)
    (folder / "0150x.png").write_text("no picture")
    return folder


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "freqfake", *map(str, arguments)]
    options = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    # A shell makes background programs, and their children, ignore Ctrl-C.
    return subprocess.Popen(
        command, preexec_fn=_heed_ctrl_c if os.name == "posix" else None, **options
    )


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_rows(path: Path, n: int) -> None:
    for _ in range(12_000):  # seconds pass before the first row, minutes on a busy machine
        if path.exists() and path.read_bytes().count(b"\n") > n:
            return
        time.sleep(0.01)
    pytest.fail(f"{path} does not grow")


@pytest.mark.slow
@posix
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_the_finished_rows_on_disk(many, tmp_path, jobs):
    out = tmp_path / "f.csv"
    stopped = start("features", many, "--out", out, "--jobs", jobs)
    wait_for_rows(out, 20)
    os.killpg(stopped.pid, signal.SIGINT)
    _, messages = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, messages
    assert "Traceback" not in messages
    assert f"add --resume to continue {out}" in messages
    n_rows = len(read(out))
    assert 20 <= n_rows < N_PICTURES
    resumed = start("features", many, "--out", out, "--resume")
    resumed.communicate()
    assert len({r["path"] for r in read(out)}) == len(read(out)) == N_PICTURES + 1


@pytest.mark.slow
def test_resume_without_a_file_is_an_error(many):
    stopped = start("features", many, "--resume")
    _, messages = stopped.communicate()
    assert stopped.returncode == 2
    assert "--resume needs --out" in messages
