"""Attacks on a picture, a few lines each, that do not query a detector.

Pictures are uint8 arrays of shape (n_rows, n_cols, 3), before and after.
"""

import io
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import scipy.fft
from PIL import Image
from PIL.Image import Resampling
from scipy.ndimage import gaussian_filter

from .harness.treatments import SUBSAMPLINGS, blurred, jpeg, noisy, scaled, with_new_chroma

_N_RINGS = 64  # of equal width from 0 to 0.5 cycles per pixel, and further into the corners
_KEPT = 1 / 32  # cycles per pixel; lower frequencies are the visible content, and are kept
_PEAK = 255.0


class Spectra(NamedTuple):
    """Average of the log power spectra of several pictures of one size.

    Attributes
    ----------
    plane : ndarray of shape (n_rows, n_cols // 2 + 1, 3)
    rings : ndarray of shape (n_rings, 3)
        The plane, averaged over rings of radial frequency.
    """

    plane: np.ndarray
    rings: np.ndarray


Attack = Callable[[np.ndarray, Spectra], np.ndarray]


def average_spectra(pictures: Iterable[np.ndarray]) -> Spectra:
    """Average the log power spectra of pictures, which must be of one size."""
    total, count = 0.0, 0
    for pixels in pictures:
        total, count = total + _log_power(_transformed(pixels)), count + 1
    plane = total / count
    return Spectra(plane, _ring_means(plane, pixels.shape))


def coarse_chroma(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Rebuild chroma from a copy reduced by `factor`; luma stays."""
    planes = list(Image.fromarray(pixels).convert("YCbCr").split())
    for number in (1, 2):
        small = scaled(planes[number], 1 / factor, Resampling.BOX)
        planes[number] = small.resize(planes[0].size, Resampling.BICUBIC)
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB"))


def chroma_by_luma(pixels: np.ndarray) -> np.ndarray:
    """Rebuild the fine structure of chroma from that of luma."""
    return _read(with_new_chroma(Image.fromarray(pixels)))


def with_rings(pixels: np.ndarray, aim: Spectra, *, together: bool = False) -> np.ndarray:
    """Bring the power of each ring of radial frequency to an average, keeping phases.

    Each channel separately, or all `together` by the same factors.
    """
    spectrum = _transformed(pixels)
    change = (aim.rings - _ring_means(_log_power(spectrum), pixels.shape)) / 2
    if together:
        change = np.repeat(change.mean(axis=1, keepdims=True), 3, axis=1)
    radius = _radius(pixels.shape[:2])
    centres = (np.arange(len(change)) + 0.5) / (2 * _N_RINGS)
    gain = np.stack([np.interp(radius, centres, channel) for channel in change.T], axis=-1)
    return _back(spectrum * np.exp(np.where(radius[..., np.newaxis] < _KEPT, 0, gain)), pixels)


def with_plane(pixels: np.ndarray, aim: Spectra) -> np.ndarray:
    """Replace the amplitude of every frequency by an average, keeping phases."""
    spectrum = _transformed(pixels)
    change = np.exp((aim.plane - _log_power(spectrum)) / 2)
    slow = _radius(pixels.shape[:2])[..., np.newaxis] < _KEPT
    return _back(spectrum * np.where(slow, 1, change), pixels)


def posted(pixels: np.ndarray) -> np.ndarray:
    """Compress as the web does, and decode."""
    return _read(jpeg(Image.fromarray(pixels), 75, "4:2:0"))


def edited(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply one of four barely visible edits, of random strength."""
    image = Image.fromarray(pixels)
    match rng.integers(4):
        case 0:
            return _read(jpeg(image, int(rng.integers(75, 96)), rng.choice(list(SUBSAMPLINGS))))
        case 1:
            size = [round(side * rng.uniform(0.98, 1.02)) for side in image.size]
            return np.asarray(image.resize(size, Resampling.BICUBIC))
        case 2:
            return np.asarray(blurred(image, rng.uniform(0.3, 0.6)))
        case _:
            return np.asarray(noisy(image, rng.uniform(0.5, 1.5)))


LAUNDERING: dict[str, Attack] = {
    "none": lambda pixels, aim: pixels,
    "JPEG Q75 4:2:0, for comparison": lambda pixels, aim: posted(pixels),
    "chroma of every 2nd pixel": lambda pixels, aim: coarse_chroma(pixels, 2),
    "chroma of every 4th pixel": lambda pixels, aim: coarse_chroma(pixels, 4),
    "chroma guided by luma": lambda pixels, aim: chroma_by_luma(pixels),
    "spectrum by rings": with_rings,
    "spectrum by rings, same in all channels": lambda p, aim: with_rings(p, aim, together=True),
    "spectrum in the plane": with_plane,
    "chroma 2nd + spectrum by rings": lambda p, aim: with_rings(coarse_chroma(p, 2), aim),
}
FRAMING: dict[str, Attack] = {  # of real pictures, aimed at the spectra of generated ones
    "none": lambda pixels, aim: pixels,
    "chroma guided by luma": lambda pixels, aim: chroma_by_luma(pixels),
    "spectrum by rings": with_rings,
    "spectrum in the plane": with_plane,
}


def signal_to_noise(before: np.ndarray, after: np.ndarray) -> float:
    """Peak signal-to-noise ratio, in dB; infinite for equal pictures."""
    squared = np.mean(np.square(before.astype(float) - after))
    return float(10 * np.log10(_PEAK**2 / squared)) if squared else np.inf


def similarity(before: np.ndarray, after: np.ndarray) -> float:
    """Structural similarity of luma, 1 for equal pictures (Wang et al. 2004)."""
    x, y = (np.asarray(Image.fromarray(p).convert("L"), np.float32) for p in (before, after))

    def window(plane: np.ndarray) -> np.ndarray:
        return gaussian_filter(plane, 1.5, truncate=3.5)

    mean_x, mean_y = window(x), window(y)
    covariance = window(x * y) - mean_x * mean_y
    variances = window(x * x) - mean_x**2 + window(y * y) - mean_y**2
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    alike = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(np.mean(alike / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))))


def _read(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _transformed(pixels: np.ndarray) -> np.ndarray:
    return scipy.fft.rfft2(pixels.astype(np.float32), axes=(0, 1))


def _back(spectrum: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    changed = scipy.fft.irfft2(spectrum, s=pixels.shape[:2], axes=(0, 1))
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _log_power(spectrum: np.ndarray) -> np.ndarray:
    return np.log(np.square(np.abs(spectrum)) + 1)


def _radius(shape: tuple[int, ...]) -> np.ndarray:
    return np.hypot(np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.rfftfreq(shape[1]))


def _ring_means(plane: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    ring = (_radius(shape) * 2 * _N_RINGS).astype(int).ravel()
    count = np.maximum(np.bincount(ring), 1)
    sums = [np.bincount(ring, channel.ravel()) for channel in np.moveaxis(plane, -1, 0)]
    return np.stack(sums, axis=-1) / count[:, np.newaxis]
