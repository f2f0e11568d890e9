"""Treatments of a picture: every delivery and every past that is measured.

A treatment takes a PIL image in mode RGB and returns the bytes of a picture file. Those that change
only pixels return PNG, so that all files after a treatment have one format.
"""

import io
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image
from PIL.Image import Resampling
from scipy.ndimage import gaussian_filter

from freqfake.batch.copies import delivered_copy

Treatment = Callable[[Image.Image], bytes]

AS_IS = "as is"  # the file itself
AS_PNG = "as PNG"  # the same pixels, in one format for both classes
SUBSAMPLINGS = {"4:4:4": 0, "4:2:0": 2}  # Pillow's names
QUALITIES = (95, 85, 75, 50, 30)


def encoded(image: Image.Image, format: str, **options: int) -> bytes:
    """Encode as a picture file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    """Store without loss."""
    return encoded(image, "PNG", compress_level=1)


def jpeg(image: Image.Image, quality: int, subsampling: str) -> bytes:
    """Compress as JPEG."""
    return encoded(image, "JPEG", quality=quality, subsampling=SUBSAMPLINGS[subsampling])


def scaled(image: Image.Image, factor: float, resampling: Resampling) -> Image.Image:
    """Scale both sides; Pillow's filters widen with the reduction, which avoids aliasing."""
    size = [max(1, round(side * factor)) for side in image.size]
    return image.resize(size, resampling)


def skipped(image: Image.Image, factor: float) -> Image.Image:
    """Reduce with the bilinear filter for enlarging, which aliases, as many fast programs do."""
    width, height = (max(1, round(side * factor)) for side in image.size)
    steps = (image.width / width, 0, 0, 0, image.height / height, 0)
    return image.transform(
        (width, height), Image.Transform.AFFINE, steps, resample=Resampling.BILINEAR
    )


def cropped(image: Image.Image) -> Image.Image:
    """Cut out the middle, half as wide and high."""
    width, height = image.size
    left, top = width // 4, height // 4
    return image.crop((left, top, left + width // 2, top + height // 2))


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    """Gaussian blur, `sigma` in pixels."""
    pixels = np.asarray(image, np.float32)
    return _image(gaussian_filter(pixels, (sigma, sigma, 0)))


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """Add Gaussian noise, `sigma` on the scale 0 to 255; the same picture gets the same noise."""
    pixels = np.asarray(image, np.float32)
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    return _image(pixels + sigma * rng.standard_normal(pixels.shape, np.float32))


def posted(image: Image.Image, longest: int, quality: int) -> bytes:
    """Reduce the longest side to `longest`, if it is longer, and compress, as a platform does."""
    factor = min(1.0, longest / max(image.size))
    reduced = scaled(image, factor, Resampling.LANCZOS) if factor < 1 else image
    return jpeg(reduced, quality, "4:2:0")


def filmed(image: Image.Image, crf: int) -> bytes:
    """Encode as a frame of H.264, with even sides, and store what is decoded."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.width, stream.height = (side // 2 * 2 for side in image.size)
        stream.pix_fmt = "yuv420p"
        even = image.crop((0, 0, stream.width, stream.height))
        container.mux(stream.encode(av.VideoFrame.from_image(even)))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return png(next(container.decode(video=0)).to_image())


def with_past(image: Image.Image, factor: float, subsampling: str | None) -> bytes:
    """Enlarge, compress as JPEG Q90 if `subsampling` is given, and reduce to the original size."""
    large = scaled(image, factor, Resampling.BICUBIC)
    if subsampling is not None:
        large = Image.open(io.BytesIO(jpeg(large, 90, subsampling)))
    return png(large.resize(image.size, Resampling.LANCZOS))


def with_new_chroma(image: Image.Image) -> bytes:
    """Rebuild the fine structure of chroma from that of luma, as far as it can be estimated.

    What chroma subsampling removed is lost. It is replaced by a local linear function of luma
    (guided filter), fitted where chroma is known (above four pixels) and applied at all scales.
    """
    planes = np.asarray(image.convert("YCbCr"), np.float32)
    luma = planes[..., 0]
    known_luma = gaussian_filter(luma, 2.0)
    for index in (1, 2):
        known = gaussian_filter(planes[..., index], 2.0)
        window = partial(gaussian_filter, sigma=8.0)
        mean_luma, mean = window(known_luma), window(known)
        covariance = window(known_luma * known) - mean_luma * mean
        variance = window(known_luma**2) - mean_luma**2
        slope = np.clip(covariance / (variance + 1.0), -1, 1)
        planes[..., index] = known + slope * (luma - known_luma)
    return png(Image.fromarray(_bytes(planes), "YCbCr").convert("RGB"))


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(_bytes(pixels))


def _bytes(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _stored(change: Callable[..., Image.Image], *arguments: object) -> Treatment:
    return lambda image: png(change(image, *arguments))


JPEGS = {
    f"JPEG Q{quality} {subsampling}": partial(jpeg, quality=quality, subsampling=subsampling)
    for subsampling in SUBSAMPLINGS
    for quality in QUALITIES
}
DELIVERIES: dict[str, Treatment] = {
    **JPEGS,
    "WebP Q80": lambda image: encoded(image, "WEBP", quality=80),
    "x1/2 area": _stored(scaled, 1 / 2, Resampling.BOX),
    "x1/2 bilinear": _stored(skipped, 1 / 2),
    "x1/4 area": _stored(scaled, 1 / 4, Resampling.BOX),
    "x1/4 bilinear": _stored(skipped, 1 / 4),
    "x2 bicubic": _stored(scaled, 2.0, Resampling.BICUBIC),
    "crop to half": _stored(cropped),
    "blur 1": _stored(blurred, 1.0),
    "blur 2": _stored(blurred, 2.0),
    "noise 2": _stored(noisy, 2.0),
    "noise 5": _stored(noisy, 5.0),
    "768 px, Q60": lambda image: posted(image, 768, 60),
    "512 px, Q40": lambda image: posted(image, 512, 40),
}
PASTS: dict[str, Treatment] = {
    "x1.5 and back": lambda image: with_past(image, 1.5, None),
    "x1.5, 4:4:4, back": lambda image: with_past(image, 1.5, "4:4:4"),
    "x1.5, 4:2:0, back": lambda image: with_past(image, 1.5, "4:2:0"),
    "x2, 4:2:0, back": lambda image: with_past(image, 2.0, "4:2:0"),
    "new chroma": with_new_chroma,
}
FILMED = "H.264, crf 40"
TREATMENTS: dict[str, Treatment] = {
    AS_PNG: png,
    **DELIVERIES,
    **PASTS,
    FILMED: lambda image: filmed(image, 40),
}


def treated(image: Image.Image, name: str) -> bytes:
    """Apply a treatment by its name; ``copy 3`` is the delivered copy with the seed 3."""
    if name.startswith("copy "):
        return delivered_copy(image, int(name.removeprefix("copy ")))
    return TREATMENTS[name](image)


def copy_names(n_copies: int) -> list[str]:
    """Names of `n_copies` delivered copies."""
    return [f"copy {seed}" for seed in range(n_copies)]
