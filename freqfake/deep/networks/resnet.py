"""ResNet-50, with the names of torchvision's state dictionary."""

import torch
from torch import nn

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride of the first
_EXPANSION = 4  # output maps of a block per inner map


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut (He et al. 2016, Figure 5 right).

    Parameters
    ----------
    n_in : int
        Input maps.
    width : int
        Inner maps; the output has four times as many.
    stride : int
    stride_in_1x1 : bool
        See :class:`ResNet50`.
    """

    def __init__(self, n_in: int, width: int, stride: int, stride_in_1x1: bool) -> None:
        super().__init__()
        n_out = width * _EXPANSION
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(n_in, width, 1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn maps of shape (n, n_in, h, w) into (n, 4 width, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        maps: torch.Tensor = self.relu(self.bn3(self.conv3(x)) + shortcut)
        return maps


class ResNet50(nn.Module):
    """ResNet-50 (He et al. 2016, Deep Residual Learning for Image Recognition, Table 1).

    Its state dictionary has the keys and shapes of torchvision's ``resnet50``, so that weights of
    that network load strictly.

    Parameters
    ----------
    n_outputs : int
    stride_in_1x1 : bool
        Whether the first block of a stage halves the picture in its first 1x1 convolution, as the
        paper and Keras do, or in its 3x3 convolution, as torchvision does. Weights fit only the
        variant that they were trained with.

    Examples
    --------
    >>> import torch
    >>> from freqfake.deep import ResNet50
    >>> ResNet50().eval()(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1000])
    """

    def __init__(self, n_outputs: int = 1000, *, stride_in_1x1: bool = False) -> None:
        super().__init__()
        self.stride_in_1x1 = stride_in_1x1
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        n_maps = 64
        for number, (width, n_blocks, stride) in enumerate(_STAGES, 1):
            blocks = [Bottleneck(n_maps, width, stride, stride_in_1x1)]
            n_maps = width * _EXPANSION
            blocks += [Bottleneck(n_maps, width, 1, stride_in_1x1) for _ in range(1, n_blocks)]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(n_maps, n_outputs)
        self.apply(_start)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn normalised pictures of shape (n, 3, h, w) into outputs of shape (n, n_outputs)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, len(_STAGES) + 1):
            x = getattr(self, f"layer{number}")(x)
        outputs: torch.Tensor = self.fc(self.avgpool(x).flatten(1))
        return outputs


def _start(layer: nn.Module) -> None:
    """Initialise a convolution at random (He et al. 2015, Delving Deep into Rectifiers)."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
