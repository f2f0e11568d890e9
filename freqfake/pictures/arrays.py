"""Check and scale arrays that hold pictures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..exceptions import ImageValueError

if TYPE_CHECKING:
    from PIL import Image

_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def check_image(image: npt.ArrayLike, *, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Check a picture and scale it to [0, 1].

    Parameters
    ----------
    image : array-like of shape (n_rows, n_cols), (n_rows, n_cols, 1), (n_rows, n_cols, 3) or \
(n_rows, n_cols, 4)
        uint8 (0 to 255), uint16 (0 to 65535) or floating point (0 to 1). Grey values are
        repeated in all three channels. A fourth channel (transparency) is ignored: colours are
        used as stored, even if they are invisible.
    dtype : {np.float32, np.float64}
        Data type of the result.

    Returns
    -------
    ndarray of shape (n_rows, n_cols, 3)
        Red, green and blue in [0, 1].

    Raises
    ------
    ImageValueError
        The array has a different shape or data type, is empty, or holds values that are not
        finite or are out of range.
    """
    return to_unit_range(check_shape(image), dtype=dtype)


def to_unit_range(
    pixels: npt.NDArray[Any], *, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """Scale pixels that :func:`check_shape` returned to [0, 1], with three channels."""
    unit = _scaled(pixels, np.dtype(dtype))
    return np.broadcast_to(unit, (*unit.shape[:2], 3))


def channel_planes(pixels: npt.NDArray[Any], *, dtype: npt.DTypeLike) -> Iterator[npt.NDArray[Any]]:
    """Scale pixels that :func:`check_shape` returned to [0, 1], one channel at a time.

    Uses less memory than :func:`to_unit_range`; the planes are contiguous.
    """
    for channel in range(3):
        plane = np.ascontiguousarray(pixels[:, :, min(channel, pixels.shape[2] - 1)])
        yield _scaled(plane, np.dtype(dtype))


def check_shape(image: npt.ArrayLike) -> npt.NDArray[Any]:
    """Check the shape of a picture and return its pixels as (n_rows, n_cols, 1 or 3)."""
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ImageValueError(
            "`image` must be of shape (n_rows, n_cols), or (n_rows, n_cols, channels) with 1, 3 "
            f"or 4 channels; got shape {np.shape(image)}"
        )
    if pixels.size == 0:
        raise ImageValueError(f"`image` must hold at least one pixel; got shape {pixels.shape}")
    return pixels[:, :, :3]


def _scaled(pixels: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if pixels.dtype in _FULL_SCALE:
        unit = pixels.astype(dtype)
        unit /= dtype.type(_FULL_SCALE[pixels.dtype])
        return unit
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ImageValueError(
            "`image` must be uint8 (0 to 255), uint16 (0 to 65535) or floating point (0 to 1); "
            f"got {pixels.dtype}: convert it with .astype(np.uint8) if it holds 0 to 255"
        )
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageValueError("`image` must hold finite values; got NaN or infinity")
    if low < 0 or high > 1:
        raise ImageValueError(
            f"a floating-point `image` must lie in [0, 1]; got {low:g} to {high:g}: divide by 255 "
            "if it holds 0 to 255"
        )
    return np.asarray(pixels, dtype)


def to_pil(pixels: npt.NDArray[Any]) -> "Image.Image":
    """Convert the pixels of a picture to an 8-bit RGB PIL image."""
    from PIL import Image

    if pixels.dtype == np.uint8 and pixels.shape[2:] == (3,):
        return Image.fromarray(pixels)
    eight_bits = np.rint(check_image(pixels) * 255).astype(np.uint8)
    return Image.fromarray(eight_bits)
