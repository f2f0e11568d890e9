"""Persons who do not exist: neighbours in the latent space of MobileStyleGAN.

The weights are those of the package random_face (Apache-2.0), which OpenVINO runs; no code of that
package is used. A person is a latent vector, a picture of the person that vector, moved a little.
"""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import ReenactmentError
from .pictures import save_marked

_N_LATENT, _N_MEAN = 512, 4096
_TRUNCATION = 0.6  # 0 is the mean face
_STEP = 0.25  # of the way to another face


def make_neighbours(out: Path, n_persons: int, n_pictures: int, seed: int = 0) -> None:
    """Write `n_pictures` of each of `n_persons` as PNG of 512 x 512 and the mark, a folder each."""
    package = importlib.util.find_spec("random_face")
    if package is None or not package.submodule_search_locations:
        raise ReenactmentError(
            "the weights are not installed: python -m pip install openvino, then "
            "python -m pip install --no-deps random_face==2021.7.21.1"
        )
    import openvino

    folder = Path(package.submodule_search_locations[0]) / "data"
    core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    mapping = core.read_model(folder / "MappingNetwork.xml")
    synthesis = core.compile_model(core.read_model(folder / "SynthesisNetwork.xml"), "CPU", exact)
    picture = next((o for o in synthesis.outputs if "img" in o.names), synthesis.outputs[0])

    def styles(n: int, seed: int) -> np.ndarray:
        latent = np.random.RandomState(seed).randn(n, _N_LATENT).astype(np.float32)
        mapping.reshape({"var": list(latent.shape)})
        network = core.compile_model(mapping, "CPU", exact)
        found: np.ndarray = network({"var": latent})[network.output(0)]
        return found

    mean = styles(_N_MEAN, 0).mean(axis=0)
    centres = mean + _TRUNCATION * (styles(n_persons, seed + 1) - mean)
    others = styles(n_persons * n_pictures, seed + 2).reshape(n_persons, n_pictures, -1)
    for person, (centre, moves) in enumerate(zip(centres, others, strict=True)):
        of_person = out / f"person{person:03}"
        of_person.mkdir(parents=True, exist_ok=True)
        for number, other in enumerate(moves):
            file = of_person / f"{number:02}.png"
            if file.exists():
                continue
            style = (centre + _STEP * (other - mean))[None].astype(np.float32)
            x = synthesis({"style": style})[picture][0]
            pixels = np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
            save_marked(file, np.asarray(Image.fromarray(pixels).reduce(2)))
