"""From a picture to the Fourier spectra of its three colour channels.

A real picture's spectrum is symmetric about the origin, so half a plane tells everything. The
functions here keep the columns 0 to n_cols // 2 of the plane and count the inner ones twice
(:func:`column_weights`), which gives the values of the full plane at half the cost.
"""

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import scipy.fft

from ._validation import check_image
from .io import ImageLike, load_pixels

Spectrum = Literal["log", "modulus"]

LOG_OFFSET = 1e-3  # added to the modulus before the logarithm, as in the published code
PERCENTILES = (1.0, 99.0)  # of the full plane, mapped to 0 and 1
_MIN_RANGE = 1e-6  # log units; a plane with less contrast is flat up to rounding
_MIN_CONTRAST = 0.5  # log units between the percentiles, for single precision to do
_SAFETY = 300.0  # how far above single-precision rounding the weakest bins must stand


def channel_spectra(
    image: ImageLike, *, spectrum: Spectrum = "log", dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    r"""Spectra of the colour channels of a picture, as a half plane.

    With :math:`F_c` the discrete Fourier transform of channel :math:`c` in [0, 1] over the whole
    picture (Eq. 4 of [1]_, not normalised):

    - ``"modulus"``: :math:`S_c = |F_c|`, as Eq. 4 and 5 print it.
    - ``"log"``: :math:`\log(|F_c| + 10^{-3})`, scaled so that the 1st and 99th percentile of
      the channel's own full plane come to 0 and 1, and clipped there. The published figures
      were computed with this one.

    Parameters
    ----------
    image : array, PIL image or path
        See :func:`freqfake._validation.check_image` for arrays and
        :func:`freqfake.io.read_image` for files. Any size, odd or even.
    spectrum : {"log", "modulus"}
        Which plane to return.
    dtype : {np.float32, np.float64}
        Working precision. Single precision is about twice as fast. Where the weakest bins come
        near its rounding (smooth synthetic pictures) the work is done in double all the same.

    Returns
    -------
    ndarray of shape (3, n_rows, n_cols // 2 + 1)
        Red, green and blue, zero frequency at [0, 0], rows in the order of
        :func:`numpy.fft.fftfreq`. Use :func:`full_plane` to draw it.

    Raises
    ------
    ImageReadError, ImageValueError
        The picture cannot be read, or the array is no picture.

    Notes
    -----
    A log plane whose 1st and 99th percentile are less than 1e-6 apart (a channel without any
    variation) is scaled by 1e-6 instead: 0 but for the zero frequency.

    References
    ----------
    .. [1] B. M. Le and S. S. Woo, "Exploring the Asynchronous of the Frequency Spectra of
       GAN-generated Facial Images", IJCAI 2021 workshop, arXiv:2112.08050.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.spectrum import channel_spectra
    >>> image = np.random.default_rng(0).random((32, 48, 3))
    >>> channel_spectra(image).shape
    (3, 32, 25)
    """
    if spectrum not in get_args(Spectrum):
        raise ValueError(f"`spectrum` must be 'log' or 'modulus'; got {spectrum!r}")
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"`dtype` must be float32 or float64; got {dtype}")
    raw = load_pixels(image)
    planes = check_image(raw, dtype=dtype)
    magnitude = _magnitude(planes)
    if spectrum == "modulus":
        return magnitude
    logs, bounds = _logs_and_bounds(magnitude, planes.shape[1])
    if dtype == np.float32 and _needs_double(bounds, planes):
        planes = check_image(raw, dtype=np.float64)
        logs, bounds = _logs_and_bounds(_magnitude(planes), planes.shape[1])
    return _normalised(logs, bounds)


def column_weights(n_cols: int) -> npt.NDArray[np.float64]:
    """How often each column of a half plane occurs in the full plane of `n_cols` columns.

    Examples
    --------
    >>> from freqfake.spectrum import column_weights
    >>> column_weights(6), column_weights(5)
    (array([1., 2., 2., 1.]), array([1., 2., 2.]))
    """
    weights = np.full(n_cols // 2 + 1, 2.0)
    weights[0] = 1.0
    if n_cols % 2 == 0:
        weights[-1] = 1.0
    return weights


def full_plane(half: npt.NDArray[Any], n_cols: int) -> npt.NDArray[Any]:
    """Unfold a half plane to the full one, zero frequency in the middle, ready to be drawn.

    Parameters
    ----------
    half : ndarray of shape (..., n_rows, n_cols // 2 + 1)
        From :func:`channel_spectra`.
    n_cols : int
        Width of the picture, which a half plane alone does not tell.

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


def _magnitude(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    channels = np.ascontiguousarray(np.moveaxis(planes, -1, 0))
    return np.asarray(np.abs(scipy.fft.rfft2(channels, axes=(1, 2))))


def _logs_and_bounds(
    magnitude: npt.NDArray[Any], n_cols: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Logarithms of the half planes, and the two percentiles of each full plane."""
    logs = np.log(magnitude + magnitude.dtype.type(LOG_OFFSET))
    inner = logs[:, :, 1 : (n_cols + 1) // 2]  # these occur twice in the full plane
    full = np.concatenate([logs, inner], axis=2).reshape(3, -1)
    return logs, np.percentile(full, PERCENTILES, axis=1).T


def _needs_double(bounds: npt.NDArray[Any], planes: npt.NDArray[Any]) -> bool:
    """Whether single-precision rounding would show in the normalised log spectrum.

    It does where the weakest 1 % of the bins come near the rounding of the transform, and where
    a plane has so little contrast that the scaling to [0, 1] enlarges the rounding.
    """
    rounding = np.finfo(np.float32).eps * np.sqrt(np.square(planes).sum(dtype=np.float64) / 3)
    low, high = bounds.T
    return bool((np.exp(low) < _SAFETY * rounding).any() or (high - low < _MIN_CONTRAST).any())


def _normalised(logs: npt.NDArray[Any], bounds: npt.NDArray[Any]) -> npt.NDArray[Any]:
    low, high = bounds.T[:, :, np.newaxis, np.newaxis].astype(logs.dtype)
    planes = (logs - low) / np.maximum(high - low, logs.dtype.type(_MIN_RANGE))
    return np.asarray(np.clip(planes, 0, 1, out=planes))
