"""DLDFD (Singh & Ramachandra 2022): convolutions before a ResNet-50."""

from typing import Self

import torch
from torch import nn

from ..._files import PathLike
from .imagenet import MEAN, STD, load_imagenet
from .resnet import ResNet50


class DLDFD(nn.Module):
    """Deep-learning-based deepfake detector of Singh & Ramachandra (VISAPP 2022, Section 3).

    Three parallel 3x3 convolutions are applied to the picture; a 1x1 convolution reduces their
    maps to the three planes that ResNet-50 takes. Its last layer gives the label.

    Parameters
    ----------
    width : int
        Maps of each of the three convolutions, 64 in the paper. For the reduction it says only
        "1x1x192", read here as a 1x1 convolution over the 3 x 64 = 192 maps.
    stride_in_1x1 : bool
        See :class:`ResNet50`.

    Notes
    -----
    The paper names no activation between the convolutions. Here a rectifier follows the parallel
    ones: without it, the four convolutions would equal a single linear one.

    Examples
    --------
    >>> import torch
    >>> from freqfake.deep import DLDFD
    >>> DLDFD(width=4).eval()(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2])
    """

    input_size = 224
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, *, width: int = 64, stride_in_1x1: bool = False) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"`width` must be at least 1; got {width}")
        self.config = {"width": width, "stride_in_1x1": stride_in_1x1}
        self.parallel = nn.ModuleList(nn.Conv2d(3, width, 3, padding=1) for _ in range(3))
        self.reduce = nn.Conv2d(3 * width, 3, 1)
        self.resnet = ResNet50(1, stride_in_1x1=stride_in_1x1)
        self.register_buffer("mean", torch.tensor(MEAN).float().view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).float().view(3, 1, 1), persistent=False)

    @classmethod
    def from_imagenet(cls, path: PathLike, *, width: int = 64) -> Self:
        """Make a network whose ResNet-50 starts from ImageNet weights, as in the paper.

        Parameters
        ----------
        path : str or path-like
            See :func:`load_imagenet`.
        width : int

        Raises
        ------
        ModelFileError
            The file does not hold the weights of a ResNet-50.
        """
        state, stride_in_1x1 = load_imagenet(path)
        network = cls(width=width, stride_in_1x1=stride_in_1x1)
        own = network.resnet.state_dict()
        last = {name: own[name] for name in ("fc.weight", "fc.bias")}
        network.resnet.load_state_dict(state | last)
        return network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn pictures (n, 3, h, w), 0 to 1, into logits (n,), positive for fake."""
        x = (x - self.mean) / self.std
        maps = torch.cat([convolution(x) for convolution in self.parallel], dim=1)
        logits: torch.Tensor = self.resnet(self.reduce(torch.relu(maps)))
        return logits[:, 0]
