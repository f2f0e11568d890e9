"""Pictures as tensors, their split for training, and random changes."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch.nn import functional

from ..batch.parallel import Inputs, expand, map_pictures, warn_left_out
from ..exceptions import FreqFakeError, TrainingError
from ..pictures.arrays import to_pil
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import ImageLike, read_any

Augmentation = Callable[[torch.Tensor, torch.Generator], torch.Tensor]

_MIN_PICTURES = 2  # of each class, for training and for validation

# Afchar et al. 2018 name the kinds of change but no amounts, only "slight".
_ZOOM, _TURN, _BRIGHTNESS, _HUE = 0.2, 15.0, 0.2, 18.0  # share, degrees, share, degrees
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def as_tensor(image: ImageLike, size: int, *, max_pixels: int = MAX_PIXELS) -> torch.Tensor:
    """Read a picture as a network takes it.

    Parameters
    ----------
    image : array, PIL image or path
    size : int
        Rows and columns to resize to, with antialiasing; the aspect ratio is not kept.
    max_pixels : int
        See :func:`freqfake.read_image`.

    Returns
    -------
    uint8 tensor of shape (3, size, size)
    """
    from PIL import Image

    picture = to_pil(read_any(image, max_pixels=max_pixels)[0])
    pixels = np.array(picture.resize((size, size), Image.Resampling.BILINEAR))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def mirrored(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each picture of a batch with probability one half."""
    chosen = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(chosen.to(x.device).view(-1, 1, 1, 1), x.flip(3), x)


def partly_covered(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror and crop each picture of a batch, and cover half of them in part.

    The crop, of six sevenths of a side, lies at the same random place in the whole batch. The
    covered rectangle has half a side at most, so that a network cannot rely on one part of a face.
    """
    n, _, height, width = x.shape
    rows, columns = height * 6 // 7, width * 6 // 7
    top = int(torch.randint(height - rows + 1, (), generator=generator))
    left = int(torch.randint(width - columns + 1, (), generator=generator))
    x = mirrored(x, generator)[:, :, top : top + rows, left : left + columns]
    corners = torch.rand(n, 4, generator=generator)
    for picture in torch.nonzero(torch.rand(n, generator=generator) < 0.5)[:, 0].tolist():
        y0, x0, covered_rows, covered_columns = corners[picture].tolist()
        last_row, last_column = y0 * rows + covered_rows * rows / 2, x0 * columns + 1
        last_column += covered_columns * columns / 2
        x[picture, :, int(y0 * rows) : int(last_row) + 1, int(x0 * columns) : int(last_column)] = (
            0.5
        )
    return x


def slightly_changed(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror, zoom, rotate, brighten or darken each picture of a batch, and shift its hue.

    The kinds are those of Afchar et al. (2018, Section 3.1), the amounts ours: up to 20 % of zoom
    and brightness, 15 degrees of rotation, 18 of hue.
    """

    def uniform(limit: float) -> torch.Tensor:
        drawn = torch.rand(len(x), generator=generator) * 2 - 1
        return (drawn * limit).to(x.device)

    x = _turned(mirrored(x, generator), 1 + uniform(_ZOOM), uniform(_TURN))
    hue = _hue_matrices(torch.deg2rad(uniform(_HUE)))
    x = torch.einsum("nij,njhw->nihw", hue, x)
    return (x * (1 + uniform(_BRIGHTNESS)).view(-1, 1, 1, 1)).clamp(0, 1)


def _turned(x: torch.Tensor, zoom: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Rotate and zoom about the centre; the borders are filled by reflection."""
    angle = torch.deg2rad(degrees)
    cosine, sine, zero = torch.cos(angle) / zoom, torch.sin(angle) / zoom, torch.zeros_like(angle)
    theta = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _hue_matrices(angle: torch.Tensor) -> torch.Tensor:
    """Matrices on R, G, B that rotate the chroma plane of YIQ and keep brightness."""
    turn = torch.zeros(len(angle), 3, 3, device=angle.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = torch.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -torch.sin(angle), torch.sin(angle)
    yiq = _YIQ.to(angle.device)
    matrices: torch.Tensor = torch.linalg.inv(yiq) @ turn @ yiq
    return matrices


class PictureSet(torch.utils.data.Dataset[Any]):
    """Labelled pictures, read on access.

    Parameters
    ----------
    sides : pair of lists of paths, arrays or PIL images
        Real and generated pictures.
    size : int
        See :func:`as_tensor`.

    Attributes
    ----------
    images : list
        Real pictures first.
    labels : float tensor of shape (n_pictures,)
        1 for fake.
    targets : float tensor of shape (n_pictures,)
        Probabilities to learn; the labels, unless they are replaced.
    """

    def __init__(self, sides: Sequence[list[ImageLike]], size: int) -> None:
        real, fake = sides
        self.images = [*real, *fake]
        self.labels = torch.cat([torch.zeros(len(real)), torch.ones(len(fake))])
        self.targets = self.labels
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        return as_tensor(self.images[position], self.size), self.targets[position]


def split_pictures(
    real: Inputs,
    fake: Inputs,
    validation: float | tuple[Inputs, Inputs],
    size: int,
    seed: int,
) -> tuple[PictureSet, PictureSet]:
    """Split the readable pictures into those to train on and those to validate with."""
    pictures = [_readable(side, size) for side in (real, fake)]
    if isinstance(validation, tuple):
        held_out = [_readable(side, size) for side in validation]
    else:
        if not 0 < validation < 1:
            raise ValueError(f"`validation` must lie between 0 and 1; got {validation}")
        _expect_enough(pictures, "")
        parts = [
            train_test_split(side, test_size=validation, random_state=seed) for side in pictures
        ]
        pictures, held_out = [train for train, _ in parts], [held for _, held in parts]
    _expect_enough(pictures, " for training")
    _expect_enough(held_out, " for validation")
    return PictureSet(pictures, size), PictureSet(held_out, size)


def _expect_enough(pictures: list[list[ImageLike]], purpose: str) -> None:
    for side, name in zip(pictures, ("real", "generated"), strict=True):
        if len(side) < _MIN_PICTURES:
            raise TrainingError(
                f"at least {_MIN_PICTURES} readable {name} pictures{purpose} are needed; got "
                f"{len(side)}"
            )


def _readable(inputs: Inputs, size: int) -> list[ImageLike]:
    """Keep the readable pictures; warn of the others before hours of training."""
    items = list(expand(inputs))
    job = functools.partial(_why_unreadable, size)
    errors = map_pictures(job, [image for _, image in items])
    good = []
    for (name, image), error in zip(items, errors, strict=True):
        if error:
            warn_left_out(name, error, stacklevel=5)
        else:
            good.append(image)
    return good


def _why_unreadable(size: int, path: str, image: Any, facts: Any) -> str:
    """Read a picture; return the error message, empty if there is none."""
    try:
        if isinstance(image, FreqFakeError):
            raise image
        as_tensor(image, size)
    except FreqFakeError as error:
        return str(error)
    return ""
