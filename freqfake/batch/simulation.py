"""Pictures that end as a generator's do, made from real ones.

Most generators make a picture at a fraction of its size and enlarge it by two, more than once, with
kernels that they learn. The enlarging leaves traces whatever the picture shows. A photograph that
is reduced and enlarged again in such a way has the traces, and everything else of a photograph: a
model that is trained to tell it from the photograph itself learns nothing but them.
"""

import dataclasses
import functools
import io
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve, gaussian_filter

from ..exceptions import FreqFakeError
from ..features.rich import rich_features
from ..pictures.arrays import to_pil
from ..pictures.facts import ImageFacts
from ..pictures.reading import ImageLike, read_bytes
from .copies import as_jpeg
from .extraction import (
    Extraction,
    Picture,
    Unreadable,
    attempt,
    compute_features,
    read_picture,
)
from .parallel import Inputs, map_pictures

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 128  # pixels; smaller pictures have no simulated fake

_COLOUR = ("RGB", "RGBA", "RGBX")  # modes
_LOSSLESS = ("lossless", "pixels")  # codings
_WEBP_QUALITY = 85  # that of a file is not known
_SHARPEN = 0.3  # largest weight of the second difference that is subtracted
_Array = npt.NDArray[Any]


def simulated_fake(image: "Image.Image", seed: int) -> "Image.Image":
    """Give a picture the traces of a generator's last layers.

    The picture is reduced by 2 or 4 and enlarged again in steps of 2, by nearest neighbour and a
    3 x 3 kernel, by inserting zeros and a 4 x 4 kernel, or by the kernel [1 3 3 1] and
    sharpening; the kernels are random, and the channels differ a little. Some smooth noise of the
    channels is added.

    Parameters
    ----------
    image : PIL image
        Its mode must be RGB, its sides at least 128 pixels.
    seed : int
        The same picture and seed give the same result.

    Returns
    -------
    PIL image
        Of the same size, cut to a multiple of 4 pixels.

    Raises
    ------
    ValueError
        The picture is too small.

    Examples
    --------
    >>> from PIL import Image
    >>> from freqfake.batch.simulation import simulated_fake
    >>> simulated_fake(Image.new("RGB", (130, 128)), 0).size
    (128, 128)
    """
    from PIL import Image

    rng = np.random.default_rng(seed)
    if min(image.size) < MIN_SIDE:
        width, height = image.size
        raise ValueError(
            f"`image` must be at least {MIN_SIDE} pixels a side; got {width} x {height}"
        )
    n_steps = 2 if min(image.size) >= 2 * MIN_SIDE and rng.random() < 0.5 else 1
    width, height = (side // 4 * 4 for side in image.size)
    small = image.crop((0, 0, width, height)).resize(
        (width >> n_steps, height >> n_steps), Image.Resampling.LANCZOS
    )
    planes = np.moveaxis(np.asarray(small, np.float32), -1, 0)
    enlarge = (_by_neighbour, _by_zeros, _by_binomial)[rng.integers(3)]
    for _ in range(n_steps):
        planes = enlarge(planes, rng)
    planes = planes + _noise(planes.shape, rng)
    pixels = np.clip(np.rint(np.moveaxis(planes, 0, -1)), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))


def simulated_picture(picture: Picture) -> Picture | None:
    """Make a simulated fake of a picture that was read, with the same coding.

    Otherwise a model would learn the coding. Of a JPEG, it is compressed with the quality and the
    chroma subsampling of the file; of a lossy WebP, with quality 85.

    Parameters
    ----------
    picture : Picture

    Returns
    -------
    Picture or None
        Without the SHA-256 of a file. None for a picture that is smaller than 128 pixels a side,
        is not in colour, or has another lossy coding.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.batch.extraction import read_picture
    >>> from freqfake.batch.simulation import simulated_picture
    >>> picture = read_picture("<array 0>", np.zeros((130, 128, 3), np.uint8))
    >>> simulated_picture(picture).pixels.shape
    (128, 128, 3)
    """
    facts = picture.facts
    jpeg, webp = facts.coding.startswith("JPEG "), facts.coding == "lossy WEBP"
    same_coding = jpeg or webp or facts.coding in _LOSSLESS
    if min(facts.width, facts.height) < MIN_SIDE or facts.mode not in _COLOUR or not same_coding:
        return None
    original = to_pil(picture.pixels)
    fake = simulated_fake(original, zlib.crc32(original.tobytes()))
    if jpeg:
        data = as_jpeg(fake, facts.quality, facts.coding.removeprefix("JPEG "))
    elif webp:
        data = _as_webp(fake)
    else:
        return Picture(picture.path, np.asarray(fake), ImageFacts(*fake.size, "RGB", facts.coding))
    pixels, own = read_bytes(data)
    return Picture(picture.path, pixels, dataclasses.replace(own, sha256=""))


