"""The rich features: what is left of a generator's traces after delivery.

Three views of the middle of a picture, at its own resolution:

- rings: power of each channel, and agreement between channels, ring by ring of radial frequency;
- co-occurrences of noise residuals, per luma and chroma plane and across the colours;
- the coefficients of 8 x 8 block cosine transforms, per luma and chroma plane.

Only the middle 512 x 512 pixels are read, so that pictures of all sizes give comparable features
in bounded time. The cut keeps to the 8 x 8 grid of JPEG.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from ..pictures.arrays import to_unit_range
from ..pictures.reading import ImageLike, load_pixels
from .rings import check_side, cut_middle, ring_statistics

N_RINGS = 16  # of equal width from 0 to 0.5 cycles per pixel; one more for the corners
MIN_SIDE = 64  # pixels; fewer hold too few 8 x 8 blocks and bins a ring
N_FEATURES = 1800

_PLANES = ("y", "cb", "cr")
_YCBCR = np.array(  # ITU-R BT.601, as in JPEG, without offsets
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_GRID = 1e6  # whole colours make planes of whole millionths: what else they hold is rounding
_STEPS = 2  # residuals are quantised to -2..2
_LEVELS = 2 * _STEPS + 1
_Array = npt.NDArray[Any]


def rich_features(image: ImageLike) -> npt.NDArray[np.float64]:
    """Rich features of a picture.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake.asynchrony_features`. At least 64 pixels a side; of larger pictures
        the middle 512 x 512 pixels are read.

    Returns
    -------
    ndarray of shape (n_features,), float64
        In the order of :func:`rich_feature_names`. Histograms are square roots of shares.

    Raises
    ------
    ImageReadError, ImageValueError
        The picture cannot be read, the array is no picture, or it is too small.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.features.rich import rich_features, rich_feature_names
    >>> image = np.random.default_rng(0).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    >>> len(rich_features(image)) == len(rich_feature_names())
    True
    """
    pixels = load_pixels(image)
    check_side(pixels, MIN_SIDE, "the rich features")
    pixels = to_unit_range(cut_middle(pixels), dtype=np.float64)
    return np.concatenate([*_parts(pixels * 255).values()])


@cache
def rich_feature_names() -> tuple[str, ...]:
    """Names of the rich features: part, then position in it.

    Examples
    --------
    >>> from freqfake.features.rich import rich_feature_names
    >>> rich_feature_names()[0]
    'ring_power_0'
    """
    parts = _parts(np.random.default_rng(0).random((MIN_SIDE, MIN_SIDE, 3)) * 255)
    return tuple(f"{part}_{i}" for part, values in parts.items() for i in range(len(values)))


@cache
def rich_feature_groups() -> dict[str, _Array]:
    """Positions of the rich features that look at the same kind of trace.

    Returns
    -------
    dict of str to ndarray
        ``"rings"``, ``"noise residuals"``, ``"noise across the colours"`` and
        ``"block transforms"``; together each position once.

    Examples
    --------
    >>> from freqfake.features.rich import rich_feature_groups
    >>> {name: len(positions) for name, positions in rich_feature_groups().items()}
    {'rings': 153, 'noise residuals': 819, 'noise across the colours': 252,
     'block transforms': 576}
    """
    groups = [_group(name) for name in rich_feature_names()]
    return {name: np.flatnonzero(np.array(groups) == name) for name in dict.fromkeys(groups)}


def _group(name: str) -> str:
    if name.startswith("ring_"):
        return "rings"
    if name.startswith("rgb_"):
        return "noise across the colours"
    return "block transforms" if "_dct_" in name else "noise residuals"


def _parts(rgb: _Array) -> dict[str, _Array]:
    colours = np.ascontiguousarray(np.moveaxis(rgb, -1, 0))
    # Sums written out: those of a matrix product differ with the number of threads.
    planes = np.array([sum(map(np.multiply, weights, colours)) for weights in _YCBCR])
    parts = _rings(colours)
    rounded = _rounded(planes)
    for name, plane in zip(_PLANES, rounded, strict=True):
        parts.update(_plane_cooccurrences(name, _residuals(plane)))
    parts.update(_colour_cooccurrences(_rounded(colours)))
    for name, plane in zip(_PLANES, planes, strict=True):
        parts.update(_block_transform(name, plane))
    return parts


def _rounded(planes: _Array) -> npt.NDArray[np.int16]:
    """Nearest whole numbers, of what lies half-way (which is common) the even ones."""
    return np.rint(np.rint(planes * _GRID) / _GRID).astype(np.int16)


# --- rings ----------------------------------------------------------------------------------------


def _rings(colours: _Array) -> dict[str, _Array]:
    """Power, coherence and correlation of log-magnitudes, ring by ring."""
    power, coherence, correlation = ring_statistics(colours, N_RINGS)
    parts = {"ring_power": np.log(power + 1e-3).ravel()}
    for pair, name in enumerate(("rg", "rb", "gb")):
        parts[f"ring_coherence_{name}"] = coherence[pair]
        parts[f"ring_correlation_{name}"] = correlation[pair]
    return parts


# --- co-occurrences of residuals ------------------------------------------------------------------


def _residuals(plane: _Array) -> dict[str, _Array]:
    """High-pass residuals, quantised to -2..2 and shifted to 0..4.

    First, second and third differences along rows and columns, their mixed difference, and the
    3 x 3 kernel of Ker and Boehme, each in steps of its order (the spatial rich model of Fridrich
    and Kodovsky 2012).
    """
    along = {"h": plane, "v": plane.T}
    found: dict[str, _Array] = {}
    for name, p in along.items():
        first = p[:, 1:] - p[:, :-1]
        second = first[:, 1:] - first[:, :-1]
        third = second[:, 1:] - second[:, :-1]
        for order, residual in enumerate((first, second, third), 1):
            code = _quantised(residual, order)
            found[f"d{order}{name}"] = code if name == "h" else code.T
    first = plane[:, 1:] - plane[:, :-1]
    mixed = first[1:] - first[:-1]
    found["mixed"] = _quantised(mixed, 1)
    corners = mixed[1:, 1:] - mixed[1:, :-1] - mixed[:-1, 1:] + mixed[:-1, :-1]
    found["kernel"] = _quantised(corners, 4)
    return found


def _quantised(residual: _Array, step: int) -> _Array:
    rounded = np.floor_divide(2 * residual + step, 2 * step) if step > 1 else residual
    return (np.clip(rounded, -_STEPS, _STEPS) + _STEPS).astype(np.uint8)


def _plane_cooccurrences(plane: str, codes: dict[str, _Array]) -> dict[str, _Array]:
    """Triples of neighbouring residuals, along the residual's own direction and across it."""
    counts = {}
    for order in (1, 2):
        h, v = codes[f"d{order}h"], codes[f"d{order}v"]
        counts[f"d{order}_along"] = _triples(h) + _triples(v.T)
        counts[f"d{order}_across"] = _triples(h.T) + _triples(v)
    counts["d3_along"] = _triples(codes["d3h"]) + _triples(codes["d3v"].T)
    for name in ("mixed", "kernel"):
        counts[name] = _triples(codes[name]) + _triples(codes[name].T)
    fold = _fold_triples()
    return {f"{plane}_{name}": _shares(np.bincount(fold, c)) for name, c in counts.items()}


def _colour_cooccurrences(colours: _Array) -> dict[str, _Array]:
    """Residuals of red, green and blue at the same place."""
    codes = [_residuals(colour) for colour in colours]
    counts = {
        name: np.bincount(_joined(*(code[name] for code in codes)), minlength=_LEVELS**3)
        for name in ("d1h", "d1v", "d2h", "d2v", "mixed", "kernel")
    }
    merged = {
        "rgb_d1": counts["d1h"] + counts["d1v"],
        "rgb_d2": counts["d2h"] + counts["d2v"],
        "rgb_mixed": counts["mixed"],
        "rgb_kernel": counts["kernel"],
    }
    # A picture and its negative count alike; the middle code is its own negative.
    half = _LEVELS**3 // 2 + 1
    return {name: _shares((c + c[::-1])[:half]) for name, c in merged.items()}


def _triples(codes: _Array) -> _Array:
    """How often each three codes follow each other in a row."""
    joined = _joined(codes[:, :-2], codes[:, 1:-1], codes[:, 2:])
    return np.bincount(joined, minlength=_LEVELS**3)


def _joined(a: _Array, b: _Array, c: _Array) -> _Array:
    return np.asarray((a * _LEVELS + b) * _LEVELS + c).ravel(order="K")  # at most 124: fits uint8


@cache
def _fold_triples() -> _Array:
    """Class of every triple: reversed and negated ones are counted together."""
    digits = np.indices((_LEVELS,) * 3).reshape(3, -1)
    weights = _LEVELS ** np.arange(3)[::-1]
    negated = _LEVELS - 1 - digits
    variants = [weights @ d for d in (digits, digits[::-1], negated, negated[::-1])]
    return np.unique(np.min(variants, axis=0), return_inverse=True)[1]


def _shares(counts: _Array) -> _Array:
    return np.asarray(np.sqrt(counts / max(counts.sum(), 1)))


# --- block transforms -----------------------------------------------------------------------------


def _block_transform(name: str, plane: _Array) -> dict[str, _Array]:
    """Statistics of each of the 64 coefficients of the blocks that JPEG would cut."""
    height, width = (side // 8 * 8 for side in plane.shape)
    blocks = plane[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    coefficients = scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho").reshape(-1, 64)
    magnitudes = np.abs(coefficients)
    # Exact coefficients go in eighths of millionths: none lies near the limit, which is below 0.5.
    mean = magnitudes.mean(axis=0)
    deviation = np.sqrt(np.square(coefficients).mean(axis=0))
    return {
        f"{name}_dct_size": np.log(mean + 1e-2),
        f"{name}_dct_shape": mean / (deviation + 1e-3),
        f"{name}_dct_zeros": (magnitudes < 0.5 - 0.55 / _GRID).mean(axis=0),
    }
