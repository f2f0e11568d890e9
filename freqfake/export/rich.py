"""The rich features as nodes of a graph, see :mod:`freqfake.features.rich`."""

import numpy as np
import scipy.fft

from ..features.rich import GRID, LEVELS, MIN_SIDE, N_RINGS, STEPS, YCBCR, fold_triples
from ..features.rings import MAX_SIDE
from .graph import Tensor, join, side
from .spectra import ring_parts

_N_CODES = LEVELS**3  # triples of residuals


def rich_features(image: Tensor) -> Tensor:
    """Compute the rich features of pixels of shape (n_rows, n_cols, 3), 0 to 255.

    A picture that is too small is padded with black; its features are meaningless.
    """
    colours = _middle(image).transpose(2, 0, 1)
    height, width = side(colours, 1), side(colours, 2)
    planes = (colours * YCBCR[:, :, np.newaxis, np.newaxis]).sum(1)
    parts = ring_parts(colours, height, width, N_RINGS)
    parts += [_plane_cooccurrences(_rounded(planes)), _colour_cooccurrences(_rounded(colours))]
    return join([*parts, _block_transforms(planes, height, width)], axis=0)


def _middle(image: Tensor) -> Tensor:
    sides = [side(image, axis) for axis in (0, 1)]
    top, left = ((length - MAX_SIDE).op("Max", 0) // 16 * 8 for length in sides)
    missing = [(MIN_SIDE - length).op("Max", 0) for length in sides]
    cut = image[top : top + MAX_SIDE, left : left + MAX_SIDE]
    return cut.op("Pad", image.graph.vector([0, 0, 0, *missing, 0])).double()


def _rounded(planes: Tensor) -> Tensor:
    return ((planes * GRID).op("Round") / GRID).op("Round")


# --- co-occurrences of residuals ------------------------------------------------------------------


def _residuals(planes: Tensor) -> dict[str, Tensor]:
    """High-pass residuals along rows (h) and columns (v), quantised to 0 to 4."""
    found = {}
    for name, axis in (("h", 2), ("v", 1)):
        residual = planes
        for order in (1, 2, 3):
            residual = _differences(residual, axis)
            found[f"d{order}{name}"] = _quantised(residual, order)
    mixed = _differences(_differences(planes, 2), 1)
    found["mixed"] = _quantised(mixed, 1)
    found["kernel"] = _quantised(_differences(_differences(mixed, 2), 1), 4)
    return found


def _differences(planes: Tensor, axis: int) -> Tensor:
    return _from_to(planes, axis, 1, None) - _from_to(planes, axis, 0, -1)


def _from_to(planes: Tensor, axis: int, start: int, stop: int | None) -> Tensor:
    return planes[tuple(slice(start, stop) if i == axis else slice(None) for i in range(3))]


def _quantised(residual: Tensor, step: int) -> Tensor:
    if step > 1:
        residual = ((residual * 2.0 + float(step)) / (2.0 * step)).op("Floor")
    return residual.op("Clip", float(-STEPS), float(STEPS)) + float(STEPS)


def _plane_cooccurrences(planes: Tensor) -> Tensor:
    codes = _residuals(planes)
    triples = {
        (name, axis): _joined([_from_to(code, axis, i, (i - 2) or None) for i in range(3)])
        for name, code in codes.items()
        for axis in (1, 2)
    }
    groups = []
    for order in (1, 2):
        h, v = f"d{order}h", f"d{order}v"
        groups += [[(h, 2), (v, 1)], [(h, 1), (v, 2)]]  # along and across
    groups.append([("d3h", 2), ("d3v", 1)])
    groups += [[(name, 2), (name, 1)] for name in ("mixed", "kernel")]
    fold = np.eye(fold_triples().max() + 1)[fold_triples()]
    offsets = np.arange(3.0).reshape(3, 1, 1) * _N_CODES  # each plane has its own histogram
    shares = [
        _shares(_counted([triples[key] + offsets for key in group], 3).reshape(3, -1) @ fold)
        for group in groups
    ]
    return join(shares, axis=1).reshape(-1)


def _colour_cooccurrences(colours: Tensor) -> Tensor:
    codes = {
        name: _joined([code.take(i) for i in range(3)])
        for name, code in _residuals(colours).items()
    }
    groups = [["d1h", "d1v"], ["d2h", "d2v"], ["mixed"], ["kernel"]]
    # A picture and its negative count alike.
    fold = (np.eye(_N_CODES) + np.eye(_N_CODES)[::-1])[:, : _N_CODES // 2 + 1]
    counts = [_counted([codes[name] for name in group], 1).reshape(1, -1) for group in groups]
    return join([_shares(count @ fold) for count in counts], axis=1).reshape(-1)


def _joined(codes: list[Tensor]) -> Tensor:
    first, second, third = codes
    return (first * float(LEVELS) + second) * float(LEVELS) + third


def _counted(codes: list[Tensor], n_histograms: int) -> Tensor:
    """Count each code."""
    found = join([code.reshape(-1) for code in codes], axis=0).whole()
    ones = found.graph.op("Expand", 1.0, found.op("Shape"))
    bins = np.zeros(n_histograms * _N_CODES)
    return found.graph.op("ScatterElements", bins, found, ones, reduction="add")


def _shares(counts: Tensor) -> Tensor:
    return (counts / counts.op("ReduceSum", [1])).op("Sqrt")


# --- block transforms -----------------------------------------------------------------------------


def _block_transforms(planes: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Compute statistics of each of the 64 coefficients of the blocks that JPEG would use."""
    rows, columns = height // 8, width // 8
    whole = planes[:, : rows * 8, : columns * 8].reshape(3, rows, 8, columns, 8)
    transform = np.asarray(scipy.fft.dct(np.eye(8), norm="ortho"))  # of a row of a block
    blocks = whole.transpose(0, 1, 3, 2, 4).reshape(3, -1, 64)
    coefficients = blocks @ np.kron(transform, transform)
    magnitudes = coefficients.op("Abs")
    mean = magnitudes.mean(1)
    deviation = (coefficients * coefficients).mean(1).op("Sqrt")
    parts = [
        (mean + 1e-2).op("Log"),
        mean / (deviation + 1e-3),
        magnitudes.op("Less", 0.5 - 0.55 / GRID).double().mean(1),
    ]
    return join(parts, axis=1).reshape(-1)
