"""The small networks of Afchar et al. (2018), MesoNet: a Compact Facial Video Forgery Detection."""

import torch
from torch import nn
from torch.nn import functional

_REDUCTION = 32  # of rows and columns by the four poolings: 2 x 2 x 2 x 4
_N_HIDDEN = 16


class _MesoNet(nn.Module):
    """Four stages of convolution, batch norm and pooling, and two dense layers."""

    stages: nn.ModuleList
    input_size: int

    def __init__(self, input_size: int, dropout: float) -> None:
        super().__init__()
        if input_size < _REDUCTION or input_size % _REDUCTION:
            raise ValueError(f"`input_size` must be a multiple of {_REDUCTION}; got {input_size}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be at least 0 and below 1; got {dropout}")
        self.input_size, self.dropout = input_size, dropout
        self.config = {"input_size": input_size, "dropout": dropout}
        self.dense1 = nn.Linear(16 * (input_size // _REDUCTION) ** 2, _N_HIDDEN)
        self.dense2 = nn.Linear(_N_HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn pictures (n, 3, size, size), 0 to 1, into logits (n,), positive for fake."""
        for stage in self.stages:
            x = stage(x)
        x = functional.dropout(x.flatten(1), self.dropout, self.training)
        x = functional.leaky_relu(self.dense1(x), 0.1)
        logits: torch.Tensor = self.dense2(functional.dropout(x, self.dropout, self.training))
        return logits[:, 0]


class Meso4(_MesoNet):
    """Meso4 (Afchar et al. 2018, Figure 4): 8, 8, 16 and 16 maps.

    Parameters
    ----------
    input_size : int
        Rows and columns of the pictures, a multiple of 32. The paper uses 256; 128 needs a
        quarter of the arithmetic.
    dropout : float
        Share of the inputs of either dense layer that is dropped in training, at least 0 and below
        1; 0.5 in the paper.

    Examples
    --------
    >>> import torch
    >>> from freqfake.deep import Meso4
    >>> Meso4().eval()(torch.zeros(2, 3, 256, 256)).shape
    torch.Size([2])
    """

    def __init__(self, *, input_size: int = 256, dropout: float = 0.5) -> None:
        super().__init__(input_size, dropout)
        self.stages = nn.ModuleList(
            [_stage(_rectified(3, 8, 3), 8), *_stages_of_5x5(8, (8, 16, 16))]
        )
        self.apply(_start)


class MesoInception4(_MesoNet):
    """MesoInception4 (Afchar et al. 2018, Figure 5): inception modules in place of two stages.

    Parameters
    ----------
    input_size : int
    dropout : float
        See :class:`Meso4`.
    """

    def __init__(self, *, input_size: int = 256, dropout: float = 0.5) -> None:
        super().__init__(input_size, dropout)
        first, second = _Inception(3, (1, 4, 4, 2)), _Inception(11, (2, 4, 4, 2))
        self.stages = nn.ModuleList(
            [_stage(first, 11), _stage(second, 12), *_stages_of_5x5(12, (16, 16))]
        )
        self.apply(_start)


class _Inception(nn.Module):
    """Four parallel branches: plain, and dilated by 1, 2 and 3 pixels."""

    def __init__(self, n_in: int, n_out: tuple[int, int, int, int]) -> None:
        super().__init__()
        branches = [nn.Sequential(_rectified(n_in, n_out[0], 1))]
        for dilation, n in enumerate(n_out[1:], 1):
            branches.append(
                nn.Sequential(_rectified(n_in, n, 1), _rectified(n, n, 3, dilation=dilation))
            )
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _stages_of_5x5(n_in: int, n_out: tuple[int, ...]) -> list[nn.Module]:
    """Last stages of a network; the final one pools by four."""
    widths = (n_in, *n_out)
    poolings = [2] * (len(n_out) - 1) + [4]
    return [
        _stage(_rectified(before, after, 5), after, pooling)
        for before, after, pooling in zip(widths, n_out, poolings, strict=False)
    ]


def _stage(maps: nn.Module, n_maps: int, pooling: int = 2) -> nn.Module:
    # The published weights were trained with Keras' constant.
    return nn.Sequential(maps, nn.BatchNorm2d(n_maps, eps=1e-3), nn.MaxPool2d(pooling))


def _rectified(n_in: int, n_out: int, size: int, dilation: int = 1) -> nn.Module:
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, padding=padding, dilation=dilation), nn.ReLU()
    )


def _start(layer: nn.Module) -> None:
    """Initialise at random as Keras, where the networks come from (Glorot & Bengio 2010)."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(layer.weight)
        layer.bias.data.zero_()
