"""Power and agreement of the colour channels in rings of radial frequency."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from ..exceptions import ImageValueError
from ..pictures.arrays import to_unit_range
from ..pictures.reading import ImageLike, load_pixels
from .spectrum import PAIRS, column_weights

MAX_SIDE = 512  # pixels a side that are read

_MIN_SIDE = 8  # pixels; smaller pictures have too few rings
_Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RingProfiles:
    """Averages over rings of radial frequency, for the channels R, G, B.

    Attributes
    ----------
    freqs : ndarray of shape (n_rings,)
        Middle of each ring, in cycles per pixel, up to 0.5.
    power : ndarray of shape (3, n_rings)
        Mean squared modulus of each channel's windowed transform (pixels 0 to 255).
    coherence : ndarray of shape (3, n_rings)
        For the pairs (R, G), (R, B), (G, B): correlation of the complex spectra, phase
        included, -1 to 1.
    correlation : ndarray of shape (3, n_rings)
        For the same pairs: Pearson correlation of the log-magnitudes, -1 to 1.
    """

    freqs: _Array
    power: _Array
    coherence: _Array
    correlation: _Array


def ring_profiles(image: ImageLike, *, n_rings: int = 64) -> RingProfiles:
    """Compute power and agreement of the colour channels over radial frequency.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake.asynchrony_features`. At least 8 pixels a side. Only the middle
        512 x 512 pixels are read, as by :func:`freqfake.rich_features`.
    n_rings : int
        Rings of equal width from 0 to 0.5 cycles per pixel. Small pictures have fewer, so that
        none is empty.

    Returns
    -------
    RingProfiles

    Raises
    ------
    ImageReadError, ImageValueError
        The picture cannot be read, the array is not a picture, or it is too small.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.features.rings import ring_profiles
    >>> grey = np.random.default_rng(0).random((64, 64))
    >>> profiles = ring_profiles(grey, n_rings=8)
    >>> profiles.power.shape, profiles.coherence.round(3).min()
    ((3, 8), np.float64(1.0))
    """
    if n_rings < 1:
        raise ValueError(f"`n_rings` must be at least 1; got {n_rings}")
    pixels = load_pixels(image)
    check_side(pixels, _MIN_SIDE, "rings")
    pixels = to_unit_range(cut_middle(pixels), dtype=np.float64)
    n_rings = min(n_rings, min(pixels.shape[:2]) // 2)
    colours = np.ascontiguousarray(np.moveaxis(pixels * 255, -1, 0))
    power, coherence, correlation = ring_statistics(colours, n_rings)
    freqs = (np.arange(n_rings) + 0.5) / (2 * n_rings)
    return RingProfiles(freqs, power[:, :n_rings], coherence[:, :n_rings], correlation[:, :n_rings])


def cut_middle(pixels: _Array) -> _Array:
    """Cut out the middle 512 x 512 pixels, aligned with the 8 x 8 grid of JPEG."""
    top, left = (max(0, (side - MAX_SIDE) // 2) // 8 * 8 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + MAX_SIDE, left : left + MAX_SIDE])


def check_side(pixels: _Array, min_side: int, needed_by: str) -> None:
    """Refuse a picture that is too small."""
    height, width = pixels.shape[:2]
    if min(height, width) < min_side:
        raise ImageValueError(
            f"{needed_by} need at least {min_side} x {min_side} pixels; got {width} x {height}"
        )


def ring_statistics(colours: _Array, n_rings: int) -> tuple[_Array, _Array, _Array]:
    """Compute power, coherence and log-magnitude correlation; the last ring: corners beyond 0.5.

    Parameters
    ----------
    colours : ndarray of shape (3, n_rows, n_cols)
    n_rings : int

    Returns
    -------
    tuple of three ndarrays of shape (3, n_rings + 1)
    """
    _, height, width = colours.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    rings = _rings(height, width, n_rings)
    bins = [_bins(colour, window, rings.order) for colour in colours]
    real, imaginary, logs = zip(*bins, strict=True)
    power = [rings.mean(a * a + b * b) for a, b in zip(real, imaginary, strict=True)]
    means = [rings.mean(log) for log in logs]
    variances = [
        np.maximum(rings.mean(log * log) - mean**2, 1e-9)
        for log, mean in zip(logs, means, strict=True)
    ]
    coherence, correlation = [], []
    for a, b in PAIRS:
        cross = rings.mean(real[a] * real[b] + imaginary[a] * imaginary[b])
        coherence.append(cross / np.sqrt(power[a] * power[b] + 1e-9))
        covariance = rings.mean(logs[a] * logs[b]) - means[a] * means[b]
        correlation.append(covariance / np.sqrt(variances[a] * variances[b]))
    return np.array(power), np.array(coherence), np.array(correlation)


def _bins(colour: _Array, window: _Array, order: _Array) -> tuple[_Array, _Array, _Array]:
    """Compute real part, imaginary part and log-magnitude of each bin, in the given order."""
    plane = colour - colour.mean()
    plane *= window
    spectrum = scipy.fft.rfft2(plane).ravel()[order]
    real, imaginary = spectrum.real.copy(), spectrum.imag.copy()
    log = np.log(real * real + imaginary * imaginary + 1e-6)
    log /= 2
    log -= log.mean()  # against cancellation in the variances
    return real, imaginary, log


@dataclass(frozen=True)
class _Rings:
    """The bins of a half plane in the order of their rings, and the share of each in its ring."""

    order: _Array
    starts: _Array
    shares: _Array

    def mean(self, values: _Array) -> _Array:
        """Average over each ring."""
        return np.asarray(np.add.reduceat(self.shares * values, self.starts))


@lru_cache(16)  # one entry per picture size
def _rings(height: int, width: int, n_rings: int) -> _Rings:
    radius = np.hypot(scipy.fft.fftfreq(height)[:, np.newaxis], scipy.fft.rfftfreq(width))
    # Bins on an edge belong to the outer ring, however the square root was rounded.
    index = np.minimum((radius / 0.5 * n_rings + 1e-9).astype(np.intp), n_rings).ravel()
    weights = np.broadcast_to(column_weights(width), radius.shape).ravel()
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(n_rings + 1))
    shares = weights / np.bincount(index, weights)[index]
    return _Rings(order, starts, shares[order])
