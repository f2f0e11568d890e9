"""Files of any name in folders of any kind: each gets a row from which the file can be found."""

import csv
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import COLUMNS, in_rows, link, make_picture, run_bytes, table_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from freqfake import MissingExtraError
from freqfake.batch.saving import _unique_names, save_faces
from freqfake.batch.tables import open_table
from freqfake.cli import main
from freqfake.crops.mtcnn import require_nets

SIGNS = ["=1+1", "+1", "-1+1", "@SUM(1)", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(1)"]
BEFORE = ["", " ", "\t", "\r", "\n", "\r\n", "\x0b", "\x01", "\u200b", "\ufeff", "'", '"',
          "a;", "a; ", "a\t", "a\n", "a\r", 'a";', 'a";"', "a,", "a;'"]  # fmt: skip
NAMES = [
    *(f"{before}{sign}.png" for before in BEFORE for sign in SIGNS[:1]),
    *(f"{sign}.png" for sign in SIGNS[1:]),
    "=cmd|' ~C calc'!A0.png", '=HYPERLINK("http:x")',
    "a\nb.png", "a\r\nb.png", "a\rb.png", "a\u2028b\x85.png", "a\tb.png", "a,b;c.png",
    "\"'`.png", "a\\nb.png", "a\\", "\x1b]0;title\x07\x1b[31m.png", "\x7f\x9b31m.png", "\r",
    "\u202egpj.exe.png", " lead.png", "trail .png", "--help", "-x.png", "x" * 251 + ".png",
    "\U0001f600.png", "\u65e5\u672c\u3000\u8a9e.png", "e\u0301.png", "\xe9.png", "NA", "nan", "007",
    "[1].png", "*.png", "?.png", "[!a]", "**", "~", "$HOME.png", "%00%2f.png", "&lt;b&gt;.png",
    "<script>hack()<", "CON.png", "con.PNG", "http:x.png", "{{ 1 }}.png",
    b"caf\xe9.png", b"\xff\xfe.png", b"\xed\xa0\x80.png", b"\xc0\xafx.png",
    b"=\xff.png", "\\xe9.png",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures with odd names and different bytes; only names that this system allows."""
    folder = tmp_path_factory.mktemp("odd") / "p"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        text = PngImagePlugin.PngInfo()
        text.add_text("number", str(number))
        file = io.BytesIO()
        Image.fromarray(make_picture(0, asynchrony=0.3)).save(file, "PNG", pnginfo=text)
        try:
            Path(folder, os.fsdecode(name)).write_bytes(file.getvalue())
        except (OSError, ValueError):
            continue
    return folder


@pytest.fixture(scope="module")
def contents(folder):
    """Contents of the files, all of which must be found again from a table."""
    return sorted(path.read_bytes() for path in folder.iterdir())


def _need_faces():
    try:
        require_nets()
    except MissingExtraError as error:
        pytest.skip(str(error))


def found_again(paths, folder):
    """Contents of the files named in the rows, opened with nothing but the rows."""
    return sorted(Path(folder, os.fsdecode(path)).read_bytes() for path in paths)


def by_csv(file):
    with file.open(newline="", encoding="utf-8", errors=sys.getfilesystemencodeerrors()) as lines:
        return [row["path"] for row in csv.DictReader(lines)]


def by_pandas(file):
    """As in docs/batches.md."""
    table = pd.read_csv(
        file,
        dtype={"path": object, "error": object},
        keep_default_na=False,
        encoding_errors=sys.getfilesystemencodeerrors(),
    )
    return list(table["path"])


def by_json(file):
    return [json.loads(line)["path"] for line in file.read_text().splitlines()]


def by_parquet(file):
    return list(pd.read_parquet(file)["path"])


def test_this_system_allows_all_names(folder):
    taken = len(list(folder.iterdir()))
    if taken < len(NAMES):
        pytest.skip(f"this system allows {taken} of {len(NAMES)} names; the others are not tested")


@pytest.mark.slow
def test_csv(folder, contents, tmp_path, monkeypatch):
    out = tmp_path / "f.csv"
    done = run_bytes("features", ".", "--out", out, cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert found_again(by_csv(out), folder) == contents
    assert found_again(by_pandas(out), folder) == contents
    whole = out.read_bytes()
    monkeypatch.chdir(folder)
    for position in (len(whole) // 3, whole.rindex(b"\nb.png") + 2):  # a row, and a name, is cut
        out.write_bytes(whole[:position])
        assert main(["features", ".", "--out", str(out), "--resume"]) == 0
        assert out.read_bytes() == whole


def test_csv_to_a_pipe(folder, contents):
    done = run_bytes("features", ".", cwd=folder)
    paths = [row["path"] for row in table_of(done.stdout)]
    assert found_again(paths, folder) == contents


@pytest.mark.slow
def test_json_lines(folder, contents, tmp_path):
    out = tmp_path / "s.jsonl"
    done = run_bytes("score", ".", "--out", out, cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert found_again(by_json(out), folder) == contents
    assert out.read_bytes().isascii()


def test_parquet(folder, contents, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
    out = tmp_path / "f.parquet"
    inputs = sorted(path.name for path in folder.iterdir())
    half = [f"./{name}" for name in inputs[: len(inputs) // 2]]
    assert run_bytes("features", *half, "--out", out, cwd=folder).returncode == 0
    whole = [f"./{name}" for name in inputs]
    monkeypatch.chdir(folder)
    assert main(["features", *whole, "--out", str(out), "--resume"]) == 0
    assert found_again(by_parquet(out), folder) == contents
    assert [path.name for path in tmp_path.iterdir()] == ["f.parquet"]


@pytest.mark.slow
def test_faces(folder, contents):
    _need_faces()
    done = run_bytes("score", ".", "--faces", "--format", "jsonl", cwd=folder)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert {row["reason"] for row in rows} == {"no face found"}
    assert found_again([row["path"] for row in rows], folder) == contents


class Paths(HTMLParser):
    """Paths in the data of a page, and all its tags."""

    def __init__(self, text):
        super().__init__()
        self.found, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        path = dict(attributes).get("data-path")
        if path is not None:
            self.found.append(os.fsdecode(urllib.parse.unquote_to_bytes(path)))


@pytest.mark.slow
def test_reports(folder, contents, tmp_path):
    pytest.importorskip("jinja2", reason="reports need the extra report")
    from freqfake.report.batch import page_name

    few = sorted(path.name for path in folder.iterdir() if re.search(r"[^\w.]", path.name))[::20]
    paths = [f"./{name}" for name in few]
    done = run_bytes("report", *paths, "--out", tmp_path / "out", cwd=folder)
    assert (done.returncode, done.stdout) == (0, b"")
    index = Paths((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    assert index.found == paths
    pages = [tmp_path / "out" / page_name(path) for path in paths]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html", *(page.name for page in pages)
    }  # fmt: skip
    for page, path in zip(pages, paths, strict=True):
        text = page.read_text(encoding="utf-8")
        assert Paths(text).found == [path]
        assert "script" not in Paths(text).tags
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


@pytest.mark.slow
def test_an_audit_names_files(folder, tmp_path, monkeypatch, capfdbinary):
    sides = {}
    for side in ("real", "fake"):
        sides[side] = tmp_path / side
        sides[side].mkdir()
        for number in range(10):
            image = Image.fromarray(make_picture(number, asynchrony=0.3, size=16))
            image.save(sides[side] / f"{number}.bmp")
    odd = next(p for p in sorted(folder.iterdir(), reverse=True) if "\n" in p.name or p.suffix)
    shutil.copy(sides["real"] / "0.bmp", sides["real"] / odd.name)
    (sides["fake"] / odd.name).write_bytes(b"nothing")
    done = run_bytes("audit", "--real", "real", "--fake", "fake", "--json", cwd=tmp_path)
    audit = json.loads(done.stdout)
    assert (done.returncode, list(audit["errors"])) == (1, [str(Path("fake", odd.name))])
    twice = {path for pair in audit["duplicates"] for path in pair}
    assert str(Path("real", odd.name)) in twice
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "--real", "real", "--fake", "fake"]) == 1
    assert os.fsencode(odd.name) in capfdbinary.readouterr().out


any_name = (
    st.binary(min_size=1, max_size=40)
    if os.name == "posix"
    else st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=40).map(str.encode)
)
a_path = st.builds(
    bytes.__add__,
    st.sampled_from([b"", b"", b"", b"=", b"-", b"./", b"./@", b"\n", b"a;\t+"]),
    any_name.map(lambda name: name.replace(b"\0", b"0")),
).map(os.fsdecode)


@pytest.mark.slow
@given(st.lists(a_path, min_size=1, max_size=8, unique=True))
def test_any_path_comes_back(paths):
    readers = {"t.csv": (by_csv, by_pandas), "t.jsonl": (by_json,), "t.parquet": (by_parquet,)}
    if importlib.util.find_spec("pyarrow") is None:
        del readers["t.parquet"]
    with tempfile.TemporaryDirectory() as folder:
        for name, ways in readers.items():
            with open_table(str(Path(folder, name)), COLUMNS) as table:
                table.write(*in_rows(paths))
            for read in ways:
                back = [os.fsdecode(path) for path in read(Path(folder, name))]
                assert all(map(same_path, back, paths)), read
                assert len(back) == len(paths)
            with open_table(str(Path(folder, name)), COLUMNS, resume=True) as table:
                assert table.done >= set(paths)


def same_path(one, other):
    return one in (other, f"./{other}")


@given(st.lists(a_path, min_size=3, max_size=3, unique=True), st.data())
def test_a_table_cut_anywhere_can_be_continued(paths, data):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "t.csv")
        with open_table(str(out), COLUMNS) as table:
            for row in in_rows(paths):
                table.write(row)
        whole = out.read_bytes()
        out.write_bytes(whole[: data.draw(st.integers(whole.index(b"\n") + 1, len(whole)))])
        with open_table(str(out), COLUMNS, resume=True) as table:
            for row in in_rows(paths):
                if row["path"] not in table.done:
                    table.write(row)
        # "=1" and "./=1" are one file, which needs only one row.
        assert out.read_bytes() == whole or len({p.removeprefix("./") for p in paths}) < 3


SEPARATORS = {"comma": "44", "as LibreOffice offers": "44/59/9"}
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """A table with text that spreadsheets may take for formulas, in each column."""
    out = tmp_path_factory.mktemp("sheet") / "t.csv"
    texts = [f"{before}{sign}" for before in BEFORE for sign in SIGNS]
    with open_table(str(out), ("path", "score", "reason", "error", "file")) as table:
        for text in texts:
            row = {"path": text, "score": -1.5, "reason": text, "error": f"no such {text}"}
            table.write({**row, "file": text if re.match("[^;\t\n\r]*$", text) else "a.png"})
    assert [path.removeprefix("./") for path in by_csv(out)] == texts
    return out


class TestFormulas:
    """No formulas in LibreOffice, if it splits at commas, or in programs like Excel."""

    @pytest.mark.parametrize("name", SEPARATORS)
    def test_no_cell_is_a_formula(self, sheet, name, tmp_path):
        office = shutil.which("soffice") or shutil.which("libreoffice")
        if office is None:
            pytest.skip("no LibreOffice: apt-get install libreoffice-calc-nogui")
        profile = tmp_path.joinpath("profile").as_uri()
        options = ["--headless", f"-env:UserInstallation={profile}", "--convert-to", "fods"]
        how = f"--infilter=Text - txt - csv (StarCalc):{SEPARATORS[name]},34,76,1"
        command = [office, *options, how, "--outdir", tmp_path, sheet]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        cells = list(ET.parse(tmp_path / "t.fods").iter(f"{{{OFFICE}table:1.0}}table-cell"))
        kinds = [cell.get(f"{{{OFFICE}office:1.0}}value-type") for cell in cells]
        assert len(cells) > len(BEFORE) * len(SIGNS)
        assert not [c for c in cells if c.get(f"{{{OFFICE}table:1.0}}formula") is not None]
        assert kinds.count("float") >= len(BEFORE) * len(SIGNS)  # numbers stay numbers

    def test_no_cell_begins_like_a_formula(self, sheet):
        """Whatever separator a program uses that respects quotes at the beginning of a cell."""
        signs = "=+-@\uff1d\uff0b\uff0d\uff20"
        blanks = "".join(map(chr, range(33))) + '\x7f\x85\xa0\u200b\u2028\u2029\ufeff"'
        text = sheet.read_text(encoding="utf-8")
        for separator in ",;\t":
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
                for cell in row:
                    begins = cell.lstrip(blanks)[:1]
                    assert cell.startswith("-1.5") or begins not in signs or not begins, cell


class TestCrops:
    def test_names_are_safe_and_differ_for_every_file_system(self):
        odd = [os.fsdecode(name) for name in NAMES]
        paths = [f"{folder}/{name}" for folder in "ab" for name in ("..", *odd)]
        names = list(_unique_names(paths))
        assert len({name.casefold() for name in names}) == len(paths)
        for name in names:
            file = f"{name}_000000_0.png"
            assert Path("out", file).parent == Path("out")
            assert not re.search('[<>:"/\\\\|?*\x00-\x1f\u202e\udc80-\udcff]', file)
            assert len(file.encode()) < 255

    def test_pictures_and_frames_have_different_names(self):
        assert list(_unique_names(["a.mp4", "a_000001.png"])) == ["a", "a_000001-2"]
        assert list(_unique_names(["a_000001.png", "a.mp4"])) == ["a_000001", "a-2"]
        usual = ["f_000001.png", "f_000002.png", "f.png", "f.jpg", "f-2.png", "f-2.jpg"]
        assert list(_unique_names(usual)) == ["f_000001", "f_000002", "f", "f-2", "f-2-2", "f-2-3"]

    def test_inputs_are_not_overwritten(self, samples, tmp_path):
        _need_faces()
        face = tmp_path / "face.png"
        shutil.copy(samples / "real" / "astronaut.png", face)
        shutil.copy(face, tmp_path / "face_0.png")
        before = face.read_bytes()
        outside = tmp_path / "outside.txt"
        outside.write_text("mine")
        link(tmp_path / "face_0_0.png", outside)
        inputs = [face, tmp_path / "face_0.png"]
        rows = [row for rows in save_faces(inputs, tmp_path) for row in rows]
        assert [Path(row["file"]).name for row in rows] == ["face-2_0.png", "face_0_0.png"]
        assert (tmp_path / "face_0.png").read_bytes() == face.read_bytes() == before
        assert outside.read_text() == "mine"
        assert np.asarray(Image.open(rows[1]["file"])).size

    def test_a_file_is_not_a_folder(self, tmp_path, capsys):
        (tmp_path / "file").touch()
        assert main(["deep", "faces", "x.png", "--out", str(tmp_path / "file")]) == 2
        assert "`out` must be a folder; got a file" in capsys.readouterr().err