def iter_with_simulated(
    inputs: Inputs, *, n_copies: int = 0, n_jobs: int | None = None, progress: bool = False
) -> Iterator[Extraction | Unreadable]:
    """Yield the rich features of many real pictures, each with those of its simulated fake.

    Parameters
    ----------
    inputs, n_copies, n_jobs, progress
        See :func:`freqfake.iter_features`. The simulated fakes have as many copies.

    Yields
    ------
    Extraction or Unreadable
        As of :func:`freqfake.iter_features`; ``simulated`` is None where
        :func:`simulated_picture` makes none.
    """
    job = functools.partial(_extract, n_copies=n_copies)
    return map_pictures(job, inputs, n_jobs=n_jobs, progress=progress)


def _extract(
    path: str,
    image: ImageLike | FreqFakeError,
    facts: ImageFacts | None = None,
    *,
    n_copies: int,
) -> Extraction | Unreadable:
    picture = read_picture(path, image, facts)
    if isinstance(picture, Unreadable):
        return picture
    own = compute_features(picture, rich_features, n_copies=n_copies)
    if isinstance(own, Unreadable):
        return own
    fake = attempt(path, lambda: simulated_picture(picture))
    if fake is None or isinstance(fake, Unreadable):
        return own if fake is None else fake
    simulated = compute_features(fake, rich_features, n_copies=n_copies)
    if isinstance(simulated, Unreadable):
        return simulated
    return dataclasses.replace(own, simulated=simulated)


def _as_webp(image: "Image.Image") -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=_WEBP_QUALITY)
    return file.getvalue()


def _by_neighbour(planes: _Array, rng: np.random.Generator) -> _Array:
    doubled = planes.repeat(2, axis=1).repeat(2, axis=2)
    return _filtered(doubled, np.outer([1, 2, 1], [1, 2, 1]), rng)


def _by_zeros(planes: _Array, rng: np.random.Generator) -> _Array:
    return _filtered(_with_zeros(planes), np.outer([1, 3, 3, 1], [1, 3, 3, 1]), rng)


def _by_binomial(planes: _Array, rng: np.random.Generator) -> _Array:
    kernel = np.outer([1, 3, 3, 1], [1, 3, 3, 1])
    smooth = _filtered(_with_zeros(planes), kernel, rng, perturbation=0)
    weight = rng.uniform(0, _SHARPEN)
    laplace = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]) * weight
    laplace[1, 1] += 1
    return _filtered(smooth, laplace, rng, perturbation=0)


def _with_zeros(planes: _Array) -> _Array:
    wide = np.zeros((3, 2 * planes.shape[1], 2 * planes.shape[2]), planes.dtype)
    wide[:, ::2, ::2] = planes
    return wide


def _filtered(
    planes: _Array, kernel: _Array, rng: np.random.Generator, *, perturbation: float = 0.1
) -> _Array:
    """Convolve with a kernel that is perturbed, most of it alike in the three channels."""
    largest = np.abs(kernel).max() * perturbation
    common = kernel + largest * rng.standard_normal(kernel.shape)
    even = len(kernel) % 2 == 0
    filtered = []
    for plane in planes:
        own = common + largest / 4 * rng.standard_normal(kernel.shape)
        # On inserted zeros, each of the four phases of an even kernel makes pixels of its own; a
        # sum that differs by 1 % is the weak checkerboard of a transposed convolution.
        for phase in np.ndindex(2, 2) if even else [(0, 0)]:
            part = own[phase[0] :: 2, phase[1] :: 2] if even else own
            part *= (1 + perturbation / 10 * rng.standard_normal() * even) / part.sum()
        # SciPy's centre of an even kernel is half a pixel too far.
        origin = -1 if even else 0
        filtered.append(convolve(plane, own.astype(np.float32), mode="nearest", origin=origin))
    return np.array(filtered)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> _Array:
    amplitude = rng.uniform(0, 1.5)
    noise = rng.standard_normal(shape, np.float32)
    noise += rng.uniform(0, 2) * noise[:1]
    smooth = gaussian_filter(noise, (0, *[rng.uniform(0.4, 1)] * 2))
    return np.asarray(smooth * (amplitude / max(smooth.std(), 1e-6)))
