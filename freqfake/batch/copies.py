"""Copies of a picture as the web delivers them: changed, reduced, compressed.

A detector that was trained only on originals fails on delivered pictures, and one whose real and
generated pictures were delivered in different ways learns that difference. Training therefore uses
copies of both kinds that went through the same random deliveries.
"""

import io
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")  # Pillow's numbers 0, 1 and 2

_MIN_SIDE = 128  # pixels; copies are not reduced below
_MAX_SIDE = 2048  # pixels; copies are not enlarged beyond


def delivered_copy(image: "Image.Image", seed: int) -> bytes:
    """Make a delivered copy of a picture.

    With an even seed, in this order and each with its own probability: the past of a photograph
    (enlarged up to twice, JPEG, reduced to the old size); one edit (noise, blur, sharpening,
    enlarging by up to two, or an earlier JPEG); a reduction by up to four; JPEG of quality 40 to
    96 with 4:2:0 or 4:4:4, lossy WebP, or PNG as of a screenshot. With an odd seed, what
    messengers and social networks do, sometimes one after the other: a reduction to between 35
    and 90 %, and JPEG of quality 30 to 69 with 4:2:0.

    Parameters
    ----------
    image : PIL image
        Its mode must be RGB.
    seed : int
        The same picture and seed give the same copy.

    Returns
    -------
    bytes
        Content of a picture file.
    """
    rng = np.random.default_rng((seed, zlib.crc32(image.tobytes())))
    if seed % 2:
        if rng.random() < 0.2:  # forwarded from another network
            image = _decoded(_posted(image, rng))
        return _posted(image, rng)
    if rng.random() < 0.3:
        image = _with_past(image, rng)
    if rng.random() < 0.35:
        image = _EDITS[rng.integers(len(_EDITS))](image, rng)
    side = min(image.size)
    if rng.random() < 0.6 and side > _MIN_SIDE:
        lowest = max(_MIN_SIDE, side / 4)
        image = _scaled(image, np.exp(rng.uniform(np.log(lowest), np.log(side))) / side, rng)
    return _encoded(image, rng)


def reencoded(image: "Image.Image", subsampling: str = "4:4:4") -> bytes:
    """Compress a picture without a visible change: JPEG Q95."""
    return as_jpeg(image, 95, subsampling)


def as_jpeg(image: "Image.Image", quality: int, subsampling: str) -> bytes:
    r"""Make a JPEG file of a picture.

    Parameters
    ----------
    image : PIL image
        Its mode must be RGB.
    quality : int
        1 to 100.
    subsampling : str
        "4:4:4", "4:2:2" or "4:2:0".

    Returns
    -------
    bytes
        Content of the file.

    Examples
    --------
    >>> from PIL import Image
    >>> from freqfake.batch.copies import as_jpeg
    >>> as_jpeg(Image.new("RGB", (8, 8)), 90, "4:2:0")[:3]
    b'\xff\xd8\xff'
    """
    file = io.BytesIO()
    code = SUBSAMPLINGS.index(subsampling)
    image.save(file, "JPEG", quality=quality, subsampling=code)
    return file.getvalue()


def _posted(image: "Image.Image", rng: np.random.Generator) -> bytes:
    factor = np.exp(rng.uniform(np.log(0.35), np.log(0.9)))
    side = min(image.size)
    if side > _MIN_SIDE:
        image = _scaled(image, max(factor, _MIN_SIDE / side), rng)
    return as_jpeg(image, int(rng.integers(30, 70)), "4:2:0")


def _with_past(image: "Image.Image", rng: np.random.Generator) -> "Image.Image":
    large = _scaled(image, rng.uniform(1.2, 2.0), rng)
    return _compressed(large, rng).resize(image.size, _filter(rng))


def _compressed(image: "Image.Image", rng: np.random.Generator) -> "Image.Image":
    return _decoded(as_jpeg(image, int(rng.integers(80, 97)), _subsampling(rng)))


def _decoded(data: bytes) -> "Image.Image":
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        return opened


def _with_noise(image: "Image.Image", rng: np.random.Generator) -> "Image.Image":
    from PIL import Image

    pixels = np.asarray(image)
    noise = rng.standard_normal(pixels.shape, np.float32) * rng.uniform(0.5, 3)
    return Image.fromarray(np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8))


def _blurred(image: "Image.Image", rng: np.random.Generator) -> "Image.Image":
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1)))


def _sharpened(image: "Image.Image", rng: np.random.Generator) -> "Image.Image":
    from PIL import ImageFilter

    sharpen = ImageFilter.UnsharpMask(rng.uniform(0.5, 2), int(rng.integers(20, 150)), 2)
    return image.filter(sharpen)


def _enlarged(image: "Image.Image", rng: np.random.Generator) -> "Image.Image":
    longest = min(2.0, _MAX_SIDE / max(image.size))
    return _scaled(image, rng.uniform(1.1, longest), rng) if longest > 1.1 else image


_EDITS = (_with_noise, _blurred, _sharpened, _enlarged, _compressed)


def _scaled(image: "Image.Image", factor: float, rng: np.random.Generator) -> "Image.Image":
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, _filter(rng))


def _filter(rng: np.random.Generator) -> int:
    from PIL.Image import Resampling

    choices = (Resampling.BILINEAR, Resampling.BICUBIC, Resampling.LANCZOS, Resampling.BOX)
    return choices[rng.integers(len(choices))]


def _encoded(image: "Image.Image", rng: np.random.Generator) -> bytes:
    kind = rng.random()
    if kind < 0.85:
        return as_jpeg(image, int(rng.integers(40, 97)), _subsampling(rng))
    file = io.BytesIO()
    if kind < 0.93:
        image.save(file, "WEBP", quality=int(rng.integers(60, 95)))
    else:
        image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _subsampling(rng: np.random.Generator) -> str:
    return "4:2:0" if rng.random() < 0.75 else "4:4:4"
