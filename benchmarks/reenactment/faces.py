"""Faces in one position: 68 landmarks, and a similarity transform to a template.

The 68 landmarks are found by dlib with the predictor of the package face_recognition_models. Its
training pictures (iBUG 300-W) exclude commercial use.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIZE = 256  # pixels of the template
PADDING = 0.125  # of the template's width, on every side

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)  # as the person sees it
_NOSE_TIP, _MOUTH_CORNERS = 30, (48, 54)
# Eyes, tip of the nose and corners of the mouth in a picture of 112 x 112, as for ArcFace
_TEMPLATE = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]]
)
_TEMPLATE_SIZE = 112
_N_FITTED = {"five points": 5, "interocular": 2}


def _model(name: str) -> str:
    """Path of a file of the package face_recognition_models."""
    models = importlib.util.find_spec("face_recognition_models")
    if models is None or not models.origin:
        raise ModuleNotFoundError(name="face_recognition_models")
    return str(Path(models.origin).parent / "models" / name)


@functools.cache
def _finders() -> tuple[Any, Any]:
    file = _model("shape_predictor_68_face_landmarks.dat")
    import dlib

    return dlib.get_frontal_face_detector(), dlib.shape_predictor(file)


@functools.cache
def recogniser() -> Any:
    """Load dlib's face recogniser, which embeds faces in 128 numbers."""
    file = _model("dlib_face_recognition_resnet_model_v1.dat")
    import dlib

    return dlib.face_recognition_model_v1(file)


def find_landmarks(pixels: Pixels) -> Points | None:
    """Find the 68 landmarks (x, y) of the largest face, in the order of iBUG 300-W."""
    detector, predictor = _finders()
    pixels = np.ascontiguousarray(pixels)
    boxes = detector(pixels, 0) or detector(pixels, 1)  # 1: the picture twice as large
    if not boxes:
        return None
    shape = predictor(pixels, max(boxes, key=lambda box: box.area()))
    return np.array([[point.x, point.y] for point in shape.parts()], float)


def five_points(landmarks: Points) -> Points:
    """Centres of the eyes, tip of the nose and corners of the mouth, shape (5, 2)."""
    eyes = [landmarks[eye].mean(axis=0) for eye in (_RIGHT_EYE, _LEFT_EYE)]
    return np.array([*eyes, landmarks[_NOSE_TIP], *landmarks[list(_MOUTH_CORNERS)]])


def similarity(points: Points, onto: Points) -> Points:
    """Fit rotation, scale and shift in the least squares, without reflection.

    In the complex plane it is z -> a z + b. The matrix (2, 3) turns (x, y, 1) of `points` into
    `onto`.
    """
    z, w = (both[:, 0] + 1j * both[:, 1] for both in (points, onto))
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def normalised(
    pixels: Pixels, landmarks: Points, *, size: int = SIZE, by: str = "five points"
) -> tuple[Pixels, Points]:
    """Turn a face, and its landmarks, to the template.

    It is fitted by "five points", or by the eyes alone ("interocular"). The face is black where the
    picture ends.
    """
    n = _N_FITTED[by]
    template = (_TEMPLATE / _TEMPLATE_SIZE + PADDING) / (1 + 2 * PADDING) * size
    matrix = similarity(five_points(landmarks)[:n], template[:n])
    image = Image.fromarray(pixels)
    scale = np.hypot(*matrix[:, 0])
    step = max(1, int(1 / scale))  # reduced before, against aliasing
    backward = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2] / step
    face = image.reduce(step).transform(
        (size, size), Image.Transform.AFFINE, backward.ravel(), Image.Resampling.BICUBIC
    )
    moved = landmarks @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(face), moved
