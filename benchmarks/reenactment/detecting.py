"""The detectors of the library on reenacted faces, before and after training on them."""

import copy
import functools
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
from ..harness.treatments import FILMED, png, treated
from .faces import Pixels
from .generating import load_generated
from .persons import Persons, reduced

DELIVERIES = ("512 px, Q40", FILMED)
_AS_IS = "as is"
_SPECTRAL = {  # embedded model, features, and what is trained on them
    "six features": ("lewoo", freqfake.asynchrony_features, freqfake.RBFSVMClassifier),
    "rich features": ("faces", freqfake.rich_features, freqfake.StandardizedRidgeClassifier),
    "student": ("student", student_features, freqfake.StandardizedRidgeClassifier),
}
_NETWORKS = ("meso4", "mesoinception4")

Score = Callable[[list[Pixels]], np.ndarray]


class _Side(NamedTuple):
    """Real and reenacted faces of a part, delivered in one way, and the person of each."""

    faces: list[Pixels]
    y: np.ndarray
    persons: np.ndarray

    def of(self, label: int) -> list[Pixels]:
        """Faces with a label."""
        return [face for face, y in zip(self.faces, self.y, strict=True) if y == label]


def detect(
    persons: Persons, folder: Path, *, epochs: int = 5, dldfd: Path | None = None
) -> pd.DataFrame:
    """Measure all detectors (Petruk, Section 5.4), by the mode of the generator (Section 5.5).

    The AUC of each detector, mode and delivery is measured before and after training on the faces
    of the part ``train`` in eval mode, as they are and delivered. Real and reenacted faces have the
    same size and format.
    """
    train = [
        _side(persons, folder, "train", "eval", delivery) for delivery in (_AS_IS, *DELIVERIES)
    ]
    validate = _side(persons, folder, "validate", "eval", _AS_IS)
    scores = _scores(train, validate, folder / "detectors", epochs, dldfd)
    rows = []
    for mode in ("eval", "train"):
        for delivery in (_AS_IS, *DELIVERIES):
            test = _side(persons, folder, "test", mode, delivery)
            for name, (before, after) in scores.items():
                areas = [figure(auc, test.y, s(test.faces), test.persons) for s in (before, after)]
                about = {"generator": f"{mode} mode", "delivery": delivery, "detector": name}
                rows.append({**about, "AUC before": str(areas[0]), "AUC after": str(areas[1])})
    return pd.DataFrame(rows)


def _side(persons: Persons, folder: Path, part: str, mode: str, delivery: str) -> _Side:
    table, made = load_generated(folder, part)
    rows = table[table["mode"] == mode]
    real = reduced(persons.faces[rows.truth], made.shape[1])
    of_rows = persons.table.person.to_numpy()[rows.truth]
    faces = [_delivered(face, delivery) for face in (*real, *made[rows.index])]
    return _Side(faces, np.repeat([0, 1], len(rows)), np.tile(of_rows, 2))


def _delivered(face: Pixels, delivery: str) -> Pixels:
    image = Image.fromarray(face)
    data = png(image) if delivery == _AS_IS else treated(image, delivery)
    return read_bytes(data)[0]


def _scores(
    train: list[_Side], validate: _Side, out: Path, epochs: int, dldfd: Path | None
) -> dict[str, tuple[Score, Score]]:
    """Scores of each detector, before and after training."""
    faces = [face for side in train for face in side.faces]
    y = np.concatenate([side.y for side in train])
    found: dict[str, tuple[Score, Score]] = {}
    for name, (model, compute, make) in _SPECTRAL.items():
        features = functools.partial(_features, compute, name == "student")
        before = freqfake.load_detector(model).decision_function
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)  # the figures show it
            after = make().fit(features(faces), y).decision_function
        found[name] = tuple(functools.partial(_decided, features, f) for f in (before, after))
    networks = {name: load_embedded(name) for name in _NETWORKS}
    if dldfd is not None:
        networks["dldfd"] = load_network(dldfd)[0]
    for name, network in networks.items():
        before = functools.partial(_logits, network)
        again = _trained(network, train, validate, out / name, epochs)
        found[name] = (before, functools.partial(_logits, again))
    return found


def _features(
    compute: Callable[[Any], np.ndarray], of_face: bool, faces: list[Pixels]
) -> np.ndarray:
    size = (SIZE, SIZE)
    shown = [np.asarray(Image.fromarray(f).resize(size)) if of_face else f for f in faces]
    return np.stack([compute(face) for face in shown])


def _decided(
    features: Callable[[list[Pixels]], np.ndarray],
    decide: Callable[[np.ndarray], np.ndarray],
    faces: list[Pixels],
) -> np.ndarray:
    return decide(features(faces))


def _logits(network: Any, faces: list[Pixels]) -> np.ndarray:
    with torch.inference_mode():
        one = [as_tensor(face, network.input_size)[None].float() / 255 for face in faces]
        return np.concatenate([network(x).numpy() for x in one])


def _trained(network: Any, train: list[_Side], validate: _Side, out: Path, epochs: int) -> Any:
    """Train a copy of a network further on reenacted faces."""
    real, fake = ([face for side in train for face in side.of(y)] for y in (0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceWarning)
        training = train_network(
            copy.deepcopy(network),
            real,
            fake,
            out,
            validation=(validate.of(0), validate.of(1)),
            epochs=epochs,
            batch_size=16,
            learning_rate=1e-4,
            mixed_precision=False,
            resume=True,
        )
    return training.network.eval()
