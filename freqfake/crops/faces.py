"""Find the faces in a picture and cut them out at their own resolution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..pictures.arrays import check_shape, to_pil
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import ImageLike, read_any
from .mtcnn import WINDOW, detect

MARGIN = 0.3  # of the size of a face, added on each side
MIN_SIZE = 40  # pixels; with the margin 64, the least side for the rich features
BLOCK = 8  # pixels, the side of a JPEG block
_LOWER = 0.05  # of the side of a square


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture.

    Attributes
    ----------
    box : tuple of float
        Left, top, right and bottom edge, in pixels from the left and upper edge of the picture.
        It may extend beyond the picture.
    probability : float
        Probability that it is a face.
    landmarks : ndarray of shape (5, 2)
        x and y of the eyes, the nose, and the corners of the mouth; in each pair, the one further
        left in the picture comes first.
    """

    box: tuple[float, float, float, float]
    probability: float
    landmarks: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area of the box, in pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


def find_faces(
    image: ImageLike,
    *,
    min_size: float = MIN_SIZE,
    thresholds: Sequence[float] = (0.6, 0.7, 0.7),
    max_pixels: int = MAX_PIXELS,
) -> list[Face]:
    """Find the faces in a picture.

    Parameters
    ----------
    image : path, PIL image or array
        See :func:`freqfake.read_image` and :func:`freqfake.asynchrony_features`.
    min_size : float
        Side of the smallest square that is searched for a face, in pixels, at least 12. The face
        may fill only part of it. Half this size takes four times as long.
    thresholds : sequence of three floats
        Probability that each of the three nets requires of a candidate; in [0, 1].
    max_pixels : int
        Files with more pixels are refused, see :func:`freqfake.read_image`. The search needs about
        60 bytes a pixel.

    Returns
    -------
    list of Face
        The largest first; empty if no face is found.

    Raises
    ------
    MissingExtraError
        The extra ``faces`` is not installed.
    ImageReadError, ImageValueError
        The input cannot be read, or is not a picture.

    Notes
    -----
    Faces must be roughly upright in the stored pixels: this package never applies the EXIF
    orientation.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.crops.faces import find_faces
    >>> find_faces(np.zeros((64, 64, 3), np.uint8))
    []
    """
    if not (math.isfinite(min_size) and min_size >= WINDOW):
        raise ValueError(f"`min_size` must be a number of at least {WINDOW}; got {min_size}")
    if len(thresholds) != 3 or not all(0 <= threshold <= 1 for threshold in thresholds):
        raise ValueError(f"`thresholds` must be three numbers in [0, 1]; got {thresholds}")
    pixels, _ = read_any(image, max_pixels=max_pixels)
    boxes, probabilities, landmarks = detect(
        np.asarray(to_pil(check_shape(pixels))), min_size, thresholds
    )
    found = zip(boxes.tolist(), probabilities.tolist(), landmarks, strict=True)
    faces = [Face(tuple(box), probability, points) for box, probability, points in found]
    return sorted(faces, key=lambda face: -face.area)


def crop_face(image: ImageLike, face: Face, *, margin: float = MARGIN) -> npt.NDArray[np.uint8]:
    """Cut a face out of a picture, at its resolution in the picture.

    Parameters
    ----------
    image : path, PIL image or array
        Picture in which the face was found.
    face : Face
    margin : float
        Fraction of the width and height of the face to add on each side.

    Returns
    -------
    ndarray of shape (n_rows, n_cols, 3)
        The pixels that :func:`crop_box` gives. They are never resized: the features read the
        finest detail, which resizing destroys.
    """
    pixels = np.asarray(to_pil(check_shape(read_any(image)[0])))
    left, top, right, bottom = crop_box(face, pixels.shape[1], pixels.shape[0], margin=margin)
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def crop_box(
    face: Face, width: int, height: int, *, margin: float = MARGIN
) -> tuple[int, int, int, int]:
    """Give the left, top, right and bottom edge of the pixels that :func:`crop_face` cuts out.

    Parameters
    ----------
    face, margin
        See :func:`crop_face`.
    width, height : int
        Size of the picture, in pixels.
    """
    check_margin(margin)
    x, right = _widened(face.box[0], face.box[2], margin, width)
    y, bottom = _widened(face.box[1], face.box[3], margin, height)
    if x >= right or y >= bottom:
        raise ValueError(f"`face` must lie in the picture of {width} x {height}; got {face.box}")
    # Like JPEG, the rich features use blocks of 8 x 8 pixels, counted from the upper left corner.
    # A crop that began within a block would shift them.
    return x // BLOCK * BLOCK, y // BLOCK * BLOCK, right, bottom


def face_square(face: Face, width: int, height: int) -> tuple[int, int, int, int]:
    """Give the left, top, right and bottom edge of the square around a face that networks see.

    Its area is that of the box of the face, and it lies a little lower, as the crops of faces in
    the data sets of face swaps. At the edge of a picture it is moved inwards.

    Parameters
    ----------
    face : Face
    width, height : int
        Size of the picture, in pixels.
    """
    left, top, right, bottom = face.box
    side = min(math.sqrt(face.area), width, height)
    x = np.clip((left + right - side) / 2, 0, width - side)
    y = np.clip((top + bottom - side) / 2 + _LOWER * side, 0, height - side)
    first, size = (round(float(x)), round(float(y))), int(side)
    return (*first, first[0] + size, first[1] + size)


def check_margin(margin: float) -> None:
    """Refuse a margin that is negative or not finite."""
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"`margin` must be a finite number of at least 0; got {margin}")


def crop_boxes(image: ImageLike, *, margin: float = MARGIN) -> npt.NDArray[np.int64]:
    """Find the faces in a picture and give the :func:`crop_box` of each, the largest first.

    Returns
    -------
    ndarray of shape (n_faces, 4)
    """
    pixels = check_shape(read_any(image)[0])
    height, width = pixels.shape[:2]
    boxes = [crop_box(face, width, height, margin=margin) for face in find_faces(pixels)]
    return np.array(boxes, np.int64).reshape(-1, 4)


def _widened(low: float, high: float, margin: float, size: int) -> tuple[int, int]:
    """Give the whole pixels that a face with its margin covers in one direction."""
    more = margin * (high - low)
    return max(0, math.floor(low - more)), min(size, math.ceil(high + more))
