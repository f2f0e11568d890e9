"""The pages of a session, in the look of the reports."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, PackageLoader

from .._text import printable
from .._version import __version__
from ..evidence.calibration import verbal_equivalent
from ..report.batch import Listed
from ..report.examination import Model
from ..report.page import environment

if TYPE_CHECKING:
    from jinja2 import Environment

_FROM_US = "base-uri 'none'; form-action 'none'; connect-src 'self'"


def session_page(rows: Sequence[Listed], model: Model) -> str:
    """Make the page on which pictures are dropped."""
    return _page("page.html.j2", "page.js", rows=rows, model=model)


def saved_page(rows: Sequence[Listed], model: Model) -> str:
    """Make a self-contained page that lists the pictures, to keep."""
    return _page("saved.html.j2", "sort.js", rows=rows, model=model, made_at=datetime.now(UTC))


def row_parts(rows: Sequence[Listed], row: Listed) -> dict[str, str]:
    """Make what changes on the page when a row is added; `words` are for screen readers."""
    macros: Any = _environment().get_template("rows.html.j2").module
    return {
        "row": str(macros.table_row(row, linked=True)),
        "counts": str(macros.counts(rows)),
        "words": f"{printable(row.name)}: {row.verdict or printable(row.error)}",
    }


@functools.cache
def policy(script: str) -> str:
    """Return the content security policy: only our style and script, and requests to here."""
    allowed = f"style-src {_hash(_style())}; script-src {_hash(_source(script))}"
    return f"default-src 'none'; img-src data:; {allowed}; {_FROM_US}"


def _page(template: str, script: str, **context: Any) -> str:
    page = _environment().get_template(template)
    return str(
        page.render(
            **context,
            style=_style(),
            script=_source(script),
            policy=policy(script),
            version=__version__,
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@functools.cache
def _style() -> str:
    return _source("report.css") + _source("page.css")


@functools.cache
def _source(name: str) -> str:
    templates = _environment()
    return str(templates.loader.get_source(templates, name)[0])


@functools.cache
def _environment() -> "Environment":
    reports = environment()
    loaders = [PackageLoader("freqfake.serve"), PackageLoader("freqfake.report")]
    together = reports.overlay(loader=ChoiceLoader(loaders))
    together.filters = {**reports.filters, "in_words": verbal_equivalent}
    return together
