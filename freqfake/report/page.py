"""From an examination to a self-contained page."""

import base64
import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .._files import PathLike, whole_file
from .._optional import extra
from .._text import printable
from .._version import __version__
from ..detector.model import TrainedModel
from ..evidence.calibration import odds, shown_llr
from ..exceptions import FreqFakeError
from . import figures
from .examination import Examination, Model
from .videos import SeenFrame, VideoExamination

if TYPE_CHECKING:
    from jinja2 import Environment

_MARK = '<meta name="generator" content="freqfake'  # only files with this may be replaced
_MAX_SHOWN = 2000  # characters of a value
_FRAME_HEIGHT = 720  # pixels, in a notebook


@dataclass(frozen=True)
class Report:
    """A report on one picture or video: what was found out, and the page that shows it.

    Made by :func:`make_report`. A notebook shows it in a frame.

    Attributes
    ----------
    examination : Examination
        Everything on the page, as plain data.
    html : str
        The complete page; it loads nothing.
    """

    examination: Examination
    html: str

    def __repr__(self) -> str:
        found = self.examination
        return f"<freqfake report on {found.name!r}: {found.error or found.verdict}>"

    @property
    def verdict(self) -> str:
        """``real``, ``fake`` or ``inconclusive``; empty for an input that cannot be read."""
        return self.examination.verdict

    @property
    def llr(self) -> float:
        """Calibrated log10 likelihood ratio, positive for fake."""
        return self.examination.llr

    @property
    def p_fake(self) -> float:
        """Probability of fake with the given prior."""
        return self.examination.p_fake

    @property
    def reason(self) -> str:
        """Reason for the verdict, in words."""
        return self.examination.reason

    @property
    def error(self) -> str:
        """Why the picture or video cannot be read; empty if it can."""
        return self.examination.error

    def save(self, path: PathLike) -> None:
        """Write the page to a file, completely or not at all.

        Raises
        ------
        FileExistsError
            The file exists and is not a freqfake report.
        OSError
            The file cannot be written.
        """
        write_page(path, self.html)

    def _repr_html_(self) -> str:
        """Return a frame with the page, which keeps its style apart and runs no scripts."""
        style = f"width: 100%; height: {_FRAME_HEIGHT}px; border: 1px solid; border-radius: 6px"
        return (
            f'<iframe title="{escape(repr(self))}" sandbox srcdoc="{escape(self.html)}" '
            f'style="{style}"></iframe>'
        )


def require_packages() -> None:
    """Check before the work that the extra ``report`` is installed."""
    with extra("report", "jinja2", "matplotlib"):
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401


def render(found: Examination, model: TrainedModel, *, index: str = "") -> str:
    """Make the page of an examination.

    Parameters
    ----------
    found : Examination
    model : TrainedModel
        The model it was made with.
    index : str
        Name of the page that lists this one, to link back to it.
    """
    drawn = vars(_draw(found, model))
    return _page(f"{found.kind}.html.j2", found=found, index=index, **drawn)


def render_index(rows: Sequence[Any], *models: Model) -> str:
    """Make the page that lists the pictures and videos, and the models that judged them."""
    return _page(
        "index.html.j2",
        rows=rows,
        models=models,
        made_at=datetime.now(UTC),
        script=_resource("sort.js"),
    )


def write_page(path: PathLike, html: str) -> None:
    """Write a page completely or not at all; replace only an older page."""
    target = Path(path)
    check_replaceable(target)
    with whole_file(target) as file:
        file.write(html.encode())


def check_replaceable(path: Path) -> None:
    """Refuse to replace a file that is not a freqfake report."""
    if path.is_dir():
        raise IsADirectoryError(f"a page must be a file; got a folder: {path}")
    if path.exists():
        with path.open("rb") as file:
            if _MARK.encode() not in file.read(2048):
                raise FileExistsError(
                    f"{path} exists and is not a freqfake report, so it is not replaced; choose "
                    "another name"
                )


@dataclass
class _Drawings:
    """The figures of a picture or a video; the template says what is missing."""

    scale: figures.Figure | None = None
    scores: figures.Figure | None = None
    parts: figures.Figure | None = None
    rings: Sequence[figures.Figure] = ()
    tiles: Sequence[figures.Tile] = ()
    tiles_problem: str = ""
    preview: str = ""
    cut: bool = False  # whether the spectra are those of the middle only
    timeline: figures.Figure | None = None
    strongest: Sequence[Sequence[tuple[SeenFrame, str]]] = ()  # and the picture of the face


def _draw(found: Examination, model: TrainedModel) -> _Drawings:
    drawn = _Drawings()
    if not found.error:
        drawn.scale = figures.verbal_scale(found)
        drawn.parts = figures.parts(found, model)
    if found.shares_beyond:
        drawn.scores = figures.scores(found)
    if found.pixels is None:
        return drawn
    drawn.preview = figures.preview(found.pixels)
    if isinstance(found, VideoExamination):
        drawn.timeline = figures.timeline(found)
        drawn.strongest = [
            [(frame, figures.preview(frame.face)) for frame in side if frame.face is not None]
            for side in found.strongest
        ]
        return drawn
    part = figures.drawn_part(found.pixels)
    drawn.cut = part.shape != found.pixels.shape
    try:
        drawn.tiles = figures.spectra(part, model.spectrum)
        drawn.rings = figures.rings(found.pixels)
    except FreqFakeError as error:
        drawn.tiles_problem = str(error)
    return drawn


def _page(template: str, **context: Any) -> str:
    style, script = _resource("report.css"), context.pop("script", "")
    page = environment().get_template(template)
    return str(
        page.render(
            **context,
            style=style,
            script=script,
            policy=_policy(script),
            version=__version__,
        )
    )


def _policy(script: str) -> str:
    """Return the content security policy: load nothing, run no script but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; " if script else ""
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; {allowed}"
        "base-uri 'none'; form-action 'none'"
    )


@functools.cache
def _resource(name: str) -> str:
    return (resources.files("freqfake.report") / "templates" / name).read_text("utf-8")


@functools.cache
def environment() -> "Environment":
    """Return what makes the pages from their templates, which escapes all text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("freqfake.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "printable": functools.partial(printable, limit=_MAX_SHOWN),
        "as_uri": _as_uri,
        "bytes": _bytes,
        "clock": figures.clock,
        "odds": odds,
        "probability": _probability,
        "llr": lambda llr: _signed(shown_llr(llr), 1),
        "signed": _signed,
    }
    environment.filters.update(filters)
    return environment


def _as_uri(path: str) -> str:
    """Percent-encode the bytes of a path, which can be restored exactly; see docs/batches.md."""
    return quote(os.fsencode(path))


def _bytes(n_bytes: int) -> str:
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit} ({n_bytes:,} bytes)"
    return f"{n_bytes} bytes"


def _probability(value: float) -> str:
    """Format a probability; what is not certain is not shown as 0 or 1."""
    if 0.9995 <= value < 1:
        return "over 0.999"
    return f"{value:.3g}"


def _signed(value: float, digits: int) -> str:
    """Format a number with its sign: with a minus sign, not a hyphen, and 0 without a sign."""
    text = f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text if round(value, digits) else text[1:]
