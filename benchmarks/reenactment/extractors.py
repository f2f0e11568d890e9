"""Networks that look at faces: for the content loss, the identity loss and the measures.

All take RGB pictures (n, 3, h, w) with values from 0 to 1 and sides from 64 up. A content network
returns maps (n, maps, h', w'), an embedder (n, numbers). They are named on the command line as

``vgg19=FILE``
    VGG-19 up to relu3_3, as in the thesis; torchvision's file (``vgg19-dcbb9e9d.pth``).
``resnet50=FILE``
    The ResNet-50 of freqfake.deep with ImageNet's weights: maps of its second stage, or the mean
    of the last. It was not trained on faces and stands in.
``arcface=FILE``
    The small embedder that ``reenact embedder`` trains. It knows few persons and stands in.
``MODULE:CALLABLE``
    Your own: the callable returns a ``torch.nn.Module`` as described above, for example an ArcFace.
"""

import importlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from freqfake.deep import ResNet50
from freqfake.deep.networks.imagenet import MEAN, STD, load_imagenet

from .errors import ReenactmentError
from .faces import Pixels, Points, recogniser
from .networks import import_torchvision, read_state

_RELU3_3 = 16  # layers of torchvision's VGG-19 up to it
_EMBEDDED_SIZE = 112


class SmallArcFace(nn.Module):
    """Embedder of five convolutions, to 128 numbers."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 256, 256)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.PReLU(after)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.last = nn.Linear(widths[-1] * 16, 128)

    def forward(self, x: Tensor) -> Tensor:
        """Turn pictures (n, 3, h, w) into embeddings (n, 128)."""
        x = functional.interpolate(x, (_EMBEDDED_SIZE, _EMBEDDED_SIZE), mode="bilinear")
        embedded: Tensor = self.last(self.layers(x * 2 - 1))
        return embedded


def load_content(name: str) -> nn.Module:
    """Load a content network; see above."""
    kind, file = _parts(name, "vgg19", "resnet50")
    if kind == "vgg19":
        import_torchvision()
        from torchvision.models import vgg19

        whole = vgg19()
        _load(whole, file)
        return _frozen(nn.Sequential(_normalise(), whole.features[:_RELU3_3]))
    if kind == "resnet50":
        resnet = _resnet(file)
        first = (resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
        return _frozen(nn.Sequential(_normalise(), *first, resnet.layer1, resnet.layer2))
    return _frozen(_own(name))


def load_embedder(name: str) -> nn.Module:
    """Load an embedder; see above."""
    kind, file = _parts(name, "arcface", "resnet50")
    if kind == "arcface":
        embedder = SmallArcFace()
        _load(embedder, file)
        return _frozen(embedder)
    if kind == "resnet50":
        resnet = _resnet(file)
        resnet.fc = nn.Identity()
        return _frozen(nn.Sequential(_normalise(), resnet))
    return _frozen(_own(name))


def dlib_embedding(face: Pixels, landmarks: Points) -> npt.NDArray[np.float64]:
    """Embed a face by dlib's recogniser, in 128 numbers; it has no gradient."""
    import dlib

    points = dlib.points([dlib.point(int(x), int(y)) for x, y in landmarks.round()])
    box = dlib.rectangle(0, 0, face.shape[1], face.shape[0])
    shape = dlib.full_object_detection(box, points)
    return np.array(recogniser().compute_face_descriptor(np.ascontiguousarray(face), shape))


def arcface_loss(
    embedded: Tensor, centres: Tensor, persons: Tensor, *, margin: float = 0.5, scale: float = 16.0
) -> Tensor:
    """Additive angular margin (Deng et al. 2019, Eq. 3), in radians.

    The scale of the cosines is 64 in the paper, for 90,000 persons.
    """
    cosine = functional.normalize(embedded) @ functional.normalize(centres).T
    own = functional.one_hot(persons, len(centres)).bool()
    angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
    return functional.cross_entropy(
        scale * torch.where(own, torch.cos(angle + margin), cosine), persons
    )


def _parts(name: str, *kinds: str) -> tuple[str, Path]:
    kind, _, file = name.partition("=")
    if not file and ":" not in name:
        raise ReenactmentError(
            f"{name!r} names no network: use {' or '.join(f'{k}=FILE' for k in kinds)} or "
            "MODULE:CALLABLE"
        )
    if file and kind not in kinds:
        raise ReenactmentError(f"unknown network {kind!r}: use {' or '.join(kinds)}")
    if file and not Path(file).exists():
        raise ReenactmentError(f"{file}: there is no such file")
    return kind, Path(file)


def _load(network: nn.Module, file: Path) -> None:
    try:
        network.load_state_dict(read_state(file))
    except (RuntimeError, TypeError):
        raise ReenactmentError(f"{file} holds the weights of another network") from None


def _own(name: str) -> nn.Module:
    module, _, callable_ = name.partition(":")
    try:
        network: nn.Module = getattr(importlib.import_module(module), callable_)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ReenactmentError(f"cannot load {name!r}: {error}") from None
    return network


def _resnet(file: Path) -> Any:
    state, stride_in_1x1 = load_imagenet(file)
    resnet = ResNet50(stride_in_1x1=stride_in_1x1)
    resnet.load_state_dict(state)
    return resnet


def _normalise() -> Any:
    import_torchvision()
    from torchvision.transforms import Normalize

    return Normalize(MEAN, STD)


def _frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)
