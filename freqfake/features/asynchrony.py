"""The six asynchrony features: how much the colour channels' spectra differ."""

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from ..pictures.reading import ImageLike, load_pixels
from .spectrum import PAIRS, Spectrum, channel_spectra

FEATURE_NAMES = ("mean", "max", "min", "icorr_rg", "icorr_rb", "icorr_gb")
CONSTANT = 1e-8  # a log spectrum with a smaller standard deviation is flat up to rounding
_BLOCK = 1 << 14  # bins of a channel processed at a time


def asynchrony_features(
    image: ImageLike, *, spectrum: Spectrum = "log", dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[np.float64]:
    r"""Compute the six asynchrony features of a picture.

    With :math:`S_c` the spectrum of channel :math:`c` over the full plane of
    :math:`H \times W` bins, and for the pairs (R, G), (R, B), (G, B)

    .. math:: d_{ab} = \frac{1}{HW} \sum_{u,v} |S_a(u, v) - S_b(u, v)|

    the features are :math:`(d_{RG} + d_{RB} + d_{GB}) / 3`, the largest and the smallest of the
    three (Eq. 5 and 6 of [1]_), and for each pair one minus the Pearson correlation of
    :math:`S_a` and :math:`S_b`. All are 0 for equal channels (a grey picture) and generally
    larger for generated faces.

    Parameters
    ----------
    image : array, PIL image or path
        See :doc:`/inputs` for arrays and :func:`freqfake.read_image` for files.
    spectrum : {"log", "modulus"}
        See :func:`freqfake.channel_spectra`. The published results were computed with
        ``"log"``. ``"modulus"``, as printed in Eq. 5, does not separate real from fake on the
        paper's own sample faces.
    dtype : {np.float32, np.float64}
        Working precision. The results differ by less than 1e-5.

    Returns
    -------
    ndarray of shape (6,), float64
        In the order of :data:`FEATURE_NAMES`. With the log spectrum the first three lie in
        [0, 1]. The last three lie in [0, 2].

    Raises
    ------
    ImageReadError, ImageValueError
        The picture cannot be read, or the array is not a picture.

    Notes
    -----
    The correlation with a constant spectrum (a black channel, a picture of one pixel) is set to
    0, that of two equal constant spectra to 1. Rotating or mirroring the picture changes nothing,
    so the EXIF orientation is ignored.

    References
    ----------
    .. [1] B. M. Le and S. S. Woo, "Exploring the Asynchronous of the Frequency Spectra of
       GAN-generated Facial Images", IJCAI 2021 workshop, arXiv:2112.08050.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake import asynchrony_features
    >>> grey = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    >>> asynchrony_features(grey)
    array([0., 0., 0., 0., 0., 0.])
    """
    pixels = load_pixels(image)
    spectra = channel_spectra(pixels, spectrum=spectrum, dtype=dtype)
    # A few bins dominate the modulus: sums in single precision would lose the others.
    precision = np.dtype(np.float64) if spectrum == "modulus" else spectra.dtype
    distances, covariances = _distances_and_covariances(spectra, pixels.shape[1], precision)
    correlations = _correlations(covariances, spectra)
    return np.array(
        [
            np.mean(distances),
            max(distances),
            min(distances),
            *(1 - correlations[a, b] for a, b in PAIRS),
        ]
    )


def _distances_and_covariances(
    spectra: npt.NDArray[Any], n_cols: int, precision: np.dtype[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compute the pairs' mean differences and the covariances of full planes from half planes.

    The planes are processed in blocks, so that all three channels fit the processor's cache. Sums
    within a block are in `precision`, sums over blocks in double.
    """
    n = spectra.shape[1] * n_cols
    edges = [0, n_cols // 2] if n_cols % 2 == 0 else [0]  # columns that occur once, not twice
    parts = [(-1, np.ascontiguousarray(spectra[:, :, edges], np.float64))]
    step = max(1, _BLOCK // spectra.shape[2])
    parts += [(2, spectra[:, row : row + step]) for row in range(0, spectra.shape[1], step)]
    sums = sum(
        count * part.sum(axis=(1, 2), dtype=precision).astype(float) for count, part in parts
    )
    means = (sums / n)[:, np.newaxis].astype(precision)
    distances, products = np.zeros(3), np.zeros((3, 3))
    for count, part in parts:
        rows = part.reshape(3, -1) - means
        for pair, (a, b) in enumerate(PAIRS):
            distances[pair] += count * np.abs(part[a] - part[b]).sum(dtype=precision)
        for a, b in combinations_with_replacement(range(3), 2):
            # Not np.vdot: its sums depend on the number of threads.
            products[a, b] += count * np.multiply(rows[a], rows[b]).sum(dtype=precision)
    return distances / n, (products + np.triu(products, 1).T) / n


def _correlations(
    covariances: npt.NDArray[np.float64], spectra: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Compute Pearson correlations: 0 with a constant plane, 1 between equal planes."""
    deviations = np.sqrt(np.maximum(np.diag(covariances), 0))
    rounding = 8 * np.finfo(spectra.dtype).eps * spectra.max(axis=(1, 2))
    deviations[deviations <= np.maximum(rounding, CONSTANT)] = 0
    scale = np.outer(deviations, deviations)
    correlations = np.divide(covariances, scale, out=np.zeros((3, 3)), where=scale > 0)
    for a, b in PAIRS:
        if np.array_equal(spectra[a], spectra[b]):
            correlations[a, b] = 1.0
    return np.asarray(np.clip(correlations, -1, 1))
