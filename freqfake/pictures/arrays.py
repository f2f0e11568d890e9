"""Check and scale arrays that hold pictures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..exceptions import ImageValueError

if TYPE_CHECKING:
    from PIL import Image

_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
# Of short floating-point types: the integers that they hold, and their largest rounding, also if
# a picture was multiplied by 1 / 255 in that type instead of divided.
_INTEGERS_OF: dict[np.dtype[Any], tuple[np.dtype[Any], float]] = {
    np.dtype(np.float16): (np.dtype(np.uint8), 2**-12),
    np.dtype(np.float32): (np.dtype(np.uint16), 2**-22),
}


def check_image(image: npt.ArrayLike, *, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Check a picture and scale it to [0, 1].

    Parameters
    ----------
    image : array-like of shape (n_rows, n_cols), (n_rows, n_cols, 1), (n_rows, n_cols, 3) or \
(n_rows, n_cols, 4)
        uint8 (0 to 255), uint16 (0 to 65535) or floating point (0 to 1), in any byte order. Grey
        values are repeated in all three channels. A fourth channel (transparency) is ignored:
        colours are used as stored, even if they are invisible.
    dtype : {np.float32, np.float64}
        Data type of the result.

    Returns
    -------
    ndarray of shape (n_rows, n_cols, 3)
        Red, green and blue in [0, 1].

    Raises
    ------
    ImageValueError
        The array has a different shape or data type, is empty, has masked pixels, or holds values
        that are not finite or are out of range.
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
    """Check the shape of a picture and return its pixels as (n_rows, n_cols, 1 or 3).

    They are in the byte order of the machine. A float32 picture of which every value is a 16-bit
    one divided by 65535 (or an 8-bit one by 255), up to rounding, becomes uint16; float16 with
    8-bit values, uint8. Otherwise this rounding would change the features.
    """
    pixels = as_array(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ImageValueError(
            "`image` must be of shape (n_rows, n_cols), or (n_rows, n_cols, channels) with 1, 3 "
            f"or 4 channels; got shape {np.shape(image)}"
        )
    if pixels.size == 0:
        raise ImageValueError(f"`image` must hold at least one pixel; got shape {pixels.shape}")
    pixels = pixels[:, :, :3]
    return _integers(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))


def as_array(image: Any) -> npt.NDArray[Any]:
    """Return an object as an array of any shape; refuse one with masked values or of objects."""
    try:
        array = np.asanyarray(image)
    except MemoryError:
        raise
    except Exception as error:  # a tensor on another device, or the object's own error
        raise ImageValueError(f"cannot make an array of {_kind(image)}: {error}") from None
    if array.dtype.kind in "OSUV":
        raise ImageValueError(
            f"`image` must be a path, a PIL image or an array of numbers; got {_kind(image)}"
        )
    if np.ma.is_masked(array):
        raise ImageValueError(
            "`image` must not have masked pixels; replace them, for instance with .filled(0)"
        )
    return np.asarray(array)


def _kind(image: object) -> str:
    """Name the type of an object, such as torch.Tensor."""
    kind = type(image)
    room = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{room}{kind.__qualname__}"


def _integers(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the integers that a short floating-point type holds, if all values are such."""
    if pixels.dtype not in _INTEGERS_OF:
        return pixels
    kind, rounding = _INTEGERS_OF[pixels.dtype]
    full = _FULL_SCALE[kind]
    integers = np.empty_like(pixels, kind)
    for row, found in zip(pixels, integers, strict=True):  # stops early, with little memory
        unit = row.astype(np.float64)
        if not (np.abs(unit - 0.5) <= 0.5 + rounding).all():  # out of range, infinity or NaN
            return pixels
        levels = np.rint(unit * full)
        if not (np.abs(levels / full - unit) <= rounding).all():
            return pixels
        found[...] = levels
    return integers


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
