"""Training of the small embedder on the persons at hand."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from freqfake._files import whole_file

from .extractors import SmallArcFace, arcface_loss
from .persons import Persons

_RATE, _BATCH = 1e-3, 32


def train_embedder(persons: Persons, out: Path, epochs: int, seed: int = 0) -> list[float]:
    """Train :class:`SmallArcFace` on the part ``train``, write it; return the loss by epoch."""
    rows = np.flatnonzero(persons.table.part == "train")
    names, codes = np.unique(persons.table.person.iloc[rows], return_inverse=True)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    embedder = SmallArcFace()
    centres = nn.Parameter(torch.randn(len(names), embedder.last.out_features))
    optimizer = torch.optim.Adam([*embedder.parameters(), centres], lr=_RATE)
    losses = []
    for _ in range(epochs):
        order, of_epoch = rng.permutation(len(rows)), []
        for start in range(0, len(order) - 1, _BATCH):
            chosen = order[start : start + _BATCH]
            faces = persons.faces[rows[chosen]][:, :, :: rng.choice((1, -1))].copy()  # mirrored
            x = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
            loss = arcface_loss(embedder(x), centres, torch.from_numpy(codes[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            of_epoch.append(float(loss.detach()))
        losses.append(float(np.mean(of_epoch)))
    with whole_file(out) as file:
        torch.save(embedder.state_dict(), file)
    return losses
