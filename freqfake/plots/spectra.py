"""A picture, its spectra, and the power and agreement of its channels ring by ring."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._optional import extra
from ..features.rings import ring_profiles
from ..features.spectrum import PAIRS as CHANNEL_PAIRS
from ..features.spectrum import Spectrum, channel_spectra, full_plane
from ..pictures.arrays import to_unit_range
from ..pictures.reading import ImageLike, load_pixels
from ._style import CHANNEL_COLOURS, CHANNELS, LINE_STYLES, PAIR_COLOURS, PAIRS, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_DRAWN = 1024  # rows and columns of a plane; of more, only every second, third, ...
_DIFFERENCE_SHOWN = 0.3  # of log spectra; most are below 0.2, larger ones look the same
_UNIT = "cycles per pixel"


def plot_picture(image: ImageLike, *, ax: "Axes | None" = None) -> "Axes":
    r"""Draw the pixels that the features are computed from.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake.asynchrony_features`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.plots import plot_picture
    >>> plot_picture(np.zeros((64, 48, 3), np.uint8)).get_title()
    'Picture\n48 x 64 pixels'
    """
    pixels = to_unit_range(load_pixels(image))
    ax = new_axes(ax)
    ax.imshow(_thinned(pixels))
    ax.set(title=f"Picture\n{pixels.shape[1]} x {pixels.shape[0]} pixels", xticks=[], yticks=[])
    return ax


def plot_spectra(
    image: ImageLike, *, spectrum: Spectrum = "log", axes: "Sequence[Axes] | None" = None
) -> "list[Axes]":
    """Draw a picture, the spectra of its three channels, and the differences of each pair.

    Where the channels of a generated face drift apart, the differences are bright; the first
    three features summarise their means (Eq. 5 and 6 of Le and Woo 2021).

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake.asynchrony_features`.
    spectrum : {"log", "modulus"}
        See :func:`freqfake.channel_spectra`. The modulus is drawn on a logarithmic scale, because
        a few bins are far larger than the others.
    axes : sequence of 7 matplotlib Axes, optional
        For the picture, the spectra of R, G, B, and the differences R-G, R-B, G-B.

    Returns
    -------
    list of 7 matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.plots import plot_spectra
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> len(plot_spectra(image))
    7
    """
    pixels = load_pixels(image)
    planes = full_plane(channel_spectra(pixels, spectrum=spectrum), pixels.shape[1])
    axes = _seven_axes() if axes is None else list(axes)
    if len(axes) != 7:
        raise ValueError(f"`axes` must be 7 axes; got {len(axes)}")
    plot_picture(pixels, ax=axes[0])
    differences = [np.abs(planes[a] - planes[b]) for a, b in CHANNEL_PAIRS]
    scales = _scales(spectrum, float(planes.max()))
    unit = "log modulus, normalised" if spectrum == "log" else "modulus"
    _draw_planes(list(planes), axes[1:4], scales[0], "viridis", unit)
    _draw_planes(differences, axes[4:], scales[1], "magma", "difference")
    for ax, channel in zip(axes[1:4], CHANNELS, strict=True):
        ax.set_title(f"Spectrum of {channel}")
    for ax, pair, difference in zip(axes[4:], PAIRS, differences, strict=True):
        ax.set_title(f"{pair.capitalize()} differ\nby {difference.mean():.3g} on average")
    return axes


def plot_ring_profiles(image: ImageLike, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the power of the channels over radial frequency.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake.features.rings.ring_profiles`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_ring_profiles
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> plot_ring_profiles(image, ax=Figure().subplots()).get_title()
    'Power of the channels, ring by ring'
    """
    profiles = ring_profiles(image)
    ax = new_axes(ax)
    levels = 10 * np.log10(np.maximum(profiles.power, 1e-9))
    for level, channel, colour, style in zip(
        levels, CHANNELS, CHANNEL_COLOURS, LINE_STYLES, strict=True
    ):
        ax.plot(profiles.freqs, level, style, color=colour, label=channel)
    ax.set(
        title="Power of the channels, ring by ring",
        xlabel=f"radial frequency in {_UNIT}",
        ylabel="mean power in decibels",
        xlim=(0, 0.5),
    )
    ax.legend()
    return ax


def plot_ring_agreement(image: ImageLike, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the agreement of each pair of channels over radial frequency.

    This is the coherence: 1 where the spectra are alike in size and phase, 0 where they are
    unrelated.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake.features.rings.ring_profiles`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_ring_agreement
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> plot_ring_agreement(image, ax=Figure().subplots()).get_title()
    'Agreement of the channels, ring by ring'
    """
    profiles = ring_profiles(image)
    ax = new_axes(ax)
    for coherence, pair, colour, style in zip(
        profiles.coherence, PAIRS, PAIR_COLOURS, LINE_STYLES, strict=True
    ):
        ax.plot(profiles.freqs, coherence, style, color=colour, label=pair)
    ax.set(
        title="Agreement of the channels, ring by ring",
        xlabel=f"radial frequency in {_UNIT}",
        ylabel="coherence (1: alike, 0: unrelated)",
        xlim=(0, 0.5),
        ylim=(min(0.0, float(profiles.coherence.min())) - 0.02, 1.02),
    )
    ax.legend()
    return ax


def _seven_axes() -> "list[Axes]":
    with extra("plots", "matplotlib"):
        from matplotlib import pyplot
    figure = pyplot.figure(figsize=(11.5, 5.6), layout="constrained")
    cells = figure.add_gridspec(2, 4, width_ratios=(1.25, 1, 1, 1))
    places = [cells[:, 0], *(cells[row, column] for row in (0, 1) for column in (1, 2, 3))]
    return [figure.add_subplot(place) for place in places]


def _draw_planes(
    planes: Sequence[npt.NDArray[Any]], axes: "Sequence[Axes]", norm: Any, colours: str, unit: str
) -> None:
    """Draw planes of one kind on one colour scale, with a colour bar."""
    ends = "neither" if norm.vmax == 1 else "max"
    for plane, ax in zip(planes, axes, strict=True):
        drawn = ax.imshow(_thinned(plane), extent=(-0.5, 0.5, -0.5, 0.5), norm=norm, cmap=colours)
        ax.set_aspect(plane.shape[0] / plane.shape[1])
        ax.set(xticks=[-0.5, 0, 0.5], yticks=[])
    axes[0].set(yticks=[-0.5, 0, 0.5], ylabel=_UNIT)
    axes[0].figure.colorbar(drawn, ax=list(axes), label=unit, extend=ends, aspect=15)


def _scales(spectrum: Spectrum, largest: float) -> tuple[Any, Any]:
    """Make the scales of the spectra and of their differences."""
    from matplotlib.colors import LogNorm, Normalize

    if spectrum == "log":
        return Normalize(0, 1), Normalize(0, _DIFFERENCE_SHOWN)
    largest = max(largest, 1e-3)
    return (norm := LogNorm(largest * 1e-6, largest, clip=True)), norm


def _thinned(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Leave out rows and columns of a plane that is too large for a screen."""
    step = -(-max(plane.shape[:2]) // _MAX_DRAWN)
    return plane[::step, ::step]
