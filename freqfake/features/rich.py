"""The rich features: the traces of a generator that delivery leaves.

They describe the middle of a picture at its own resolution:

- rings: power of each channel and agreement between channels, in rings of radial frequency;
- co-occurrences of noise residuals, per luma and chroma plane and across the colours;
- the coefficients of 8 x 8 block cosine transforms, per luma and chroma plane.

Only the middle 512 x 512 pixels are read, so that all sizes give comparable features in bounded
time. The cut is aligned with the 8 x 8 grid of JPEG.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from ..pictures.arrays import channel_planes
from ..pictures.reading import ImageLike, load_pixels
from .rings import check_side, cut_middle, ring_statistics

N_RINGS = 16  # of equal width from 0 to 0.5 cycles per pixel; one more for the corners
MIN_SIDE = 64  # pixels; smaller pictures have too few 8 x 8 blocks and bins per ring
N_FEATURES = 1800

_PLANES = ("y", "cb", "cr")
YCBCR = np.array(  # ITU-R BT.601, as in JPEG, without offsets
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
GRID = 1e6  # integer colours give planes in whole millionths: anything finer is rounding
STEPS = 2  # residuals are quantised to -2..2
LEVELS = 2 * STEPS + 1
_GRID_WEIGHTS = np.rint(YCBCR * GRID).astype(np.int32)
_Array = npt.NDArray[Any]


def rich_features(image: ImageLike) -> npt.NDArray[np.float64]:
    """Compute the rich features of a picture.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake.asynchrony_features`. At least 64 pixels a side. Only the middle
        512 x 512 pixels are read.

    Returns
    -------
    ndarray of shape (n_features,), float64
        In the order of :func:`rich_feature_names`. Histograms are square roots of shares.

    Raises
    ------
    ImageReadError, ImageValueError
        The picture cannot be read, the array is not a picture, or it is too small.

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
    return np.concatenate([*_parts(_colours(cut_middle(pixels))).values()])


@cache
def rich_feature_names() -> tuple[str, ...]:
    """List the names of the rich features: part, then position in it.

    Examples
    --------
    >>> from freqfake.features.rich import rich_feature_names
    >>> rich_feature_names()[0]
    'ring_power_0'
    """
    parts = _parts(np.random.default_rng(0).integers(0, 256, (3, MIN_SIDE, MIN_SIDE)))
    return tuple(f"{part}_{i}" for part, values in parts.items() for i in range(len(values)))


@cache
def rich_feature_groups() -> dict[str, _Array]:
    """Group the positions of the rich features by kind of trace.

    Returns
    -------
    dict of str to ndarray
        ``"rings"``, ``"noise residuals"``, ``"noise across the colours"`` and
        ``"block transforms"``. Each position occurs once.

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


def _colours(pixels: _Array) -> _Array:
    """Return red, green and blue planes, 0 to 255; of 8-bit pixels as integers."""
    if pixels.dtype == np.uint8:
        colours = np.moveaxis(pixels, -1, 0).astype(np.int32, order="C")
        return np.broadcast_to(colours, (3, *pixels.shape[:2]))
    return np.array([plane * 255 for plane in channel_planes(pixels, dtype=np.float64)])


def _parts(colours: _Array) -> dict[str, _Array]:
    parts = _rings(colours)
    blocks = {}
    for name, plane in zip(_PLANES, _ycbcr(colours), strict=True):
        parts.update(_plane_cooccurrences(name, _residuals(np.rint(plane).astype(np.int16))))
        blocks.update(_block_transform(name, plane))
    parts.update(_colour_cooccurrences([_whole(colour) for colour in colours]))
    return parts | blocks


def _ycbcr(colours: _Array) -> Iterator[_Array]:
    """Compute luma and chroma, rounded to the grid: exact halves, which are common, stay such."""
    for weights in _GRID_WEIGHTS:
        # Not a matrix product: its sums depend on the number of threads.
        plane = np.rint(sum(map(np.multiply, weights, colours)))
        plane /= GRID
        yield plane


def _whole(plane: _Array) -> npt.NDArray[np.int16]:
    """Round to whole numbers, exact halves to the even one."""
    if plane.dtype.kind == "f":
        plane = np.rint(np.rint(plane * GRID) / GRID)
    return plane.astype(np.int16)


# --- rings ----------------------------------------------------------------------------------------


def _rings(colours: _Array) -> dict[str, _Array]:
    power, coherence, correlation = ring_statistics(colours, N_RINGS)
    parts = {"ring_power": np.log(power + 1e-3).ravel()}
    for pair, name in enumerate(("rg", "rb", "gb")):
        parts[f"ring_coherence_{name}"] = coherence[pair]
        parts[f"ring_correlation_{name}"] = correlation[pair]
    return parts


# --- co-occurrences of residuals ------------------------------------------------------------------


def _residuals(plane: _Array) -> dict[str, _Array]:
    """Compute high-pass residuals, quantised to -2..2 and shifted to 0..4.

    First, second and third differences along rows and columns (in steps of 1, 2, 3), the mixed
    difference (1) and the 3 x 3 kernel of Ker and Boehme (4): the spatial rich model of Fridrich
    and Kodovsky (2012).
    """
    codes: dict[str, _Array] = {}
    for name, p in (("h", plane), ("v", plane.T)):
        first = p[:, 1:] - p[:, :-1]
        second = first[:, 1:] - first[:, :-1]
        third = second[:, 1:] - second[:, :-1]
        for order, residual in enumerate((first, second, third), 1):
            code = _quantised(residual, order)
            codes[f"d{order}{name}"] = code if name == "h" else code.T
    first = plane[:, 1:] - plane[:, :-1]
    mixed = first[1:] - first[:-1]
    codes["mixed"] = _quantised(mixed, 1)
    corners = mixed[1:, 1:] - mixed[1:, :-1] - mixed[:-1, 1:] + mixed[:-1, :-1]
    codes["kernel"] = _quantised(corners, 4)
    return codes


def _quantised(residual: _Array, step: int) -> _Array:
    """Divide by the step, round halves up and limit."""
    if step == 1:
        codes = np.clip(residual, -STEPS, STEPS)
    elif step & (step - 1):
        codes = np.floor_divide(2 * residual + step, 2 * step)
    else:  # shifting is faster
        codes = (residual + step // 2) >> (step.bit_length() - 1)
    if step > 1:
        np.clip(codes, -STEPS, STEPS, out=codes)
    codes += STEPS
    return codes.astype(np.uint8)


def _plane_cooccurrences(plane: str, codes: dict[str, _Array]) -> dict[str, _Array]:
    """Count triples of neighbouring residuals, along the residual's direction and across it."""
    counts = {}
    for order in (1, 2):
        h, v = codes[f"d{order}h"], codes[f"d{order}v"]
        counts[f"d{order}_along"] = _triples(h) + _triples(v.T)
        counts[f"d{order}_across"] = _triples(h.T) + _triples(v)
    counts["d3_along"] = _triples(codes["d3h"]) + _triples(codes["d3v"].T)
    for name in ("mixed", "kernel"):
        counts[name] = _triples(codes[name]) + _triples(codes[name].T)
    fold = fold_triples()
    return {f"{plane}_{name}": _shares(np.bincount(fold, c)) for name, c in counts.items()}


def _colour_cooccurrences(colours: list[_Array]) -> dict[str, _Array]:
    """Count residuals of red, green and blue at the same place."""
    codes = [_residuals(colour) for colour in colours]
    counts = {
        name: _counts(_joined(*(code[name] for code in codes)))
        for name in ("d1h", "d1v", "d2h", "d2v", "mixed", "kernel")
    }
    merged = {
        "rgb_d1": counts["d1h"] + counts["d1v"],
        "rgb_d2": counts["d2h"] + counts["d2v"],
        "rgb_mixed": counts["mixed"],
        "rgb_kernel": counts["kernel"],
    }
    # A picture and its negative count the same; the middle code is its own negative.
    half = LEVELS**3 // 2 + 1
    return {name: _shares((c + c[::-1])[:half]) for name, c in merged.items()}


def _triples(codes: _Array) -> _Array:
    """Count the triples of neighbouring codes in the rows."""
    return _counts(_joined(codes[:, :-2], codes[:, 1:-1], codes[:, 2:]))


def _counts(joined: _Array) -> _Array:
    """Count each byte up to 124; two at a time, which takes half of the time of np.bincount."""
    even = joined.size // 2 * 2
    pairs = np.bincount(joined[:even].view(np.uint16), minlength=1 << 16).reshape(256, 256)
    counts = pairs.sum(axis=0) + pairs.sum(axis=1)
    counts[joined[even:]] += 1
    return np.asarray(counts[: LEVELS**3])


def _joined(a: _Array, b: _Array, c: _Array) -> _Array:
    return np.asarray((a * LEVELS + b) * LEVELS + c).ravel(order="K")  # at most 124: fits uint8


@cache
def fold_triples() -> _Array:
    """Find the class of each triple: reversed and negated triples share a class."""
    digits = np.indices((LEVELS,) * 3).reshape(3, -1)
    weights = LEVELS ** np.arange(3)[::-1]
    negated = LEVELS - 1 - digits
    variants = [weights @ d for d in (digits, digits[::-1], negated, negated[::-1])]
    return np.unique(np.min(variants, axis=0), return_inverse=True)[1]


def _shares(counts: _Array) -> _Array:
    return np.asarray(np.sqrt(counts / max(counts.sum(), 1)))


# --- block transforms -----------------------------------------------------------------------------


def _block_transform(name: str, plane: _Array) -> dict[str, _Array]:
    """Compute statistics of each of the 64 coefficients of JPEG's 8 x 8 blocks."""
    height, width = (side // 8 for side in plane.shape)
    blocks = plane[: height * 8, : width * 8].reshape(height, 8, width, 8)
    coefficients = scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho")
    magnitudes = np.abs(coefficients, out=coefficients)

    def mean_of(values: _Array) -> _Array:
        return np.asarray(values.sum(axis=0).sum(axis=1).ravel() / (height * width))

    mean = mean_of(magnitudes)
    # Exact coefficients are multiples of 1/8 millionth: none is near the limit, just below 0.5.
    zeros = mean_of(magnitudes < 0.5 - 0.55 / GRID)
    deviation = np.sqrt(mean_of(np.square(magnitudes, out=magnitudes)))
    return {
        f"{name}_dct_size": np.log(mean + 1e-2),
        f"{name}_dct_shape": mean / (deviation + 1e-3),
        f"{name}_dct_zeros": zeros,
    }
