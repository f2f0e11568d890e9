"""The scores of the frames of a video over time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._style import FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Marker, colour, whether it is filled
_MARKS = {
    "looks generated": ("^", FAKE_COLOUR, True),
    "looks real": ("o", REAL_COLOUR, True),
    "undecided": ("s", NEUTRAL_COLOUR, True),
    "face not judged": ("D", NEUTRAL_COLOUR, False),
    "no face found": ("x", NEUTRAL_COLOUR, True),
}
_STRIP = 0.04  # of the height of the axes, for frames without a score


def plot_frames(
    times: npt.ArrayLike,
    scores: npt.ArrayLike,
    looks: Sequence[str],
    *,
    limits: tuple[float, float] = (-np.inf, np.inf),
    score: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the scores of frames of a video over time.

    Parameters
    ----------
    times : array-like of shape (n_frames,)
        In seconds.
    scores : array-like of shape (n_frames,)
        NaN where there is none; these frames are drawn at the lower edge.
    looks : sequence of str
        What each frame looks like alone: "looks generated", "looks real", "undecided",
        "face not judged" or "no face found".
    limits : tuple of two floats
        Scores below which a frame looks real, and above which it looks generated; infinite where
        there is none.
    score : float, optional
        Of the whole video.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_frames
    >>> looks = ["looks real", "no face found"]
    >>> ax = plot_frames([0, 1], [-0.5, float("nan")], looks, ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['looks real', 'no face found']
    """
    times, scores = np.asarray(times, float), np.asarray(scores, float)
    if not times.shape == scores.shape == (len(looks),):
        raise ValueError(
            "`times`, `scores` and `looks` must have the same length; got shapes "
            f"{times.shape} and {scores.shape}, and {len(looks)} looks"
        )
    for look in looks:
        if look not in _MARKS:
            raise ValueError(f"`looks` must be among {', '.join(_MARKS)}; got {look!r}")
    ax = new_axes(ax)
    for look, (marker, colour, filled) in _MARKS.items():
        here = np.array([each == look for each in looks], bool)
        label = look
        for part, where in (
            (here & np.isfinite(scores), ax.transData),
            (here & np.isnan(scores), ax.get_xaxis_transform()),
        ):
            if part.any():
                ax.plot(
                    times[part],
                    np.where(np.isnan(scores[part]), _STRIP, scores[part]),
                    marker,
                    transform=where,
                    color=colour,
                    markerfacecolor=colour if filled else "none",
                    markersize=7,
                    label=label,
                )
                label = "_"  # one entry of the legend is enough
    _draw_lines(ax, limits, score)
    ax.set(
        title="Scores of the frames",
        xlabel="seconds since the first frame",
        ylabel="score (up: fake, down: real)",
    )
    ax.margins(y=0.15)
    ax.legend()
    return ax


def _draw_lines(ax: "Axes", limits: tuple[float, float], score: float | None) -> None:
    """Draw the score of the whole and the limits, each with its own kind of line."""
    low, high = limits
    lines = (
        (score, "-", NEUTRAL_COLOUR, "the video"),
        (high, "--", FAKE_COLOUR, "generated above"),
        (low, ":", REAL_COLOUR, "real below"),
    )
    for place, style, colour, words in lines:
        if place is not None and np.isfinite(place):
            label = f"{words}, {place:.2f}" if words == "the video" else f"{words} {place:.2f}"
            ax.axhline(place, linestyle=style, color=colour, linewidth=1.5, label=label)
