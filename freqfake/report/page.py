"""From an examination to a page that needs nothing but itself."""

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .._files import PathLike, whole_file
from .._optional import extra
from .._version import __version__
from ..detector.model import TrainedModel
from ..evidence.calibration import shown_llr
from ..exceptions import FreqFakeError
from . import figures
from .examination import Examination, Model
from .text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_MARK = '<meta name="generator" content="freqfake'  # of a file that may be replaced
_FRAME_HEIGHT = 720  # pixels, in a notebook


@dataclass(frozen=True)
class Report:
    """A report on one picture: what was found out, and the page that tells it.

    Made by :func:`make_report`. In a notebook it shows itself, in a frame of its own.

    Attributes
    ----------
    examination : Examination
        Everything on the page, as plain data.
    html : str
        The page, complete: it loads nothing, from nowhere.
    """

    examination: Examination
    html: str

    def __repr__(self) -> str:
        found = self.examination
        return f"<freqfake report on {found.name!r}: {found.error or found.verdict}>"

    @property
    def verdict(self) -> str:
        """``real``, ``fake`` or ``inconclusive``; empty for a picture that cannot be read."""
        return self.examination.verdict

    @property
    def llr(self) -> float:
        """Calibrated log10 likelihood ratio, positive for fake."""
        return self.examination.llr

    @property
    def p_fake(self) -> float:
        """Probability of fake, with the prior that was given."""
        return self.examination.p_fake

    @property
    def reason(self) -> str:
        """For the verdict, in words."""
        return self.examination.reason

    @property
    def error(self) -> str:
        """Why the picture cannot be read; empty for a good one."""
        return self.examination.error

    def save(self, path: PathLike) -> None:
        """Write the page to a file, all or nothing.

        Raises
        ------
        FileExistsError
            There is a file of that name that is no report of freqfake.
        OSError
            The file cannot be written.
        """
        write_page(path, self.html)

    def _repr_html_(self) -> str:
        """Frame with the page, so that its style stays its own; it may not run anything."""
        style = f"width: 100%; height: {_FRAME_HEIGHT}px; border: 1px solid; border-radius: 6px"
        return (
            f'<iframe title="{escape(repr(self))}" sandbox srcdoc="{escape(self.html)}" '
            f'style="{style}"></iframe>'
        )


def require_packages() -> None:
    """Find out before the work whether the extra ``report`` is installed."""
    with extra("report", "jinja2", "matplotlib"):
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401


def render(found: Examination, detector: TrainedModel, *, index: str = "") -> str:
    """Make the page of an examination.

    Parameters
    ----------
    found : Examination
    detector : TrainedModel
        The one it was made with.
    index : str
        Name of the page that lists this one, to link back to it.
    """
    drawn = _figures(found, detector)
    return _page("picture.html.j2", found=found, index=index, **drawn)


def render_index(rows: Sequence[Any], model: Model) -> str:
    """Make the page that lists the others."""
    context = {"rows": rows, "model": model, "made_at": datetime.now(UTC)}
    return _page("index.html.j2", **context, script=_resource("sort.js"))


def write_page(path: PathLike, html: str) -> None:
    """Write a page all at once, over an older one or over nothing."""
    target = Path(path)
    check_replaceable(target)
    with whole_file(target) as file:
        file.write(html.encode())


def check_replaceable(path: Path) -> None:
    """Refuse to write over a file that no report of freqfake is."""
    if path.is_dir():
        raise IsADirectoryError(f"a page must be a file; got a folder: {path}")
    if path.exists():
        with path.open("rb") as file:
            if _MARK.encode() not in file.read(2048):
                raise FileExistsError(
                    f"{path} is there already and is no report of freqfake: it stays as it is; "
                    "name another file"
                )


def _figures(found: Examination, detector: TrainedModel) -> dict[str, Any]:
    """Whatever can be drawn of the picture; the template says what is missing."""
    drawn: dict[str, Any] = {"scale": None, "scores": None, "parts": None}
    drawn |= {"rings": [], "tiles": [], "tiles_problem": "", "preview": "", "cut": False}
    if not found.error:
        drawn["scale"] = figures.verbal_scale(found)
        drawn["parts"] = figures.parts(found, detector)
    if found.shares_beyond:
        drawn["scores"] = figures.scores(found, detector)
    if found.pixels is None:
        return drawn
    part = figures.drawn_part(found.pixels)
    drawn |= {"preview": figures.preview(found.pixels), "cut": part.shape != found.pixels.shape}
    try:
        drawn["tiles"] = figures.spectra(part, detector.spectrum)
        drawn["rings"] = figures.rings(found.pixels)
    except FreqFakeError as error:
        drawn["tiles_problem"] = str(error)
    return drawn


def _page(template: str, **context: Any) -> str:
    style, script = _resource("report.css"), context.pop("script", "")
    page = _environment().get_template(template)
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
    """Content security policy: nothing is loaded, and no script runs but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; " if script else ""
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; {allowed}"
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _resource(name: str) -> str:
    return (resources.files("freqfake.report") / "templates" / name).read_text("utf-8")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("freqfake.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "visible": visible,
        "as_uri": _as_uri,
        "bytes": _bytes,
        "llr": lambda llr: _signed(shown_llr(llr), 1),
        "signed": _signed,
    }
    environment.filters.update(filters)
    return environment


def _as_uri(path: str) -> str:
    """Percent-encode the bytes of a path: any of them, and back, see docs/batches.md."""
    return quote(os.fsencode(path))


def _bytes(n_bytes: int) -> str:
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit} ({n_bytes:,} bytes)"
    return f"{n_bytes} bytes"


def _signed(value: float, digits: int) -> str:
    """Write a number with its sign as printers do: a minus is no hyphen, and 0 has none."""
    text = f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text if round(value, digits) else text[1:]
