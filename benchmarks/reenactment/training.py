"""Training of generator and discriminator, which continues exactly where it was stopped."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from freqfake._files import whole_file
from freqfake.deep.device import find_device

from . import losses
from .errors import ReenactmentError
from .faces import Pixels
from .networks import Discriminator, Generator, Options, read_state
from .persons import Persons, Triple, reduced, round_of
from .rasters import raster

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"
_LAST_RATE = 1e-7


class Batch:
    """Landmarks (n, 1, size, size), targets and truths (n, 3, size, size), from -1 to 1."""

    def __init__(self, persons: Persons, drawn: list[Triple], size: int) -> None:
        rasters = [raster(persons.landmarks[one.source], size) for one in drawn]
        self.landmarks = as_tensor(np.stack(rasters)[..., None])
        self.target, self.truth = (
            as_tensor(reduced(persons.faces[rows], size))
            for rows in ([one.target for one in drawn], [one.truth for one in drawn])
        )


def batches(drawn: list[Triple], size: int) -> list[list[Triple]]:
    """Divide triples into lists of `size`."""
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]


def as_tensor(pixels: Pixels) -> Tensor:
    """Turn pictures (n, h, w, maps) into (n, maps, h, w) with values from -1 to 1."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pixels(x: Tensor) -> Pixels:
    """Turn tensors back into pictures."""
    levels = ((x.detach().float() + 1) * 127.5).round().clamp(0, 255).byte()
    pixels: Pixels = levels.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


class Run:
    """Networks in training, their optimizers and log."""

    def __init__(
        self,
        options: Options,
        content: nn.Module,
        embedder: nn.Module,
        device: str | torch.device = "cpu",
        weights: str | None = None,
    ) -> None:
        self.options, self.device = options, find_device(device)
        self.content, self.embedder = content, embedder
        self.identity = losses.IDENTITY_LOSSES[options.identity]
        mixed = options.mixed_precision
        self.autocast = partial(torch.autocast, self.device.type, torch.bfloat16, enabled=mixed)
        torch.manual_seed(0)
        self.generator = Generator(options, weights)
        self.discriminator = Discriminator(options.width)
        for network in (content, embedder, self.generator, self.discriminator):
            network.to(self.device, memory_format=torch.channels_last)  # faster
        networks = [self.generator, self.discriminator]
        self.optimizers = [torch.optim.Adam(n.parameters(), lr=options.rate) for n in networks]
        plateau = partial(ReduceLROnPlateau, min_lr=_LAST_RATE, patience=options.patience)
        self.plateaus = [plateau(optimizer) for optimizer in self.optimizers]
        self.kept = {"networks": networks, "optimizers": self.optimizers, "plateaus": self.plateaus}
        self.log: list[dict[str, float]] = []

    def step(self, batch: Batch) -> dict[str, float]:
        """Optimise the discriminator, then the generator, once; return their losses."""
        landmarks, target, truth = (
            x.to(self.device) for x in (batch.landmarks, batch.target, batch.truth)
        )
        with self.autocast():
            fake = self.generator(landmarks, target)
            judged = self.discriminator_loss(fake.detach(), truth, landmarks)
        _optimise(self.optimizers[1], judged)
        with self.autocast():
            made = self.generator_loss(fake, truth, landmarks)
        _optimise(self.optimizers[0], made)
        return {"discriminator": float(judged.detach()), "generator": float(made.detach())}

    def discriminator_loss(self, fake: Tensor, truth: Tensor, landmarks: Tensor) -> Tensor:
        """Loss of the discriminator."""
        of_real, of_fake = (self.discriminator(face, landmarks) for face in (truth, fake))
        return losses.discriminator_loss(of_real, of_fake)

    def generator_loss(self, fake: Tensor, truth: Tensor, landmarks: Tensor) -> Tensor:
        """Weighted loss of the generator."""
        with torch.no_grad():
            of_real = self.discriminator(truth, landmarks)
        seen, wanted = (fake + 1) / 2, (truth + 1) / 2
        content = losses.content_loss(seen, wanted, self.content)
        adversarial = losses.adversarial_loss(of_real, self.discriminator(fake, landmarks))
        alike = self.identity(self.embedder(seen), self.embedder(wanted))
        weights = self.options.weights
        return weights[0] * content + weights[1] * adversarial + weights[2] * alike

    def epoch(self, persons: Persons) -> dict[str, float]:
        """Train on every face as truth once, validate, and adapt the rates."""
        number = len(self.log) + 1
        self.generator.train()
        drawn = round_of(persons.table, "train", number)
        of_batches = batches(drawn, self.options.batch)
        made = [self.step(Batch(persons, part, self.options.size)) for part in of_batches]
        row = {"epoch": number, "learning_rate": self.optimizers[0].param_groups[0]["lr"]}
        row |= pd.DataFrame(made).mean().to_dict()
        row["validation"] = self.validate(persons)
        if not np.isfinite(list(row.values())).all():
            raise ReenactmentError(f"a loss of epoch {number} is not a number")
        for plateau in self.plateaus:
            plateau.step(row["validation"])
        self.log.append(row)
        return row

    def validate(self, persons: Persons) -> float:
        """Mean squared error of the pixels, 0 to 1, of the part to validate."""
        errors = []
        for part in batches(round_of(persons.table, "validate"), self.options.batch):
            batch = Batch(persons, part, self.options.size)
            error = (reenacted(self.generator, batch) - batch.truth) / 2
            errors += error.square().mean((1, 2, 3)).tolist()
        return float(np.mean(errors))

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the log."""
        state = {"options": asdict(self.options), "log": self.log}
        state |= {name: [one.state_dict() for one in kept] for name, kept in self.kept.items()}
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / CHECKPOINT) as file:
            torch.save(state, file)
        with whole_file(folder / LOG) as file:
            pd.DataFrame(self.log).to_csv(file, index=False)

    def resume(self, folder: Path) -> None:
        """Take networks, optimizers and log from what :meth:`save` wrote."""
        state = read_checkpoint(folder)
        if state["options"] != asdict(self.options):
            given = state["options"]
            raise ReenactmentError(f"{folder} holds a training with other options: {given}")
        for name, kept in self.kept.items():
            for one, values in zip(kept, state[name], strict=True):
                one.load_state_dict(values)
        self.log = state["log"]


def reenacted(generator: Generator, batch: Batch, *, train_mode: bool = False) -> Tensor:
    """Reenact the faces of a batch.

    In train mode batch norm takes the statistics of the batch itself (Petruk, Section 5.5); those
    that were learnt stay as they are.
    """
    device = next(generator.parameters()).device
    generator.train(train_mode)
    kept = {name: value.clone() for name, value in generator.named_buffers()}
    with torch.no_grad():
        made: Tensor = generator(batch.landmarks.to(device), batch.target.to(device)).cpu()
        for name, value in generator.named_buffers():
            value.copy_(kept[name])
    return made


def load_generator(folder: Path) -> tuple[Generator, Options]:
    """Load a trained generator, and the options of its training."""
    state = read_checkpoint(folder)
    options = Options(**state["options"])
    generator = Generator(options)
    generator.load_state_dict(state["networks"][0])
    return generator, options


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Read a checkpoint; no code in it is run."""
    file = folder / CHECKPOINT
    if not file.exists():
        raise ReenactmentError(f"{folder} holds no trained network: run `reenact train` first")
    state: dict[str, Any] = read_state(file)
    if not isinstance(state, dict) or "options" not in state:
        raise ReenactmentError(f"{file} holds no training")
    return state


def _optimise(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
