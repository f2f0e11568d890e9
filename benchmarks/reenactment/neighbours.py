"""Persons who do not exist: neighbours in the latent space of MobileStyleGAN.

The weights are those of the package random_face (Apache-2.0), which OpenVINO runs; no code of that
package is used. A person is a style vector. An expression is a point on the axes along which the
landmarks of random faces vary most; every person's style is moved until it lies there.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.linear_model import Ridge

from .errors import ReenactmentError
from .faces import Pixels, find_landmarks, normalised
from .pictures import save_marked

_N_LATENT, _N_MEAN = 512, 4096
_TRUNCATION = 0.6  # 0 is the mean face
_N_PERSONS, _N_EXPRESSIONS = 16, 24
_N_FITTED, _N_SCORES = 300, 4
_LARGEST = 2.0  # score, in standard deviations of random faces


class MobileStyleGAN:
    """Faces of 512 x 512 from style vectors (512,)."""

    def __init__(self) -> None:
        package = importlib.util.find_spec("random_face")
        if package is None or not package.submodule_search_locations:
            raise ReenactmentError(
                "the weights are not installed: python -m pip install openvino, then "
                "python -m pip install --no-deps random_face==2021.7.21.1"
            )
        import openvino

        folder = Path(package.submodule_search_locations[0]) / "data"
        self._core, self._exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
        self._mapping = self._core.read_model(folder / "MappingNetwork.xml")
        self._synthesis = self._compiled(self._core.read_model(folder / "SynthesisNetwork.xml"))
        outputs = self._synthesis.outputs
        self._picture = next((one for one in outputs if "img" in one.names), outputs[0])
        self._mean = self._styles(_N_MEAN, 0).mean(axis=0)

    def styles(self, n: int, seed: int) -> np.ndarray:
        """Draw styles (n, 512) of random persons."""
        return self._mean + _TRUNCATION * (self._styles(n, seed) - self._mean)

    def face(self, style: np.ndarray) -> Pixels:
        """Make a face."""
        x = self._synthesis({"style": style[None].astype(np.float32)})[self._picture][0]
        pixels = np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
        return np.asarray(Image.fromarray(pixels).reduce(2))

    def _styles(self, n: int, seed: int) -> np.ndarray:
        latent = np.random.RandomState(seed).randn(n, _N_LATENT).astype(np.float32)
        self._mapping.reshape({"var": list(latent.shape)})
        network = self._compiled(self._mapping)
        found: np.ndarray = network({"var": latent})[network.output(0)]
        return found

    def _compiled(self, network: Any) -> Any:
        return self._core.compile_model(network, "CPU", self._exact)


def make_neighbours(out: Path) -> None:
    """Write marked pictures in CFEE's layout: ``EXPRESSION/PERSON.png``."""
    generator = MobileStyleGAN()
    persons, random = generator.styles(_N_PERSONS, 1), generator.styles(_N_FITTED, 2)
    scores = fit_scores(random, [generator.face(style) for style in random])
    size = (_N_EXPRESSIONS, _N_SCORES)
    for number, wanted in enumerate(np.random.default_rng(3).uniform(-_LARGEST, _LARGEST, size)):
        folder = out / f"{number:02}"
        folder.mkdir(parents=True, exist_ok=True)
        for person, style in enumerate(with_scores(persons, wanted, scores)):
            save_marked(folder / f"{person:03}.png", generator.face(style))


def fit_scores(styles: np.ndarray, faces: list[Pixels]) -> Ridge:
    """Regress 4 principal components of the landmarks, in deviations, on styles (n, numbers)."""
    found = [(face, find_landmarks(face)) for face in faces]
    kept = [row for row, (_, landmarks) in enumerate(found) if landmarks is not None]
    turned = np.stack([normalised(*found[row])[1].ravel() for row in kept])
    left, _, _ = np.linalg.svd(turned - turned.mean(axis=0), full_matrices=False)
    return Ridge(alpha=10.0).fit(styles[kept], left[:, :_N_SCORES] * np.sqrt(len(kept)))


def with_scores(styles: np.ndarray, wanted: np.ndarray, scores: Ridge) -> np.ndarray:
    """Move styles by the least that gives them the scores `wanted`, those of one expression."""
    moved: np.ndarray = styles + (wanted - scores.predict(styles)) @ np.linalg.pinv(scores.coef_).T
    return moved
