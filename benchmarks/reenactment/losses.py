"""Losses of generator and discriminator; equations are those of Petruk (2020)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

WEIGHTS = (0.01, 0.001, 0.001)  # of the generator's content, adversarial and identity loss
_FEATURES, _PIXELS = 0.06, 0.5  # weights within the content loss

Network = Callable[[Tensor], Tensor]


def content_loss(fake: Tensor, truth: Tensor, content: Network) -> Tensor:
    """0.06 of the mean squared error of a network's maps, and 0.5 of that of the pixels."""
    with torch.no_grad():
        wanted = content(truth)
    features = functional.mse_loss(content(fake), wanted)
    return _FEATURES * features + _PIXELS * functional.mse_loss(fake, truth)


def discriminator_loss(of_real: Tensor, of_fake: Tensor) -> Tensor:
    """Relativistic average least squares (Jolicoeur-Martineau 2019; Eq. 3.5).

    A real picture should score 1 more than the fakes on average, a fake 1 less than the real ones.
    """
    real_to_fake, fake_to_real = of_real - of_fake.mean(), of_fake - of_real.mean()
    return ((real_to_fake - 1) ** 2).mean() + ((fake_to_real + 1) ** 2).mean()


def adversarial_loss(of_real: Tensor, of_fake: Tensor) -> Tensor:
    """Exchange the roles: this is what the generator minimises (Eq. 3.7)."""
    return discriminator_loss(of_fake, of_real)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared Euclidean distance of embeddings of length 1, for ArcFace."""
    a, b = functional.normalize(a), functional.normalize(b)
    return ((a - b) ** 2).sum(dim=1).mean()


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine of embeddings, for CosFace and SphereFace."""
    return (1 - functional.cosine_similarity(a, b)).mean()


IDENTITY_LOSSES = {"squared": squared_distance, "cosine": cosine_distance}
