"""Pictures as tensors, and the random changes that training makes to them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..io import MAX_PIXELS, ImageLike, read_any, to_pil

Augmentation = Callable[[torch.Tensor, torch.Generator], torch.Tensor]

# Afchar et al. 2018 name the kinds of change and no amounts: "slight".
_ZOOM, _TURN, _BRIGHTNESS, _HUE = 0.2, 15.0, 0.2, 18.0  # share, degrees, share, degrees
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def as_tensor(image: ImageLike, size: int, *, max_pixels: int = MAX_PIXELS) -> torch.Tensor:
    """Read a picture as a network sees it.

    Parameters
    ----------
    image : array, PIL image or path
    size : int
        Rows and columns to resize to, with antialiasing; a picture that is not square is squeezed.
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


def slightly_changed(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror, zoom, turn, brighten or darken each picture of a batch, and change its hue.

    The kinds are those of Afchar et al. (2018, Section 3.1), the amounts ours: 20 % of zoom and
    brightness, 15 degrees of turning, 18 of hue.
    """

    def uniform(limit: float) -> torch.Tensor:
        drawn = torch.rand(len(x), generator=generator) * 2 - 1
        return (drawn * limit).to(x.device)

    x = _turned(mirrored(x, generator), 1 + uniform(_ZOOM), uniform(_TURN))
    hue = _hue_matrices(torch.deg2rad(uniform(_HUE)))
    x = torch.einsum("nij,njhw->nihw", hue, x)
    return (x * (1 + uniform(_BRIGHTNESS)).view(-1, 1, 1, 1)).clamp(0, 1)


def _turned(x: torch.Tensor, zoom: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Turn and zoom about the middle; what comes in at the borders is a mirror image."""
    angle = torch.deg2rad(degrees)
    cosine, sine, zero = torch.cos(angle) / zoom, torch.sin(angle) / zoom, torch.zeros_like(angle)
    theta = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _hue_matrices(angle: torch.Tensor) -> torch.Tensor:
    """Matrices on R, G, B that turn the chroma plane of YIQ and leave brightness alone."""
    turn = torch.zeros(len(angle), 3, 3, device=angle.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = torch.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -torch.sin(angle), torch.sin(angle)
    yiq = _YIQ.to(angle.device)
    matrices: torch.Tensor = torch.linalg.inv(yiq) @ turn @ yiq
    return matrices


class PictureSet(torch.utils.data.Dataset[Any]):
    """Labelled pictures, read when they are asked for.

    Parameters
    ----------
    sides : pair of lists of paths, arrays or PIL images
        Real pictures and generated ones.
    size : int
        See :func:`as_tensor`.

    Attributes
    ----------
    images : list
        Real ones first.
    labels : float tensor of shape (n_pictures,)
        1 for fake.
    """

    def __init__(self, sides: Sequence[list[ImageLike]], size: int) -> None:
        real, fake = sides
        self.images = [*real, *fake]
        self.labels = torch.cat([torch.zeros(len(real)), torch.ones(len(fake))])
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        return as_tensor(self.images[position], self.size), self.labels[position]
