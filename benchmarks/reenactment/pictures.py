"""Reenacted pictures as files, each with a visible mark and a text chunk."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from .errors import ReenactmentError
from .faces import Pixels

STRIP = 16  # rows of the mark, below the face
_MARK = "SYNTHETIC FACE"
_KEY, _TEXT = "Synthetic", "Made by a neural network; it shows nothing that happened."


def save_marked(path: Path, face: Pixels) -> None:
    """Write a face (height, width, 3) as PNG, marked as synthetic."""
    height, width = face.shape[:2]
    image = Image.new("RGB", (width, height + STRIP), "white")
    image.paste(Image.fromarray(face))
    ImageDraw.Draw(image).text((3, height + 2), _MARK, fill="black", font_size=11)
    about = PngInfo()
    about.add_text(_KEY, _TEXT)
    image.save(path, pnginfo=about)


def read_marked(path: Path) -> Pixels:
    """Read the face of a picture that :func:`save_marked` wrote, without the strip."""
    with Image.open(path) as image:
        if image.info.get(_KEY) != _TEXT:
            raise ReenactmentError(f"{path} was not written by `reenact generate`")
        return np.asarray(image.convert("RGB"))[:-STRIP]
