"""The figures of a report: drawn by :mod:`freqfake.plots`, and embedded in the page.

Nothing here uses pyplot, so reports can be made in several threads.
"""

import base64
import dataclasses
import io
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ..detector.model import TrainedModel
from ..evidence.calibration import shown_llr
from ..exceptions import ImageValueError
from ..pictures.arrays import to_pil
from ..plots import (
    plot_contributions,
    plot_features,
    plot_frames,
    plot_ring_agreement,
    plot_ring_profiles,
    plot_scores,
    plot_spectra,
    plot_verbal_scale,
)
from .examination import Examination
from .videos import SeenFrame, VideoExamination

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

    from ..estimators.adaptation import GaussianExpectationAdapter

_PREVIEW_SIDE, _THUMBNAIL_SIDE = 720, 112  # pixels of the copies that are shown
_PLANE_SIDE = 320  # of a spectrum on the page
_MAX_DRAWN = 1536  # pixels a side for the spectra; of larger pictures only the middle is used
_MIN_DRAWN = 8  # pixels a side; fewer give no useful spectrum
_PAGE_COLOURS = {  # the page defines each for light and for dark
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    "#bbbbbb": "var(--band)",
    "#777777": "var(--quiet)",
    "#0072b2": "var(--real)",
    "#d55e00": "var(--fake)",
    "#009e73": "var(--green)",
    "#cc79a7": "var(--pink)",
}
_SVG_SETTINGS = threading.Lock()  # matplotlib's settings are those of the whole process


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    Attributes
    ----------
    name : str
        Name of its element, unique on the page.
    description : str
        What it shows, for screen readers.
    svg : str
        In the colours and fonts of the page.
    columns, rows
        The numbers that are drawn, as a table; empty if the page has them elsewhere.
    caption : str
        Which of them the table has.
    """

    name: str
    description: str
    svg: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    caption: str = "selected values"


@dataclass(frozen=True)
class Tile:
    """A picture of a spectrum, with its title as the caption."""

    title: str
    url: str


def preview(pixels: npt.NDArray[Any]) -> str:
    """Make a small copy of a picture for the page, as a data URL; empty if it cannot be shown."""
    return _small_copy(pixels, _PREVIEW_SIDE, quality=85)


def thumbnail(pixels: npt.NDArray[Any]) -> str:
    """Make a smaller copy for a table."""
    return _small_copy(pixels, _THUMBNAIL_SIDE, quality=75)


def verbal_scale(found: Examination) -> Figure:
    """Draw the likelihood ratio on the verbal scale."""
    low, high = found.bounds
    description = (
        f"Scale of the log10 likelihood ratio from -7 (real) to 7 (generated). This {found.kind}: "
        f"{shown_llr(found.llr):.1f}, {found.words}. The model can support {low:.1f} to {high:.1f}."
    )
    return _drawn(
        "scale",
        description,
        lambda ax: plot_verbal_scale(found.llr, bounds=found.bounds, ax=ax),
        size=(5.2, 3.4),
    )


def scores(found: Examination) -> Figure:
    """Draw the score among those of the model's held-out pictures."""
    real, fake = found.shares_beyond
    description = (
        f"Two histograms: scores of known real pictures lie mostly left, of known generated ones "
        f"mostly right. This {found.kind} scores {found.score:.2f}; {real:.2%} of the real and "
        f"{fake:.2%} of the generated ones score at least that."
    )
    options: dict[str, float] = {"score": found.score, "threshold": found.threshold}
    return _drawn(
        "scores",
        description,
        lambda ax: plot_scores(*found.held_out, **options, ax=ax),
        size=(5.2, 3.5),
    )


def timeline(found: VideoExamination) -> Figure:
    """Draw the scores of the frames over time."""
    counts = ", ".join(f"{look}: {n}" for look, n in found.votes.items() if n)
    description = (
        f"Scores of {len(found.frames)} frames over time, each with a mark for what it looks like "
        f"alone. {counts}. The table below has all of them."
    )
    values = [(frame.time, frame.score, frame.look) for frame in found.frames]
    times, scored, looks = zip(*values, strict=True)
    options: dict[str, Any] = {"limits": found.limits, "score": found.score}
    drawn = _drawn(
        "timeline",
        description,
        lambda ax: plot_frames(times, scored, looks, **options, ax=ax),
        size=(5.2, 4.4),
    )
    columns = ("time", "alone", "score", "log10 likelihood ratio", "square")
    rows = tuple(_frame_row(frame) for frame in found.frames)
    return dataclasses.replace(drawn, columns=columns, rows=rows, caption="all frames")


def _frame_row(frame: SeenFrame) -> tuple[str, ...]:
    if not np.isfinite(frame.score):
        numbers = ("", "")
    else:
        numbers = (f"{frame.score:.2f}", f"{shown_llr(frame.llr):.1f}")
    left, top, right, bottom = frame.box or (0, 0, 0, 0)
    square = f"{right - left} x {bottom - top} at {left}, {top}" if frame.box else ""
    return clock(frame.time), frame.look, *numbers, square


def clock(seconds: float) -> str:
    """Format a time: minutes, seconds and hundredths; hours where there are any.

    Examples
    --------
    >>> from freqfake.report.figures import clock
    >>> clock(3.204), clock(59.999), clock(3725)
    ('0:03.20', '1:00.00', '1:02:05.00')
    """
    minutes, hundredths = divmod(round(seconds * 100), 6000)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{hundredths / 100:05.2f}"


