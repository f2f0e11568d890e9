"""Square parts of large photographs: as they are, or prepared as collections of faces are."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from freqfake.batch.copies import as_jpeg
from freqfake.pictures.arrays import to_pil
from freqfake.pictures.facts import ImageFacts
from freqfake.pictures.reading import read_bytes

MIN_SIDE, MAX_SIDE = 256, 1280  # pixels
SIDES = (512, 768, 1024, 1024, 1024)  # of prepared squares
MAX_ANGLE = 20  # degrees
SCALES = (0.75, 3.0)  # pixels of the photograph for one of the square
QUALITIES = (90, 100)  # lowest and highest, of the prepared squares that become JPEG
_FILTERS = (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.HAMMING)
Part = tuple[Image.Image, ImageFacts]


def cut(image: Image.Image, facts: ImageFacts, n: int, rng: np.random.Generator) -> Iterator[Part]:
    """Yield random squares of a picture, which start on a block of JPEG."""
    side = min(image.size)
    for _ in range(n):
        size = int(rng.integers(min(side, MIN_SIDE), min(side, MAX_SIDE) + 1))
        left, top = (int(rng.integers(0, length - size + 1)) // 8 * 8 for length in image.size)
        part = image.crop((left, top, left + size, top + size))
        yield part, ImageFacts(**{**vars(facts), "width": size, "height": size})


def prepared(image: Image.Image, n: int, rng: np.random.Generator) -> Iterator[Part]:
    """Yield random squares of a large picture, resampled and stored as PNG or light JPEG.

    So the faces of FFHQ and of many other collections were made: turned, reduced or slightly
    enlarged by one of several filters, and most of them stored without loss. Of a picture that is
    too small for a square there is none.
    """
    for _ in range(n):
        side = int(rng.choice(SIDES))
        angle = np.deg2rad(rng.uniform(-MAX_ANGLE, MAX_ANGLE))
        grown = abs(np.cos(angle)) + abs(np.sin(angle))
        least, most = SCALES[0] * side, min(SCALES[1] * side, (min(image.size) - 2) / grown)
        if most < least:
            continue
        length = np.exp(rng.uniform(np.log(least), np.log(most)))
        reach = length * grown / 2
        center = [rng.uniform(reach, extent - reach) for extent in image.size]
        square = _resampled(image, np.array(center), length, angle, side, rng)
        pixels, facts = read_bytes(_stored(square, rng))
        yield to_pil(pixels), facts


def _resampled(
    image: Image.Image,
    center: Any,
    length: float,
    angle: float,
    side: int,
    rng: np.random.Generator,
) -> Image.Image:
    shrink = int(length / side / 2)
    if shrink > 1:  # as FFHQ does before turning
        image = image.resize(
            tuple(round(extent / shrink) for extent in image.size), Image.Resampling.LANCZOS
        )
        center, length = center / shrink, length / shrink
    way = rng.integers(3)
    if way == 0:  # straight
        left, top = (int(value - length / 2) for value in center)
        box = (max(left, 0), max(top, 0), left + int(length), top + int(length))
        return image.crop(box).resize((side, side), _FILTERS[rng.integers(len(_FILTERS))])
    x = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    y = np.array([-x[1], x[0]])
    corners = np.ravel([center - x - y, center - x + y, center + x + y, center + x - y])
    quad = Image.Transform.QUAD
    if way == 1:
        return image.transform((side, side), quad, corners, Image.Resampling.BICUBIC)
    twice = image.transform((2 * side, 2 * side), quad, corners, Image.Resampling.BILINEAR)
    return twice.resize((side, side), Image.Resampling.LANCZOS)


def _stored(image: Image.Image, rng: np.random.Generator) -> bytes:
    subsampling = rng.choice(["", "", "4:4:4", "4:2:0"])
    if subsampling:
        return as_jpeg(image, int(rng.integers(QUALITIES[0], QUALITIES[1] + 1)), subsampling)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    return file.getvalue()
