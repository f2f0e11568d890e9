"""The six asynchrony features: how far the colour channels' spectra disagree."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from .io import ImageLike, load_pixels
from .spectrum import Spectrum, channel_spectra, column_weights

FEATURE_NAMES = ("mean", "max", "min", "icorr_rg", "icorr_rb", "icorr_gb")
_CONSTANT = 1e-8  # a log spectrum whose standard deviation is less is flat up to rounding
_PAIRS = tuple(combinations(range(3), 2))  # (R, G), (R, B), (G, B)


def asynchrony_features(
    image: ImageLike, *, spectrum: Spectrum = "log", dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[np.float64]:
    r"""Six asynchrony features of a picture.

    With :math:`S_c` the spectrum of channel :math:`c` over the full plane of
    :math:`H \times W` bins, and for the pairs (R, G), (R, B), (G, B)

    .. math:: d_{ab} = \frac{1}{HW} \sum_{u,v} |S_a(u, v) - S_b(u, v)|

    the features are :math:`(d_{RG} + d_{RB} + d_{GB}) / 3`, the largest and the smallest of the
    three (Eq. 5 and 6 of [1]_), and for each pair one minus the Pearson correlation of
    :math:`S_a` and :math:`S_b`. All are 0 where the channels agree; in general they are larger
    for generated faces.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake._validation.check_image` for arrays and
        :func:`freqfake.io.read_image` for files.
    spectrum : {"log", "modulus"}
        Which spectrum, see :func:`freqfake.spectrum.channel_spectra`. The published results
        belong to ``"log"``; on the paper's own sample faces ``"modulus"``, which its Eq. 5
        prints, does not tell real from fake.
    dtype : {np.float32, np.float64}
        Working precision; the two differ by less than 1e-5.

    Returns
    -------
    ndarray of shape (6,), float64
        In the order of :data:`FEATURE_NAMES`. With the log spectrum the first three lie in
        [0, 1]; the last three in [0, 2].

    Raises
    ------
    ImageReadError, ImageValueError
        The picture cannot be read, or the array is no picture.

    Notes
    -----
    A grey picture has three equal channels: all six are 0. The correlation with a spectrum that
    is the same everywhere (a black channel, a picture of one pixel) is taken as 0, with two
    such spectra that are equal as 1. Turning or mirroring the picture changes nothing, so the
    EXIF orientation is not looked at.

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
    weights = column_weights(pixels.shape[1])
    distances = [_mean_distance(spectra[a], spectra[b], weights) for a, b in _PAIRS]
    correlations = _correlations(spectra, weights)
    return np.array(
        [
            np.mean(distances),
            max(distances),
            min(distances),
            *(1 - correlations[a, b] for a, b in _PAIRS),
        ]
    )


def _mean_distance(
    a: npt.NDArray[Any], b: npt.NDArray[Any], weights: npt.NDArray[np.float64]
) -> float:
    per_column = np.abs(a - b).sum(axis=0, dtype=np.float64)
    return float(per_column @ weights / (a.shape[0] * weights.sum()))


def _correlations(
    spectra: npt.NDArray[Any], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Pearson correlations of the full planes, in double precision throughout."""
    n_rows = spectra.shape[1]
    means = spectra.sum(axis=1, dtype=np.float64) @ weights / (n_rows * weights.sum())
    centred = spectra.astype(np.float64)
    centred -= means[:, np.newaxis, np.newaxis]
    centred *= np.sqrt(weights)
    rows = centred.reshape(3, -1)
    gram = rows @ rows.T
    norms = np.sqrt(np.diag(gram))
    rounding = 8 * np.finfo(spectra.dtype).eps * spectra.max(axis=(1, 2))
    norms[norms <= np.maximum(rounding, _CONSTANT) * np.sqrt(n_rows * weights.sum())] = (
        0  # the same everywhere
    )
    scale = np.outer(norms, norms)
    correlations = np.divide(gram, scale, out=np.zeros((3, 3)), where=scale > 0)
    for a, b in _PAIRS:
        if np.array_equal(spectra[a], spectra[b]):
            correlations[a, b] = 1.0
    return np.asarray(np.clip(correlations, -1, 1))
