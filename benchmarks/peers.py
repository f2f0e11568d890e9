"""Features of three published detectors, from their papers.

Each takes the pixels of a picture, uint8 of shape (n_rows, n_cols, 3) or (n_rows, n_cols), and
returns equally many numbers for every picture size, so that a classifier can be tested on other
sizes than those it was trained on.
"""

from functools import lru_cache

import numpy as np
import scipy.fft
from scipy.optimize import curve_fit

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_EPSILON = 1e-8
_N_RADII = 300  # Durall
_N_CELLS = 64  # Frank: the grid is 64 x 64 cells for every size
_N_BINS, _FROM, _FIT_FROM, _SMOOTH = 200, 0.5, 0.85, 5  # Dzanic; shares of the longest radius


def durall_features(pixels: np.ndarray) -> np.ndarray:
    """Azimuthally averaged log power spectrum of the grey picture, 300 numbers.

    R. Durall, M. Keuper, F.-J. Pfreundt and J. Keuper, "Unmasking DeepFakes with simple Features",
    arXiv:1911.00686 (2019): 20 times the natural logarithm of the modulus, averaged over rings one
    frequency step wide, as in the published code; here interpolated to 300 radii.
    """
    radius, weights = _half_plane_radius(*pixels.shape[:2])
    power = 20 * np.log(_modulus(pixels) + _EPSILON)
    rings = np.round(radius).astype(np.intp)
    sums = np.bincount(rings.ravel(), (power * weights).ravel())
    counts = np.bincount(rings.ravel(), np.broadcast_to(weights, power.shape).ravel())
    present = np.flatnonzero(counts)
    profile = sums[present] / counts[present]
    return np.interp(np.linspace(0, present[-1], _N_RADII), present, profile).astype(np.float32)


def frank_features(pixels: np.ndarray) -> np.ndarray:
    """Log-scaled discrete cosine transform of the grey picture, 64 x 64 numbers.

    J. Frank, T. Eisenhofer, L. Schoenherr, A. Fischer, D. Kolossa and T. Holz, "Leveraging
    Frequency Analysis for Deep Fake Image Recognition", ICML 2020. The paper takes every
    coefficient of pictures of one size; here the logarithms are averaged over a grid of cells.
    """
    coefficients = scipy.fft.dctn(_grey(pixels) / 127.5 - 1, norm="ortho")
    logs = np.log(np.abs(coefficients) + 1e-12)
    for axis in (0, 1):
        logs = _averaged(logs, axis)
    return logs.ravel().astype(np.float32)


def dzanic_features(pixels: np.ndarray) -> np.ndarray:
    """Decay of the highest frequencies: exponent, first and last value.

    T. Dzanic, K. Shah and F. Witherden, "Fourier Spectrum Discrepancies in Deep Network Generated
    Images", NeurIPS 2020. The modulus of the grey picture's spectrum beyond half of the longest
    radius, averaged in 200 bins and smoothed; from 0.85 of the longest radius on, a power law
    that starts at the first value is fitted. Values are relative to the zero frequency.
    """
    radius, weights = _half_plane_radius(*pixels.shape[:2])
    modulus = _modulus(pixels)
    share = radius / radius.max()
    chosen = share > _FROM
    bins = ((share[chosen] - _FROM) / (1 - _FROM) * _N_BINS).astype(np.intp).clip(0, _N_BINS - 1)
    weights = np.broadcast_to(weights, modulus.shape)[chosen]
    sums = np.bincount(bins, modulus[chosen] * weights, _N_BINS)
    counts = np.bincount(bins, weights, _N_BINS)
    present = np.flatnonzero(counts)
    profile = np.interp(np.arange(_N_BINS), present, sums[present] / counts[present])
    profile /= max(modulus[0, 0], _EPSILON)
    first = round(_N_BINS * (_FIT_FROM - _FROM) / (1 - _FROM))
    values = np.convolve(np.pad(profile, _SMOOTH // 2, "edge"), np.ones(_SMOOTH) / _SMOOTH, "valid")
    values = values[first:]
    x = _FROM + (np.arange(first, _N_BINS) + 0.5) / _N_BINS * (1 - _FROM)
    x /= x[0]
    start = max(values[0], _EPSILON)
    (exponent,), _ = curve_fit(
        lambda x, b: x**b, x, values / start, p0=[-2.0], bounds=(-500, 500), ftol=1e-6
    )
    return np.array([exponent, np.log(start), np.log(max(values[-1], _EPSILON))], np.float32)


def _grey(pixels: np.ndarray) -> np.ndarray:
    pixels = np.asarray(pixels, np.float32)
    return pixels if pixels.ndim == 2 else pixels @ _LUMA


def _modulus(pixels: np.ndarray) -> np.ndarray:
    return np.abs(scipy.fft.rfft2(_grey(pixels)))


@lru_cache(maxsize=8)
def _half_plane_radius(n_rows: int, n_cols: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the zero frequency in steps, and the number of times each column occurs."""
    rows = np.minimum(np.arange(n_rows), n_rows - np.arange(n_rows))
    cols = np.arange(n_cols // 2 + 1)
    weights = np.where((cols == 0) | (2 * cols == n_cols), 1.0, 2.0)
    return np.hypot(rows[:, np.newaxis], cols), weights


def _averaged(values: np.ndarray, axis: int) -> np.ndarray:
    """Averages over 64 cells of one axis; a short axis repeats its values."""
    n = values.shape[axis]
    if n < _N_CELLS:
        return np.take(values, np.arange(_N_CELLS) * n // _N_CELLS, axis=axis)
    edges = np.arange(_N_CELLS) * n // _N_CELLS
    sums = np.add.reduceat(values, edges, axis=axis)
    sizes = np.diff(np.append(edges, n))
    return sums / (sizes[:, np.newaxis] if axis == 0 else sizes)
