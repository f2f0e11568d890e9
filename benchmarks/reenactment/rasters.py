"""Landmarks as a drawing of one channel."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import CubicSpline

from .faces import SIZE, Pixels, Points

_LINES = (  # first and last landmark, and whether the line is closed
    (0, 16, False),  # jaw
    (17, 21, False), (22, 26, False),  # brows
    (27, 30, False), (31, 35, False),  # nose
    (36, 41, True), (42, 47, True),  # eyes
    (48, 59, True), (60, 67, True),  # lips
)  # fmt: skip
_STEPS = 8  # straight pieces between two landmarks


def raster(landmarks: Points, size: int = SIZE) -> Pixels:
    """Draw 68 landmarks of a face of 256 x 256, joined by cubic splines, in a picture of `size`.

    The lines have the value 255.
    """
    image = Image.new("L", (size, size))
    draw = ImageDraw.Draw(image)
    for first, last, closed in _LINES:
        points = landmarks[first : last + 1] * size / SIZE
        if closed:
            points = np.vstack([points, points[:1]])
        spline = CubicSpline(
            np.arange(len(points)), points, bc_type="periodic" if closed else "natural"
        )
        line = spline(np.linspace(0, len(points) - 1, (len(points) - 1) * _STEPS + 1))
        draw.line([tuple(point) for point in line], fill=255, width=max(1, size // 128))
    return np.asarray(image)
