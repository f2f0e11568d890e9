"""Features of a face from the trained network that comes with the package, the student.

The network is that of :class:`freqfake.deep.Student`, where it was trained; here onnxruntime runs
it. Its file holds the weights; the graph, without weights, has a file of its own.
"""

import functools
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from .._onnxruntime import open_session
from .._optional import extra
from ..pictures.arrays import to_pil
from ..pictures.reading import ImageLike, read_any

SIZE = 224  # rows and columns of the network's input
CLIP = 6.0  # grey levels; larger residuals are edges, not traces
N_FEATURES = 80

_FILES = resources.files("freqfake.features") / "student_files"
_SIDE = 5  # rows and columns of a fixed filter
_EPSILON = 1e-5  # added to the variances, as torch does
_Array = npt.NDArray[np.float32]


def student_features(image: ImageLike) -> npt.NDArray[np.float64]:
    """Compute the features of a face by the trained network.

    Parameters
    ----------
    image : array, PIL image or path
        A face with a margin of 0.3, as :func:`freqfake.crops.faces.crop_face` cuts it. It is
        resized to 224 x 224 pixels, with antialiasing.

    Returns
    -------
    ndarray of shape (80,), float64
        What the network's last layer sees, at least 0; without a unit.

    Raises
    ------
    MissingExtraError
        onnxruntime is not installed.
    ImageReadError, ImageValueError
        The picture cannot be read, or the array is not a picture.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.features.student import student_features
    >>> student_features(np.zeros((64, 64, 3), np.uint8)).shape  # doctest: +SKIP
    (80,)
    """
    from PIL import Image

    picture = to_pil(read_any(image)[0]).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.float32).transpose(2, 0, 1)[np.newaxis]
    (features,) = _session().run(None, {"pixels": np.ascontiguousarray(pixels)})
    return np.asarray(features[0], np.float64)


def fixed_filters() -> tuple[_Array, _Array]:
    """Make the filters that the network begins with, for pixels of 0 to 255; they are not learnt.

    Returns
    -------
    filters : ndarray of shape (27, 3, 5, 5), float32
        For each channel, eight residuals: differences of first, second and third order along rows
        and columns, and the two square filters of Fridrich & Kodovsky (2012, Section II.A). Then
        the channels themselves, scaled so that they are not clipped at `CLIP`.
    offset : ndarray of shape (27,), float32
        Added to what the filters give.
    """
    residuals = np.zeros((8, _SIDE, _SIDE), np.float32)
    lines = [(-1, 1), (0.5, -1, 0.5), (0.25, -0.75, 0.75, -0.25)]  # exact in 16 bits
    for number, line in enumerate(lines):
        start = 2 - (len(line) - 1) // 2
        residuals[2 * number, 2, start : start + len(line)] = line
        residuals[2 * number + 1, start : start + len(line), 2] = line
    residuals[6, 1:4, 1:4] = [[-0.25, 0.5, -0.25], [0.5, -1, 0.5], [-0.25, 0.5, -0.25]]
    half = np.array([[-1, 2, -2], [2, -6, 8], [-2, 8, -12]]) / 16
    residuals[7] = np.pad(half, (0, 2), "reflect")
    filters = np.zeros((27, 3, _SIDE, _SIDE), np.float32)
    for channel in range(3):
        filters[8 * channel : 8 * channel + 8, channel] = residuals
        filters[24 + channel, channel, 2, 2] = 2 * CLIP / 256
    return filters, np.repeat([0, -CLIP], [24, 3]).astype(np.float32)


def folded(weights: dict[str, npt.NDArray[Any]]) -> dict[str, _Array]:
    """Join each convolution with the normalisation after it.

    Parameters
    ----------
    weights : dict
        Arrays of the network by their names in :class:`freqfake.deep.Student`.

    Returns
    -------
    dict
        ``fixed.weight``, ``fixed.bias`` and, for each convolution, ``NAME.weight`` and
        ``NAME.bias``.
    """
    filters, offset = fixed_filters()
    joined = {"fixed.weight": filters, "fixed.bias": offset}
    for name, kernel in weights.items():
        if kernel.ndim != 4:
            continue
        place, number, _ = name.rsplit(".", 2)
        norm = f"{place}.{int(number) + 1}"
        gamma, beta, mean, variance = (
            weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + _EPSILON)
        key = f"{place}.{number}"
        joined[f"{key}.weight"] = (kernel * scale[:, None, None, None]).astype(np.float32)
        joined[f"{key}.bias"] = (beta - mean * scale).astype(np.float32)
    return joined


@functools.cache
def _session() -> Any:
    """Load the network once per process."""
    with resources.as_file(_FILES) as folder, extra("faces", "onnxruntime"):
        weights = safetensors.numpy.load_file(Path(folder, "student.safetensors"))
        return open_session(Path(folder, "student.onnx"), folded(weights))
