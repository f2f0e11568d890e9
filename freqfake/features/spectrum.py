"""Fourier spectra of the three colour channels of a picture.

The spectrum of real values is symmetric about the origin, so half a plane is enough. The functions
here keep the columns 0 to n_cols // 2 and count the inner ones twice (:func:`column_weights`),
which gives the values of the full plane at half the cost.
"""

from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import scipy.fft

from ..pictures.arrays import channel_planes
from ..pictures.reading import ImageLike, load_pixels
from .percentiles import full_plane_percentiles

Spectrum = Literal["log", "modulus"]

PAIRS = tuple(combinations(range(3), 2))  # (R, G), (R, B), (G, B)

LOG_OFFSET = 1e-3  # added to the modulus before the logarithm, as in the published code
PERCENTILES = (1.0, 99.0)  # of the full plane, mapped to 0 and 1
MIN_RANGE = 1e-6  # log units; a plane with less contrast is flat up to rounding
_MIN_CONTRAST = 0.5  # log units between the percentiles; less needs double precision
_FEW = 64 * 64  # pixels; with fewer, the rounding of one weak bin affects the percentiles
_SAFETY = 300.0  # least ratio of the weakest bins to single-precision rounding


def channel_spectra(
    image: ImageLike, *, spectrum: Spectrum = "log", dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    r"""Compute the spectra of the colour channels of a picture, as half planes.

    With :math:`F_c` the discrete Fourier transform of channel :math:`c` in [0, 1] over the whole
    picture (Eq. 4 of Le & Woo 2021, see :doc:`/method`; not normalised):

    - ``"modulus"``: :math:`S_c = |F_c|`, as printed in Eq. 4 and 5.
    - ``"log"``: :math:`\log(|F_c| + 10^{-3})`, scaled so that the 1st and 99th percentiles of
      the channel's own full plane become 0 and 1, and clipped there. The published figures
      were computed with this plane.

    Parameters
    ----------
    image : array, PIL image or path
        Of any size, odd or even. See :doc:`/inputs` for arrays and :func:`freqfake.read_image`
        for files.
    spectrum : {"log", "modulus"}
        The plane to return.
    dtype : {np.float32, np.float64}
        Working precision. Single precision is about twice as fast. Log spectra are computed in
        double all the same where the weakest bins come near single-precision rounding (smooth
        synthetic pictures) and for pictures smaller than 64 x 64.

    Returns
    -------
    ndarray of shape (3, n_rows, n_cols // 2 + 1)
        Red, green and blue; zero frequency at [0, 0], rows in the order of
        :func:`numpy.fft.fftfreq`. Use :func:`full_plane` to draw them.

    Raises
    ------
    ImageReadError, ImageValueError
        The picture cannot be read, or the array is not a picture.

    Notes
    -----
    A log plane whose 1st and 99th percentiles are less than 1e-6 apart (a constant channel, or
    one made of few waves) is 1 where it exceeds the 1st by more than that, and 0 elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.features.spectrum import channel_spectra
    >>> image = np.random.default_rng(0).random((32, 48, 3))
    >>> channel_spectra(image).shape
    (3, 32, 25)
    """
    if spectrum not in get_args(Spectrum):
        raise ValueError(f"`spectrum` must be 'log' or 'modulus'; got {spectrum!r}")
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"`dtype` must be float32 or float64; got {dtype}")
    pixels = load_pixels(image)
    if spectrum == "modulus":
        return _magnitudes(pixels, dtype)[0]
    if pixels.shape[0] * pixels.shape[1] < _FEW:
        dtype = np.dtype(np.float64)
    magnitudes, energy = _magnitudes(pixels, dtype)
    bounds = _bounds(magnitudes, pixels.shape[1])
    if dtype == np.float32 and _needs_double(bounds, energy):
        del magnitudes  # frees memory before the planes in double
        magnitudes, _ = _magnitudes(pixels, np.dtype(np.float64))
        bounds = _bounds(magnitudes, pixels.shape[1])
    return _normalised_logs(magnitudes, bounds)


