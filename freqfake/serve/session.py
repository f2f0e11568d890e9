"""The pictures of a session: kept in a temporary folder, scored, and listed."""

import contextlib
import itertools
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from .._files import PathLike
from ..batch.extraction import Picture, Unreadable, read_picture
from ..batch.tables import Row, TableWriter, open_table
from ..detector.scoring import score_picture
from ..detector.terms import Terms
from ..pictures.endings import ENDINGS, ending
from ..pictures.limits import MAX_BYTES, check_bytes, max_bytes
from ..pictures.reading import why_unreadable
from ..report.batch import Listed
from ..report.examination import Model, examine_with, prepare
from ..report.figures import thumbnail
from ..report.page import render

MAX_PICTURES = 1000  # in a session; each has a row on the page
MAX_STORED = 4 * MAX_BYTES  # of all pictures together; a temporary folder may be in memory
_MAX_NAME = 255  # characters, as in a file system
_TABLE = "scores.csv"


@dataclass
class Upload:
    """A picture that is being received.

    Attributes
    ----------
    name : str
        As the browser gives it: any text.
    path : Path
        Where it is stored, under a name of ours.
    n_bytes : int
        Received so far.
    n_stored : int
        Of these in the file; fewer if there are too many.
    """

    name: str
    path: Path
    file: BinaryIO = field(repr=False)
    n_bytes: int = 0
    n_stored: int = 0


class Session:
    """Pictures, their scores, and the files with both. Made by :func:`open_session`.

    One thread may receive pictures while another scores them.

    Attributes
    ----------
    rows : list of Listed
        In the order in which they were scored, as in the table; ``page`` leads to the report.
    model : Model
    """

    def __init__(self, folder: Path, table: TableWriter, terms: Terms, model: Model) -> None:
        self.rows: list[Listed] = []
        self.model = model
        self._folder, self._table, self._terms = folder, table, terms
        self._limit = max_bytes(terms.max_pixels)
        self._numbers = itertools.count()
        self._uploads: dict[str, Upload] = {}  # those that have a report, by its number
        self._n_taken = self._n_stored = 0
        self._lock = threading.Lock()  # no file may be made while the folder is being removed
        self._closed = False

    def why_full(self) -> str:
        """Say why no picture can be added; empty if one can."""
        if self._n_taken >= MAX_PICTURES:
            full = f"{MAX_PICTURES} pictures"
        elif self._n_stored >= MAX_STORED:
            full = f"{MAX_STORED / 1e9:.1f} GB of pictures"
        else:
            return ""
        return (
            f"a session has at most {full}: save its table and start freqfake serve again, or use "
            "freqfake score, which takes any number"
        )

    def receive(self, name: str) -> Upload:
        """Begin to receive a picture."""
        path = self._folder / f"{next(self._numbers)}{_known_ending(name)}"
        with self._open():
            upload = Upload(name, path, path.open("xb"))
        self._n_taken += 1
        return upload

    def add(self, upload: Upload, data: bytes) -> None:
        """Store the next bytes; of a file beyond the limit, only count them."""
        upload.n_bytes += len(data)
        if upload.n_bytes <= self._limit:
            upload.file.write(data)
            upload.n_stored += len(data)
            self._n_stored += len(data)

    def discard(self, upload: Upload) -> None:
        """Forget a picture that was not received completely."""
        self._remove(upload)
        self._n_taken -= 1

    def score(self, upload: Upload) -> Listed:
        """Score a picture that was received completely, and add its row."""
        upload.file.close()
        picture = self._read(upload)
        scored = score_picture(self._terms, picture)[0]
        row = {**scored, "error": _renamed(scored["error"], upload)}
        number = upload.path.stem if upload.n_bytes <= self._limit else ""
        listed = _listed(row, picture, f"reports/{number}" if number else "")
        with self._open():
            self._table.write(row)
            self.rows.append(listed)
            if number:
                self._uploads[number] = upload
        return listed

    def report(self, number: str) -> str | None:
        """Return the report on a picture, made when it is first wanted; None for a wrong number."""
        upload = self._uploads.get(number)
        if upload is None:
            return None
        page = self._folder / f"{number}.report"
        if not page.exists():
            found = examine_with(self._terms, self.model, upload.path, name=upload.name)
            found = replace(found, path=upload.name, error=_renamed(found.error, upload))
            html = render(found, self._terms.model)
            with self._open():
                page.write_text(html, encoding="utf-8", newline="")
        return page.read_text("utf-8")

    def name(self, number: str) -> str:
        """Return the name of a picture that has a report."""
        return self._uploads[number].name

    def table(self) -> bytes:
        """Return the table of scores, as ``freqfake score --out scores.csv`` writes it."""
        return (self._folder / _TABLE).read_bytes()

    def close(self) -> None:
        """Make no more files."""
        with self._lock:
            self._closed = True

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise FileNotFoundError("the session has ended")
            yield

    def _remove(self, upload: Upload) -> None:
        upload.file.close()
        upload.path.unlink(missing_ok=True)
        self._n_stored -= upload.n_stored

    def _read(self, upload: Upload) -> Picture | Unreadable:
        try:
            check_bytes(upload.n_bytes, self._terms.max_pixels)
        except ValueError as error:
            self._remove(upload)
            return Unreadable(upload.name, why_unreadable(upload.name, error, "picture"))
        return read_picture(upload.name, upload.path, max_pixels=self._terms.max_pixels)


@contextlib.contextmanager
def open_session(detector: PathLike, *, max_pixels: int) -> Iterator[Session]:
    """Open a session in a temporary folder, which is removed with everything in it."""
    terms, model = prepare(detector, max_pixels=max_pixels)
    with tempfile.TemporaryDirectory(prefix="freqfake-", ignore_cleanup_errors=True) as folder:
        out = str(Path(folder, _TABLE))
        with open_table(out, terms.columns) as table:
            session = Session(Path(folder), table, terms, model)
            try:
                yield session
            finally:
                session.close()


def plain_name(given: str) -> str:
    """Return the last part of a path; browsers give no more, and others do not get more.

    Examples
    --------
    >>> from freqfake.serve.session import plain_name
    >>> plain_name("../../etc/passwd"), plain_name("face.png"), plain_name("a/")
    ('passwd', 'face.png', '')
    """
    return given.rpartition("/")[2][:_MAX_NAME]


def _known_ending(name: str) -> str:
    """Return the ending of a name if the reader knows it: its messages depend on it."""
    found = ending(name)
    return found if found in ENDINGS else ""


def _renamed(error: str, upload: Upload) -> str:
    """Give the user's name for the file in a message, not ours."""
    return error.replace(str(upload.path), upload.name)


def _listed(row: Row, picture: Picture | Unreadable, page: str) -> Listed:
    about = (row["llr"], row["verdict"], row["reason"], row["error"])
    if isinstance(picture, Unreadable):
        return Listed(page, row["path"], row["path"], *about)
    facts, small = picture.facts, thumbnail(picture.pixels)
    size = (facts.width, facts.height, facts.coding, facts.format)
    return Listed(page, row["path"], row["path"], *about, *size, small)
