"""The asynchrony features and the rings as nodes of a graph, see :mod:`freqfake.features`."""

import numpy as np

from ..features.asynchrony import _CONSTANT
from ..features.rings import _PAIRS
from ..features.spectrum import _MIN_RANGE, LOG_OFFSET, PERCENTILES, Spectrum
from .graph import DOUBLE, Tensor, join, side

_FIRST, _SECOND = (list(side) for side in zip(*_PAIRS, strict=True))
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
    """Moduli over the full plane, each channel in a row, in no particular order."""
    means = planes.mean(1, 2, keepdims=True)
    real, imaginary = _rfft2(planes - means)  # what is left is rounded less
    half = (real * real + imaginary * imaginary).op("Sqrt")
    others = planes.graph.vector([0, 0, 0, 0, height - 1, width // 2])
    half += (means * (height * width).double()).op("Pad", others)  # at the zero frequency
    return join([half, half[:, :, 1 : (width + 1) // 2]], axis=2).reshape(3, -1)


def _rfft2(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the half planes, of shape (3, n_rows, n_cols // 2 + 1)."""
    rows = planes.op("Unsqueeze", [3]).op("DFT", None, 2, onesided=1)
    transform = rows.op("DFT", None, 1)
    return transform.take(0, axis=3), transform.take(1, axis=3)


def _normalised_logs(magnitudes: Tensor) -> Tensor:
    logs = (magnitudes + LOG_OFFSET).op("Log")
    low = _percentile(logs, _LOW)
    # The mirror image's: so the few largest need not be found among all, sorted.
    high = 0.0 - _percentile(0.0 - logs, 100 - _HIGH)
    scale = (high - low).op("Max", _MIN_RANGE)
    scaled = ((logs - low) / scale).op("Clip", 0.0, 1.0)
    peaks = logs.op("Greater", low + _MIN_RANGE).double()
    return (high - low).op("Less", _MIN_RANGE).op("Where", peaks, scaled)


def _percentile(values: Tensor, percentile: float) -> Tensor:
    """Of each row, linearly between its neighbours, shape (3, 1)."""
    last = values.op("Shape", start=1) - 1
    position = last.double() * percentile / 100.0
    rank = position.whole()
    n_smallest = (rank + 2).op("Min", last + 1)
    smallest = values.op("TopK", n_smallest, n_outputs=2, largest=0)
    low, high = smallest.take(rank, axis=1), smallest.take(n_smallest - 1, axis=1)
    return low + (high - low) * (position - rank.double())


def _correlations(spectra: Tensor, distances: Tensor) -> Tensor:
    """Of the pairs; 0 with a plane that is the same everywhere, 1 between equal ones."""
    centred = spectra - spectra.mean(1, keepdims=True)
    deviations = (centred * centred).mean(1).op("Sqrt")
    rounding = spectra.op("ReduceMax", [1], keepdims=0) * (8 * np.finfo(float).eps)
    varies = deviations.op("Greater", rounding.op("Max", _CONSTANT)).double()
    scale = deviations.take(_FIRST) * deviations.take(_SECOND)
    both_vary = (varies.take(_FIRST) * varies.take(_SECOND)).op("Greater", 0.0)
    products = (centred.take(_FIRST) * centred.take(_SECOND)).mean(1)
    correlations = (products / both_vary.op("Where", scale, 1.0)) * both_vary.double()
    equal = distances.op("Equal", 0.0)
    return equal.op("Where", 1.0, correlations.op("Clip", -1.0, 1.0))


def ring_parts(colours: Tensor, height: Tensor, width: Tensor, n_rings: int) -> list[Tensor]:
    """Power, and of each pair coherence and correlation, as flat tensors."""
    window = _hann(height).reshape(-1, 1) * _hann(width)
    real, imaginary = _rfft2((colours - colours.mean(1, 2, keepdims=True)) * window)
    squares = (real * real + imaginary * imaginary).reshape(3, -1)
    logs = (squares + 1e-6).op("Log") / 2.0
    logs -= logs.mean(1, keepdims=True)  # which changes no correlation, and is rounded less
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
    """Of each bin along an axis, in cycles per pixel."""
    position = length.graph.op("Range", 0, length, 1)
    freqs = position.op("Min", length - position).double() / length.double()
    return freqs * freqs
