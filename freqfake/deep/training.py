"""Training of a network by the recipe of its paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import torch

from .._files import PathLike
from ..batch.parallel import Inputs
from ..batch.runs import only_run
from ..exceptions import TrainingError
from .device import find_device
from .epochs import AUGMENTATIONS, CHECKPOINT, Board, Recipe, Run, Training
from .networks.weights import Network, network_name
from .pictures import split_pictures

_MESO = Recipe(25, 75, (1e-3, 1e-4, 1e-5, 1e-6), "slightly_changed")
RECIPES = {
    "dldfd": Recipe(25, 32, (1e-3,), "mirrored"),
    "meso4": _MESO,
    "mesoinception4": _MESO,
    "student": Recipe(16, 32, (1e-3, 5e-4, 2e-4, 5e-5), "partly_covered", weight_decay=0.02),
}


class TrainingOptions(TypedDict, total=False):
    """Options of :func:`train_network` that an evaluation passes on."""

    epochs: int | None
    batch_size: int | None
    learning_rate: float | Sequence[float] | None
    workers: int
    seed: int
    resume: bool


def train_network(
    network: Network,
    real: Inputs,
    fake: Inputs,
    out: PathLike,
    *,
    validation: float | tuple[Inputs, Inputs] = 0.2,
    teacher: Network | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | Sequence[float] | None = None,
    augmentation: str | None = None,
    device: str | torch.device = "auto",
    mixed_precision: bool | None = None,
    workers: int = 0,
    seed: int = 0,
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = False,
) -> Training:
    """Train a network to distinguish generated from real pictures.

    Adam minimises binary cross-entropy with weights from the class counts. The other defaults
    follow the papers: for DLDFD 25 epochs at a rate of 0.001 with random mirroring (Singh &
    Ramachandra 2022, Section 4); for the MesoNets a rate that falls from 1e-3 to 1e-6 in powers
    of ten, and slight changes of the pictures (Afchar et al. 2018, Section 3.1). For the student 16
    epochs at a rate that falls from 1e-3 to 5e-5, with weight decay, and pictures that are cropped
    and covered in part.

    Parameters
    ----------
    network : DLDFD, Meso4, MesoInception4 or Student
        Network to start from. It is modified.
    real, fake : path or iterable of paths, arrays and PIL images
        Pictures, or crops of faces, to train on.
    out : path
        Folder for the results: ``best.safetensors``, the network after the epoch
        with the highest AUC on the validation pictures; ``checkpoint.safetensors``; ``log.csv``;
        ``curves.png`` and ``confusion.png``.
    validation : float or tuple of two inputs
        Share of each class to hold out for validation, drawn at random; or real and generated
        validation pictures. Pass these if several pictures show one person.
    teacher : DLDFD, Meso4, MesoInception4 or Student, optional
        A trained network whose probabilities are mixed half and half with the labels of the
        training pictures. Its input must have the size of `network`'s.
    epochs, batch_size, learning_rate
        Replace the defaults above. A given rate holds for all epochs, each of several for an equal
        share of them.
    augmentation : {"mirrored", "slightly_changed", "partly_covered"}, optional
        Random changes of the training pictures, see :mod:`freqfake.deep.pictures`; replaces that of
        the paper.
    device, mixed_precision
        See :mod:`freqfake.deep.device`; 16 bits are used by default on a GPU.
    workers : int
        Processes that read pictures; with 0, this process reads them.
    seed : int
        Seed of all random choices. On a CPU the same seed gives the same network.
    resume : bool
        Continue after the last finished epoch in `out`, with the result of an uninterrupted run;
        without one, start a new run. A run at a constant rate may be given more epochs.
    tensorboard : bool
        Log to ``out/tensorboard`` too.
    progress : bool
        Show a bar for each epoch on stderr.

    Returns
    -------
    Training

    Raises
    ------
    TrainingError
        There are too few pictures, the loss is no longer a number, or `out` holds another
        training.
    OutputInUseError
        Another training is writing to `out`.
    ValueError
        `teacher` takes pictures of another size than `network`, a number is out of range, or
        `augmentation` has an unknown name.
    DeviceMemoryError
        The batches are too large for the memory.

    Warns
    -----
    UnreadableImageWarning
        For each picture that cannot be read.
    DeviceWarning
        There is no GPU.
    """
    if teacher is not None and teacher.input_size != network.input_size:
        raise ValueError(
            f"`teacher` must take pictures of {network.input_size} pixels, as `network` does; got "
            f"one for {teacher.input_size}"
        )
    recipe = _recipe(network, epochs, batch_size, learning_rate, augmentation)
    train, held_out = split_pictures(real, fake, validation, network.input_size, seed)
    where = find_device(device)
    run = Run(
        network, recipe, train, held_out, Path(out), where, mixed_precision, workers, seed, teacher
    )
    run.out.mkdir(parents=True, exist_ok=True)
    with only_run(run.out / CHECKPOINT):
        if resume and (run.out / CHECKPOINT).exists():
            run.resume()
        elif (run.out / CHECKPOINT).exists():
            raise TrainingError(
                f"{run.out} already holds a training: continue it (resume, --resume), or choose "
                "another folder"
            )
        if not run.log:
            run.ask_teacher(progress)
        with Board(run.out / "tensorboard" if tensorboard else None) as board:
            while len(run.log) < recipe.epochs:
                board.add(run.epoch(progress))
        return run.finished()


def _recipe(
    network: Network,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | Sequence[float] | None,
    augmentation: str | None,
) -> Recipe:
    usual = RECIPES[network_name(network)]
    rates = usual.learning_rates if learning_rate is None else _as_tuple(learning_rate)
    recipe = Recipe(
        usual.epochs if epochs is None else epochs,
        usual.batch_size if batch_size is None else batch_size,
        rates,
        usual.augmentation if augmentation is None else augmentation,
        usual.weight_decay,
    )
    if recipe.epochs < 1 or recipe.batch_size < 1 or min(rates, default=0) <= 0:
        raise ValueError(
            "`epochs` and `batch_size` must be at least 1 and `learning_rate` above 0; got "
            f"{epochs}, {batch_size} and {learning_rate}"
        )
    if recipe.augmentation not in AUGMENTATIONS:
        raise ValueError(
            f"`augmentation` must be one of {', '.join(AUGMENTATIONS)}; got {augmentation}"
        )
    return recipe


def _as_tuple(rates: float | Sequence[float]) -> tuple[float, ...]:
    return (rates,) if isinstance(rates, (int, float)) else tuple(rates)
