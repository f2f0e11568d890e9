"""The asynchrony features and the rings as nodes of a graph, see :mod:`freqfake.features`."""

import numpy as np

from ..features.asynchrony import CONSTANT
from ..features.spectrum import LOG_OFFSET, MIN_RANGE, PAIRS, PERCENTILES, Spectrum
from .graph import DOUBLE, Tensor, join, side

_FIRST, _SECOND = (list(side) for side in zip(*PAIRS, strict=True))
_LOW, _HIGH = PERCENTILES


def asynchrony_features(image: Tensor, spectrum: Spectrum) -> Tensor:
    """Compute the six features of pixels of shape (n_rows, n_cols, 3), 0 to 255."""
    planes = image.double().transpose(2, 0, 1) / 255.0
    spectra = _magnitudes(planes, side(image, 0), side(image, 1))
    if spectrum == "log":
        spectra = _normalised_logs(spectra)
    distances = (spectra.take(_FIRST) - spectra.take(_SECOND)).op("Abs").mean(1)
    parts = [distances.op(f"Reduce{kind}").reshape(1) for kind in ("Mean", "Max", "Min")]
    return join([*parts, 1.0 - _correlations(spectra, distances)], axis=0)


def _magnitudes(planes: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Compute moduli over the full plane, one row per channel, in no particular order."""
    means = planes.mean(1, 2, keepdims=True)
    real, imaginary = _rfft2(planes - means)  # without the mean, less is rounded
    half = (real * real + imaginary * imaginary).op("Sqrt")
    others = planes.graph.vector([0, 0, 0, 0, height - 1, width // 2])
    half += (means * (height * width).double()).op("Pad", others)  # at the zero frequency
    return join([half, half[:, :, 1 : (width + 1) // 2]], axis=2).reshape(3, -1)


def _rfft2(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return real and imaginary parts of the half planes, shape (3, n_rows, n_cols // 2 + 1)."""
    rows = planes.op("Unsqueeze", [3]).op("DFT", None, 2, onesided=1)
    transform = rows.op("DFT", None, 1)
    return transform.take(0, axis=3), transform.take(1, axis=3)


def _normalised_logs(magnitudes: Tensor) -> Tensor:
    logs = (magnitudes + LOG_OFFSET).op("Log")
    low = _percentile(logs, _LOW)
    # Of the negated values, so that TopK finds the few largest instead of nearly all.
    high = 0.0 - _percentile(0.0 - logs, 100 - _HIGH)
    scale = (high - low).op("Max", MIN_RANGE)
    scaled = ((logs - low) / scale).op("Clip", 0.0, 1.0)
    peaks = logs.op("Greater", low + MIN_RANGE).double()
    return (high - low).op("Less", MIN_RANGE).op("Where", peaks, scaled)


def _percentile(values: Tensor, percentile: float) -> Tensor:
    """Return a percentile of each row, interpolated linearly, shape (3, 1)."""
    last = values.op("Shape", start=1) - 1
    position = last.double() * percentile / 100.0
    rank = position.whole()
    n_smallest = (rank + 2).op("Min", last + 1)
    smallest = values.op("TopK", n_smallest, n_outputs=2, largest=0)
    low, high = smallest.take(rank, axis=1), smallest.take(n_smallest - 1, axis=1)
    return low + (high - low) * (position - rank.double())


def _correlations(spectra: Tensor, distances: Tensor) -> Tensor:
    """Correlate the pairs of planes; 0 with a constant plane, 1 between equal planes."""
    centred = spectra - spectra.mean(1, keepdims=True)
    deviations = (centred * centred).mean(1).op("Sqrt")
    rounding = spectra.op("ReduceMax", [1], keepdims=0) * (8 * np.finfo(float).eps)
    varies = deviations.op("Greater", rounding.op("Max", CONSTANT)).double()
    scale = deviations.take(_FIRST) * deviations.take(_SECOND)
    both_vary = (varies.take(_FIRST) * varies.take(_SECOND)).op("Greater", 0.0)
    products = (centred.take(_FIRST) * centred.take(_SECOND)).mean(1)
    correlations = (products / both_vary.op("Where", scale, 1.0)) * both_vary.double()
    equal = distances.op("Equal", 0.0)
    return equal.op("Where", 1.0, correlations.op("Clip", -1.0, 1.0))


def ring_parts(colours: Tensor, height: Tensor, width: Tensor, n_rings: int) -> list[Tensor]:
    """Compute power, and coherence and correlation of each pair, as flat tensors."""
    window = _hann(height).reshape(-1, 1) * _hann(width)
    real, imaginary = _rfft2((colours - colours.mean(1, 2, keepdims=True)) * window)
    squares = (real * real + imaginary * imaginary).reshape(3, -1)
    logs = (squares + 1e-6).op("Log") / 2.0
    logs -= logs.mean(1, keepdims=True)  # less is rounded; the correlations stay the same
    cross = real.take(_FIRST) * real.take(_SECOND)
    cross += imaginary.take(_FIRST) * imaginary.take(_SECOND)
    products = logs.take(_FIRST) * logs.take(_SECOND)
    planes = [squares, logs, logs * logs, cross.reshape(3, -1), products]
    members = _ring_members(height, width, n_rings)
    ring_means = (join(planes, axis=0) @ members) / members.sum(0)
    power, mean, square, cross, product = (ring_means[3 * i : 3 * i + 3,] for i in range(5))
    variance = (square - mean * mean).op("Max", 1e-9)
    coherence = cross / (power.take(_FIRST) * power.take(_SECOND) + 1e-9).op("Sqrt")
    covariance = product - mean.take(_FIRST) * mean.take(_SECOND)
    correlation = covariance / (variance.take(_FIRST) * variance.take(_SECOND)).op("Sqrt")
    return [
        (power + 1e-3).op("Log").reshape(-1),
        join([coherence, correlation], axis=1).reshape(-1),
    ]


def _hann(length: Tensor) -> Tensor:
    return length.op("HannWindow", periodic=0, output_datatype=DOUBLE)


def _ring_members(height: Tensor, width: Tensor, n_rings: int) -> Tensor:
    """How often each bin of the half plane counts in each ring, shape (n_bins, n_rings + 1)."""
    n_cols = width // 2 + 1
    squares = _squared_freqs(height).reshape(-1, 1, 1) + _squared_freqs(width)[:n_cols,].reshape(
        -1, 1
    )
    index = (squares.op("Sqrt") / 0.5 * float(n_rings) + 1e-9).op("Floor").op("Min", float(n_rings))
    members = index.op("Equal", np.arange(n_rings + 1.0)).double()
    column = width.graph.op("Range", 0, n_cols, 1)
    once = column.op("Equal", 0).op("Or", (column * 2).op("Equal", width))
    return (members * once.op("Where", 1.0, 2.0).reshape(-1, 1)).reshape(-1, n_rings + 1)


def _squared_freqs(length: Tensor) -> Tensor:
    """Square the frequency in cycles per pixel of each bin along an axis."""
    position = length.graph.op("Range", 0, length, 1)
    freqs = position.op("Min", length - position).double() / length.double()
    return freqs * freqs