def column_weights(n_cols: int) -> npt.NDArray[np.float64]:
    """Count how often each column of a half plane occurs in the full plane of `n_cols` columns.

    Examples
    --------
    >>> from freqfake.features.spectrum import column_weights
    >>> column_weights(6), column_weights(5)
    (array([1., 2., 2., 1.]), array([1., 2., 2.]))
    """
    weights = np.full(n_cols // 2 + 1, 2.0)
    weights[0] = 1.0
    if n_cols % 2 == 0:
        weights[-1] = 1.0
    return weights


def full_plane(half: npt.NDArray[Any], n_cols: int) -> npt.NDArray[Any]:
    """Unfold a half plane into the full one, zero frequency in the middle, for drawing.

    Parameters
    ----------
    half : ndarray of shape (..., n_rows, n_cols // 2 + 1)
        From :func:`channel_spectra`.
    n_cols : int
        Width of the picture, which the half plane does not determine.

    Returns
    -------
    ndarray of shape (..., n_rows, n_cols)
    """
    if half.shape[-1] != n_cols // 2 + 1:
        raise ValueError(
            f"`n_cols` must fit the half plane of {half.shape[-1]} columns; got {n_cols}"
        )
    n_rows = half.shape[-2]
    mirrored_rows = -np.arange(n_rows) % n_rows
    inner = half[..., mirrored_rows, 1 : (n_cols + 1) // 2][..., ::-1]
    return np.asarray(scipy.fft.fftshift(np.concatenate([half, inner], axis=-1), axes=(-2, -1)))


def _magnitudes(pixels: npt.NDArray[Any], dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], float]:
    """Compute the moduli of the channels' transforms and the mean sum of squares of a channel."""
    magnitudes = np.empty((3, pixels.shape[0], pixels.shape[1] // 2 + 1), dtype)
    energy = 0.0
    for plane, magnitude in zip(channel_planes(pixels, dtype=dtype), magnitudes, strict=True):
        energy += float(np.vdot(plane, plane)) / 3
        np.abs(scipy.fft.rfft2(plane, overwrite_x=True), out=magnitude)
    return magnitudes, energy


def _bounds(magnitudes: npt.NDArray[Any], n_cols: int) -> npt.NDArray[np.float64]:
    """Find both percentiles of the logarithm over each channel's full plane, shape (3, 2)."""
    neighbours = [full_plane_percentiles(plane, n_cols, PERCENTILES) for plane in magnitudes]
    low, high, fraction = np.moveaxis(np.array(neighbours), -1, 0)
    low, high = np.log(low + LOG_OFFSET), np.log(high + LOG_OFFSET)
    return np.asarray(low + (high - low) * fraction)


def _needs_double(bounds: npt.NDArray[np.float64], energy: float) -> bool:
    """Check whether single-precision rounding would affect the normalised log spectrum.

    It does where the weakest 1 % of the bins come near the rounding of the transform, or where
    a plane has so little contrast that scaling it to [0, 1] enlarges the rounding.
    """
    rounding = np.finfo(np.float32).eps * np.sqrt(energy)
    low, high = bounds.T
    return bool((np.exp(low) < _SAFETY * rounding).any() or (high - low < _MIN_CONTRAST).any())


def _normalised_logs(
    magnitudes: npt.NDArray[Any], bounds: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    """Take logarithms in place, scaled so that the percentiles become 0 and 1."""
    for plane, (low, high) in zip(magnitudes, bounds, strict=True):
        plane += plane.dtype.type(LOG_OFFSET)
        np.log(plane, out=plane)
        if high - low < MIN_RANGE:  # scaling would enlarge the rounding
            np.greater(plane, low + MIN_RANGE, out=plane)
            continue
        plane -= plane.dtype.type(low)
        plane *= plane.dtype.type(1 / (high - low))
        np.clip(plane, 0, 1, out=plane)
    return magnitudes
