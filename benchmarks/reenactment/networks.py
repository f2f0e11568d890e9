"""Generator of two feature pyramids, and discriminator of patches.

Pictures have values from -1 to 1.
"""

import importlib
import sys
import types
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .errors import ReenactmentError
from .losses import WEIGHTS

BACKBONES = {  # names in the thesis, and in segmentation_models_pytorch
    "MobileNetV2": "mobilenet_v2",
    "InceptionResNetV2": "inceptionresnetv2",
    "ResNeXt-101 32x8d": "resnext101_32x8d",
}
NORMS = ("batch", "instance")
_N_MAPS = 5  # a pyramid's, of 1/2 to 1/32 of the picture's size


def import_torchvision() -> None:
    """Import torchvision, also one for a GPU, whose operators a torch for the CPU cannot load."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        operators = "torchvision._meta_registrations"
        sys.modules[operators] = types.ModuleType(operators)
        importlib.import_module("torchvision")


def read_state(file: Path) -> Any:
    """Read what torch saved; no code in it is run."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, LookupError, EOFError, UnpicklingError):
        raise ReenactmentError(f"{file} holds no tensors that torch saved") from None


@dataclass(frozen=True)
class Options:
    """What a training depends on, besides the faces.

    See :func:`.persons.chosen` and :data:`.losses.IDENTITY_LOSSES`. Pictures have `size` pixels, a
    multiple of 32 from 64 to 256, the maps of both networks `width` channels.
    """

    scenario: str = "many-to-many"
    persons: tuple[str, ...] = ()
    backbone: str = "MobileNetV2"
    norm: str = "batch"
    siamese: bool = False
    width: int = 64
    size: int = 256
    batch: int = 8
    rate: float = 1e-4
    patience: int = 10
    weights: tuple[float, ...] = WEIGHTS
    identity: str = "squared"
    mixed_precision: bool = False


class Pyramid(nn.Module):
    """Feature pyramid (Lin et al. 2017): five maps of `width` channels. Weights are downloaded."""

    def __init__(self, backbone: str, width: int, weights: str | None = None) -> None:
        super().__init__()
        import_torchvision()
        from segmentation_models_pytorch.encoders import get_encoder

        self.encoder: Any = get_encoder(
            BACKBONES[backbone], in_channels=3, depth=_N_MAPS, weights=weights
        )
        self.lateral = nn.ModuleList(
            nn.Conv2d(n_maps, width, 1) for n_maps in self.encoder.out_channels[1:]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Turn pictures (n, 3, h, w) into maps, the largest first."""
        maps: list[Tensor] = []
        features = self.encoder(x)[1:]
        for lateral, feature in zip(reversed(self.lateral), reversed(features), strict=True):
            level = lateral(feature)
            if maps:
                level = level + functional.interpolate(maps[0], level.shape[-2:])
            maps.insert(0, level)
        return maps


class Generator(nn.Module):
    """Give a person's face the landmarks of another.

    The source's encoder sees its landmarks, the target's its picture; siamese encoders are one. The
    upper four maps of both are enlarged to the largest of them, concatenated and convolved; after
    the first enlargement the target's lowest map is added, and at the end the target's picture.
    """

    def __init__(self, options: Options, weights: str | None = None) -> None:
        super().__init__()
        backbone, width = options.backbone, options.width
        self.target = Pyramid(backbone, width, weights)
        self.source = self.target if options.siamese else Pyramid(backbone, width, weights)
        self.joined = _convolution(2 * (_N_MAPS - 1) * width, width)
        self.refined = _convolution(width, width)
        self.last = nn.Sequential(
            _convolution(width, width // 2), nn.Conv2d(width // 2, 3, 3, padding=1)
        )
        if options.norm == "instance":
            _use_instance_norm(self)

    def forward(self, landmarks: Tensor, target: Tensor) -> Tensor:
        """Reenact faces (n, 3, h, w) by drawings (n, 1, h, w) of the source's landmarks.

        The sides are multiples of 32, at least 64.
        """
        of_source = self.source(landmarks.expand(-1, 3, -1, -1))
        lowest, *of_target = self.target(target)
        size = of_target[0].shape[-2:]
        upper = [functional.interpolate(m, size) for m in (*of_source[1:], *of_target)]
        x = functional.interpolate(self.joined(torch.cat(upper, dim=1)), lowest.shape[-2:])
        x = functional.interpolate(self.refined(x + lowest), target.shape[-2:])
        return (torch.tanh(self.last(x).float()) + target).clamp(-1, 1)


class Discriminator(nn.Module):
    """PatchGAN (Isola et al. 2017) of 70 x 70 pixels, on a picture and a drawing of landmarks."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [width * factor for factor in (1, 2, 4, 8)]
        layers: list[nn.Module] = [nn.Conv2d(4, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for (before, after), stride in zip(pairwise(widths), (2, 2, 1), strict=True):
            layers += [
                nn.Conv2d(before, after, 4, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, picture: Tensor, landmarks: Tensor) -> Tensor:
        """Score the patches of pictures (n, 3, h, w), high for real: shape (n, 1, h', w')."""
        scores: Tensor = self.layers(torch.cat([picture, landmarks], dim=1)).float()
        return scores


def _convolution(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()
    )


def _use_instance_norm(module: nn.Module) -> None:
    """Replace every batch norm."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.InstanceNorm2d(child.num_features, affine=True))
        else:
            _use_instance_norm(child)
