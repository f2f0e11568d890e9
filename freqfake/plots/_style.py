"""Colours and axes that all figures share."""

from typing import TYPE_CHECKING

from .._optional import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): can be told apart with every kind of colour vision.
REAL_COLOUR, FAKE_COLOUR, NEUTRAL_COLOUR = "#0072B2", "#D55E00", "#777777"
PAIR_COLOURS = ("#0072B2", "#CC79A7", "#009E73")  # of (R, G), (R, B), (G, B)
CHANNEL_COLOURS = ("#D55E00", "#009E73", "#0072B2")  # of R, G, B
LINE_STYLES = ("-", "--", ":")  # so that lines differ by more than colour
CHANNELS = ("red", "green", "blue")
PAIRS = ("red and green", "red and blue", "green and blue")


def new_axes(ax: "Axes | None") -> "Axes":
    """Return the axes, or new ones if there are none."""
    if ax is not None:
        return ax
    with extra("plots", "matplotlib"):
        from matplotlib import pyplot
    return pyplot.subplots(layout="constrained")[1]
