"""Epochs of a training: learning, validation, checkpoints, log and figures."""

import functools
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm

from .._files import whole_file
from .._optional import extra
from ..exceptions import TrainingError
from .device import enough_memory, precision
from .networks.weights import (
    Network,
    load_network,
    load_tensors,
    network_name,
    save_network,
    save_tensors,
)
from .pictures import Augmentation, PictureSet, mirrored, partly_covered, slightly_changed

CHECKPOINT, BEST, LOG = "checkpoint.safetensors", "best.safetensors", "log.csv"
CURVES, CONFUSION = "curves.png", "confusion.png"
FILES = (CHECKPOINT, BEST, LOG, CURVES, CONFUSION)
_BETAS = (0.9, 0.999)
_Row = dict[str, float]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs, batch_size : int
    learning_rates : tuple of float
        Each for an equal share of the epochs, in this order.
    augmentation : {"mirrored", "slightly_changed", "partly_covered"}
        See :mod:`freqfake.deep.pictures`.
    weight_decay : float
        Decoupled from the gradient (Loshchilov & Hutter 2019).
    """

    epochs: int
    batch_size: int
    learning_rates: tuple[float, ...]
    augmentation: str
    weight_decay: float = 0.0

    def learning_rate(self, epoch: int) -> float:
        """Rate of an epoch, counted from 0."""
        return self.learning_rates[epoch * len(self.learning_rates) // self.epochs]


AUGMENTATIONS: dict[str, Augmentation] = {
    function.__name__: function for function in (mirrored, slightly_changed, partly_covered)
}


@dataclass(frozen=True)
class Training:
    """Result of a training.

    Attributes
    ----------
    network : DLDFD, Meso4 or MesoInception4
        After the best epoch, on the CPU.
    log : DataFrame
        One row per epoch: ``epoch``, ``learning_rate``, ``train_loss``, ``train_accuracy``,
        ``val_loss``, ``val_accuracy``, ``val_auc``, ``seconds``.
    best_epoch : int
    y, logits : ndarrays of shape (n_validation,)
        Labels of the validation pictures, and the network's logits.
    """

    network: Network
    log: pd.DataFrame
    best_epoch: int
    y: np.ndarray
    logits: np.ndarray


class Run:
    """One training: its state from epoch to epoch, and its files."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        train: PictureSet,
        held_out: PictureSet,
        out: Path,
        device: torch.device,
        mixed_precision: bool | None,
        workers: int,
        seed: int,
        teacher: Network | None = None,
    ) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), betas=_BETAS, weight_decay=recipe.weight_decay
        )
        self.recipe, self.out, self.device, self.seed = recipe, out, device, seed
        self.mixed_precision = mixed_precision
        self.log: list[_Row] = []
        self.generator = torch.Generator()
        load = functools.partial(
            DataLoader,
            batch_size=recipe.batch_size,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
        )
        self.order = _Order(len(train), seed)
        self.train, self.held_out = load(train, sampler=self.order), load(held_out)
        self.in_order = load(train)
        counts = torch.bincount(train.labels.long(), minlength=2)
        self.class_weights = (len(train) / (2 * counts)).to(device)
        self.plan = {
            "network": network_name(network),
            "config": network.config,
            "recipe": asdict(recipe) | {"learning_rates": list(recipe.learning_rates)},
            "n_pictures": [len(train), len(held_out)],
            "seed": seed,
            "teacher": None if teacher is None else network_name(teacher),
        }
        self.teacher = teacher

    @enough_memory()
    def ask_teacher(self, progress: bool) -> None:
        """Mix the labels half and half with the teacher's probabilities (Hinton et al. 2015)."""
        if self.teacher is None:
            return
        teacher = self.teacher.to(self.device, memory_format=torch.channels_last).eval()
        parts = []
        for pixels, _ in tqdm(self.in_order, "teacher", disable=not progress, unit="batch"):
            with torch.no_grad(), precision(self.device, self.mixed_precision):
                parts.append(torch.sigmoid(teacher(self._on_device(pixels)).float()).cpu())
        pictures = self.train.dataset
        pictures.targets = (pictures.labels + torch.cat(parts)) / 2

    @enough_memory()
    def epoch(self, progress: bool) -> _Row:
        """Train for one epoch, validate, and save everything."""
        number, start = len(self.log), time.perf_counter()
        rate = self.recipe.learning_rate(number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.order.epoch = number
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed + number)  # for dropout
            self.generator.manual_seed(self.seed + number)
            loss, accuracy = self._learn(progress)
        val_loss, y, logits = self._validate()
        row = {
            "epoch": number + 1,
            "learning_rate": rate,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "val_loss": val_loss,
            "val_accuracy": float(np.mean((logits > 0) == (y == 1))),
            "val_auc": float(roc_auc_score(y, logits)),
            "seconds": time.perf_counter() - start,
        }
        self.log.append(row)
        self._keep()
        return row

    def _learn(self, progress: bool) -> tuple[float, float]:
        self.network.train()
        change = AUGMENTATIONS[self.recipe.augmentation]
        title = f"epoch {len(self.log) + 1}/{self.recipe.epochs}"
        total, n_right = 0.0, 0
        for pixels, labels in tqdm(self.train, title, disable=not progress, unit="batch"):
            x, y = change(self._on_device(pixels), self.generator), labels.to(self.device)
            with precision(self.device, self.mixed_precision):
                logits = self.network(x)
            loss = self._loss(logits, y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += float(loss.detach()) * len(y)
            n_right += int(((logits > 0) == (y > 0.5)).sum())
        n_pictures = len(self.train.dataset)
        if not math.isfinite(total):
            raise TrainingError(
                f"the loss is not a number in epoch {len(self.log) + 1}: try a lower learning rate"
            )
        return total / n_pictures, n_right / n_pictures

    def _validate(self) -> tuple[float, np.ndarray, np.ndarray]:
        self.network.eval()
        parts = []
        for pixels, labels in self.held_out:
            with torch.no_grad(), precision(self.device, self.mixed_precision):
                parts.append((labels, self.network(self._on_device(pixels)).float().cpu()))
        y, logits = (torch.cat(column) for column in zip(*parts, strict=True))
        loss = self._loss(logits.to(self.device), y.to(self.device))
        return float(loss), y.numpy(), logits.numpy()

    def _on_device(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.to(self.device, memory_format=torch.channels_last).float() / 255

    def _loss(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        weights = self.class_weights[(y > 0.5).long()]
        return functional.binary_cross_entropy_with_logits(logits.float(), y, weights)

    def _keep(self) -> None:
        """Save the epoch: the network if it is the best so far, the checkpoint and the log."""
        if self.best_epoch == len(self.log):
            info = {"epoch": len(self.log), **self.plan, "validation": self.log[-1]}
            save_network(self.out / BEST, self.network, info=info)
        moments = {
            f"optimizer.{number}.{name}": value
            for number, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        weights = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state = {"plan": self.plan, "log": self.log}
        targets = {"pictures.targets": self.train.dataset.targets}
        save_tensors(self.out / CHECKPOINT, "checkpoint", state, weights | moments | targets)
        self._write_log()

    def _write_log(self) -> None:
        with whole_file(self.out / LOG) as file:
            pd.DataFrame(self.log).to_csv(file, index=False)

    def resume(self) -> None:
        """Continue after the last epoch on disk."""
        about, tensors = load_tensors(self.out / CHECKPOINT, "checkpoint")
        before, now = _essence(about.get("plan", {})), _essence(self.plan)
        differing = [key for key in now if before.get(key) != now[key]]
        if differing:
            raise TrainingError(
                f"{self.out} holds another training, which differs in: {', '.join(differing)}; "
                "choose another folder"
            )
        self.log = about["log"]
        state: dict[int, dict[str, torch.Tensor]] = {}
        weights = {}
        for key, value in tensors.items():
            owner, name = key.split(".", 1)
            if owner == "network":
                weights[name] = value
            elif owner == "pictures":
                self.train.dataset.targets = value
            else:
                number, name = name.split(".")
                state.setdefault(int(number), {})[name] = value
        self.network.load_state_dict(weights)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self._write_log()  # the run may have been stopped before this

    @property
    def best_epoch(self) -> int:
        """Epoch with the highest AUC on the validation pictures; of equal ones, the lowest loss."""
        best = max(self.log, key=lambda row: (row["val_auc"], -row["val_loss"]))
        return int(best["epoch"])

    def finished(self) -> Training:
        """Draw the figures, and return the best network with its results."""
        network, _ = load_network(self.out / BEST)
        self.network.load_state_dict(network.state_dict())
        _, y, logits = self._validate()
        log = pd.DataFrame(self.log)
        _draw(self.out, log, y, logits)
        return Training(network, log, self.best_epoch, y.astype(int), logits)


def _essence(plan: dict[str, Any]) -> dict[str, Any]:
    """Part of a plan that must stay the same; with a constant rate, epochs may differ."""
    recipe = dict(plan.get("recipe", {}))
    if len(recipe.get("learning_rates", ())) == 1:
        recipe["epochs"] = None
    return {**plan, "recipe": recipe}


class _Order(torch.utils.data.Sampler[int]):
    """Order of the pictures, different in each epoch and fixed by the seed."""

    def __init__(self, n_pictures: int, seed: int) -> None:
        self.n_pictures, self.seed, self.epoch = n_pictures, seed, 0

    def __len__(self) -> int:
        return self.n_pictures

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        yield from torch.randperm(self.n_pictures, generator=generator).tolist()


class Board:
    """TensorBoard log, if requested."""

    def __init__(self, folder: Path | None) -> None:
        self.writer: Any = None
        if folder is not None:
            with extra("tensorboard", "tensorboard"):
                from torch.utils.tensorboard import SummaryWriter
            self.writer = SummaryWriter(folder)

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def add(self, row: _Row) -> None:
        """Log an epoch."""
        if self.writer is not None:
            for name, value in row.items():
                if name != "epoch":
                    self.writer.add_scalar(name, value, int(row["epoch"]))


def _draw(out: Path, log: pd.DataFrame, y: np.ndarray, logits: np.ndarray) -> None:
    with extra("plots", "matplotlib"):
        from matplotlib.figure import Figure

    from ..plots import plot_confusion, plot_learning_curves

    curves = Figure((9, 4), layout="constrained")
    plot_learning_curves(log, axes=curves.subplots(1, 2))
    with whole_file(out / CURVES) as file:
        curves.savefig(file)
    confusion = Figure((4.5, 4), layout="constrained")
    plot_confusion(y, logits > 0, ax=confusion.subplots())
    with whole_file(out / CONFUSION) as file:
        confusion.savefig(file)
