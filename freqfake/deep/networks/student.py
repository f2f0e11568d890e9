"""A small residual network behind fixed high-pass filters."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ...features.student import CLIP, SIZE, fixed_filters

_LEVELS = 255.0  # grey levels of a picture of 0 to 1
_DROPOUT = 0.2


class Student(nn.Module):
    """Small network that looks at residuals of the three colour channels, and at the picture.

    Eight fixed filters (:func:`freqfake.features.student.fixed_filters`) leave over what cannot
    be predicted from neighbouring pixels, as in networks for steganalysis. It is clipped at 6 grey
    levels, so that edges do not outweigh traces. A few residual blocks (He et al. 2016) follow,
    and the mean over the picture.

    Parameters
    ----------
    widths : sequence of int
        Maps of the first convolution and of each block. Each block but the first halves rows and
        columns, as does the first convolution.

    Notes
    -----
    It has no dense layer over places, so any size of picture can be passed; it is trained on
    faces of 224 x 224.

    Examples
    --------
    >>> import torch
    >>> from freqfake.deep import Student
    >>> Student().eval()(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2])
    """

    input_size = SIZE
    filters: torch.Tensor
    offset: torch.Tensor

    def __init__(self, *, widths: tuple[int, ...] = (24, 32, 40, 56, 80)) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"`widths` must be at least two positive numbers; got {widths}")
        self.config = {"widths": list(widths)}
        filters, offset = map(torch.from_numpy, fixed_filters())
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        first = nn.Conv2d(len(filters), widths[0], 3, stride=2, padding=1, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(widths[0]), nn.ReLU())
        blocks = [
            _Block(before, after, 2 if number else 1)
            for number, (before, after) in enumerate(pairwise(widths))
        ]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(widths[-1], 1)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Turn pictures (n, 3, h, w), 0 to 1, into what the last layer sees, (n, widths[-1])."""
        with torch.no_grad():  # nothing before the first convolution is learnt
            x = functional.pad(x * _LEVELS, (2, 2, 2, 2), mode="replicate")
            x = functional.hardtanh(functional.conv2d(x, self.filters, self.offset), -CLIP, CLIP)
        embedded: torch.Tensor = self.blocks(self.stem(x)).mean((2, 3))
        return embedded

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn pictures (n, 3, h, w), 0 to 1, into logits (n,), positive for fake."""
        embedded = functional.dropout(self.embed(x), _DROPOUT, self.training)
        logits: torch.Tensor = self.last(embedded)
        return logits[:, 0]


class _Block(nn.Module):
    """Two convolutions beside a direct path."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(stride), nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.convolutions(x) + self.direct(x))