def parts(found: Examination, model: TrainedModel) -> Figure | None:
    """Draw what makes up the score: its parts, or the six features among known ones."""
    if found.contributions:
        listed = ", ".join(f"{name} {value:+.2f}" for name, value in found.contributions.items())
        return _drawn(
            "parts",
            f"Bars: parts of the score, positive for generated: {listed}.",
            lambda ax: plot_contributions(found.contributions, ax=ax).margins(x=0.3),
            size=(5.2, 2.2),
        )
    if model.features != "asynchrony" or not found.features:
        return None
    adapter = cast("GaussianExpectationAdapter", model.classifier)
    known, labels = adapter.source_, adapter.source_labels_
    values = list(found.features.values())
    listed = ", ".join(f"{name} {value:.3g}" for name, value in found.features.items())
    return _drawn(
        "parts",
        "The six features of this picture as marks, among bars that hold half and 95 % of the "
        f"known real and of the known generated pictures: {listed}.",
        lambda ax: plot_features(values, known, labels, ax=ax),
        size=(5.2, 4.6),
    )


def rings(pixels: npt.NDArray[Any]) -> list[Figure]:
    """Draw power and agreement of the channels over radial frequency."""
    return [
        _drawn(
            "power",
            "Three lines: mean power of the red, green and blue channel over radial frequency.",
            lambda ax: plot_ring_profiles(pixels, ax=ax),
            size=(5.2, 3.7),
            table=True,
        ),
        _drawn(
            "agreement",
            "Three lines: how far red and green, red and blue, green and blue agree over radial "
            "frequency, from 0 (unrelated) to 1 (alike).",
            lambda ax: plot_ring_agreement(pixels, ax=ax),
            size=(5.2, 3.7),
            table=True,
        ),
    ]


def spectra(pixels: npt.NDArray[Any], spectrum: Any) -> list[Tile]:
    """Make pictures of the spectra of the channels, and of the differences of each pair.

    Raises
    ------
    ImageValueError
        The picture is too small.
    """
    if min(pixels.shape[:2]) < _MIN_DRAWN:
        raise ImageValueError(
            f"spectra need at least {_MIN_DRAWN} x {_MIN_DRAWN} pixels; "
            f"got {pixels.shape[1]} x {pixels.shape[0]}"
        )
    from matplotlib.figure import Figure as Canvas

    axes = plot_spectra(pixels, spectrum=spectrum, axes=list(Canvas().subplots(1, 7)))
    return [Tile(" ".join(ax.get_title().split()), _plane(ax.images[0])) for ax in axes[1:]]


def drawn_part(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Cut a large picture to its middle, so that its spectra take no longer than usual."""
    top, left = (max(0, (side - _MAX_DRAWN) // 2) for side in pixels.shape[:2])
    return pixels[top : top + _MAX_DRAWN, left : left + _MAX_DRAWN]


def _drawn(
    name: str,
    description: str,
    plot: "Callable[[Axes], Any]",
    *,
    size: tuple[float, float],
    table: bool = False,
) -> Figure:
    """Draw into new axes, and make a figure of the page from them."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=size, layout="constrained")
    ax = canvas.subplots()
    plot(ax)
    columns, rows = _numbers(ax) if table else ((), ())
    return Figure(name, description, _svg(canvas, name), columns=columns, rows=rows)


def _numbers(ax: "Axes") -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the values of the lines at about ten places, as a table."""
    lines = ax.get_lines()
    places = np.asarray(lines[0].get_xdata())
    chosen = np.unique(np.linspace(0, len(places) - 1, 11).astype(int))
    rows = (
        (f"{places[i]:.3f}", *(f"{np.asarray(line.get_ydata())[i]:.2f}" for line in lines))
        for i in chosen
    )
    return ("cycles per pixel", *(str(line.get_label()) for line in lines)), tuple(rows)


def _svg(canvas: Any, name: str) -> str:
    """Return the SVG of a figure for the page: in its colours, with unique ids, without size."""
    from matplotlib import rc_context

    for ax in canvas.axes:
        ax.set_title("")  # the page has headings
        ax.patch.set_visible(False)
        if legend := ax.get_legend():  # inside so small a figure it would hide what is drawn
            legend.remove()
            under = {"loc": "outside lower center", "ncols": 2, "frameon": False}
            canvas.legend(*ax.get_legend_handles_labels(), fontsize=9, **under)
    canvas.patch.set_visible(False)
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with _SVG_SETTINGS, rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        canvas.savefig(file, format="svg", metadata=nothing)
    return _for_the_page(file.getvalue(), name)


def _for_the_page(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # the page has its own
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    for ink, colour in _PAGE_COLOURS.items():
        svg = svg.replace(ink, colour)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def _plane(drawn: Any) -> str:
    """Return a plane of a spectrum in the colours it was drawn with, scaled for the page."""
    from PIL import Image

    values = np.asarray(drawn.norm(drawn.get_array()), np.float32)
    copy = Image.fromarray(values)
    if max(copy.size) > _PLANE_SIDE:
        scale = _PLANE_SIDE / max(copy.size)
        size = [max(1, round(side * scale)) for side in copy.size]
        copy = copy.resize((size[0], size[1]), Image.Resampling.BOX)
    indices = np.rint(np.clip(np.asarray(copy), 0, 1) * 255).astype(np.uint8)
    plane = Image.fromarray(indices)
    plane.putpalette(drawn.cmap(np.arange(256), bytes=True)[:, :3].tobytes())
    return _data_url(plane, "PNG", optimize=True)


def _small_copy(pixels: npt.NDArray[Any], side: int, *, quality: int) -> str:
    try:
        copy = to_pil(pixels)
    except ImageValueError:  # floating point outside [0, 1]: not colours
        return ""
    copy.thumbnail((side, side))
    return _data_url(copy, "JPEG", quality=quality)


def _data_url(image: "Image.Image", form: str, **options: Any) -> str:
    file = io.BytesIO()
    image.save(file, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
