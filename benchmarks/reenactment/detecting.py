"""The detectors of the library on reenacted faces, before and after training on them."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image

import freqfake
from freqfake.deep import train_network
from freqfake.deep.networks.weights import load_embedded, load_network
from freqfake.deep.pictures import as_tensor
from freqfake.exceptions import DeviceWarning, SeparationWarning
from freqfake.features.student import SIZE, student_features
from freqfake.pictures.reading import read_bytes

from ..harness.intervals import auc, figure
from ..harness.treatments import AS_PNG, FILMED, treated
from .faces import Pixels
from .generating import load_generated
from .persons import Persons, reduced

DELIVERIES = (AS_PNG, "512 px, Q40", FILMED)

Compute = Callable[[Pixels], np.ndarray]  # of features
Scores = Callable[[list[Pixels]], list[np.ndarray]]  # before and after training


class _Side(NamedTuple):
    """Real and reenacted faces of a part, delivered in one way, and the person of each."""

    faces: list[Pixels]
    y: np.ndarray
    persons: np.ndarray

    def of(self, label: int) -> list[Pixels]:
        """Faces with a label."""
        return [face for face, y in zip(self.faces, self.y, strict=True) if y == label]


def detect(persons: Persons, folder: Path, epochs: int, dldfd: Path | None) -> pd.DataFrame:
    """Measure all detectors (Petruk, Section 5.4), by the mode of the generator (Section 5.5).

    The AUC of each detector, mode and delivery is measured before and after training on the faces
    of the part ``train`` in eval mode, as they are and delivered. Real and reenacted faces have the
    same size and format.
    """
    train = [_side(persons, folder, "train", "eval", delivery) for delivery in DELIVERIES]
    validate = _side(persons, folder, "validate", "eval", AS_PNG)
    scores = _scores(train, validate, folder / "detectors", epochs, dldfd)
    rows = []
    for mode in ("eval", "train"):
        for delivery in DELIVERIES:
            test = _side(persons, folder, "test", mode, delivery)
            for name, both in scores.items():
                areas = [figure(auc, test.y, s, test.persons) for s in both(test.faces)]
                about = {"generator": f"{mode} mode", "delivery": delivery, "detector": name}
                rows.append({**about, "AUC before": str(areas[0]), "AUC after": str(areas[1])})
    return pd.DataFrame(rows)


def _side(persons: Persons, folder: Path, part: str, mode: str, delivery: str) -> _Side:
    table, made = load_generated(folder, part)
    rows = table[table["mode"] == mode]
    real = reduced(persons.faces[rows.truth], made.shape[1])
    of_rows = persons.table.person.to_numpy()[rows.truth]
    images = [Image.fromarray(face) for face in (*real, *made[rows.index])]
    delivered = [read_bytes(treated(image, delivery))[0] for image in images]
    return _Side(delivered, np.repeat([0, 1], len(rows)), np.tile(of_rows, 2))


def _scores(
    train: list[_Side], validate: _Side, out: Path, epochs: int, dldfd: Path | None
) -> dict[str, Scores]:
    """Scores of each detector, before and after training."""
    found = {name: _spectral(train, *how) for name, how in _SPECTRAL.items()}
    networks = {name: load_embedded(name) for name in ("meso4", "mesoinception4")}
    if dldfd is not None:
        networks["dldfd"] = load_network(dldfd)[0]
    for name, network in networks.items():
        both = (network, _trained(network, train, validate, out / name, epochs))
        found[name] = lambda faces, both=both: [_logits(one, faces) for one in both]
    return found


def _spectral(train: list[_Side], model: str, compute: Compute, make: Any) -> Scores:
    faces = [face for side in train for face in side.faces]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)  # the figures show it
        after = make().fit(_computed(compute, faces), np.concatenate([side.y for side in train]))
    both = (freqfake.load_detector(model), after)

    def scores(faces: list[Pixels]) -> list[np.ndarray]:
        x = _computed(compute, faces)
        return [one.decision_function(x) for one in both]

    return scores


def _computed(compute: Compute, faces: list[Pixels]) -> np.ndarray:
    return np.stack([compute(face) for face in faces])


def _student(face: Pixels) -> np.ndarray:
    return student_features(np.asarray(Image.fromarray(face).resize((SIZE, SIZE))))


_SPECTRAL = {  # embedded model, features, and what is trained on them
    "six features": ("lewoo", freqfake.asynchrony_features, freqfake.RBFSVMClassifier),
    "rich features": ("faces", freqfake.rich_features, freqfake.StandardizedRidgeClassifier),
    "student": ("student", _student, freqfake.StandardizedRidgeClassifier),
}


def _logits(network: Any, faces: list[Pixels]) -> np.ndarray:
    with torch.inference_mode():
        one = [as_tensor(face, network.input_size)[None].float() / 255 for face in faces]
        return np.concatenate([network(x).numpy() for x in one])


def _trained(network: Any, train: list[_Side], validate: _Side, out: Path, epochs: int) -> Any:
    """Train a copy of a network further on reenacted faces."""
    real, fake = ([face for side in train for face in side.of(y)] for y in (0, 1))
    how = {"validation": (validate.of(0), validate.of(1)), "epochs": epochs, "learning_rate": 1e-4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceWarning)
        return train_network(copy.deepcopy(network), real, fake, out, **how).network.eval()
