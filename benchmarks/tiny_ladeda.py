"""Tiny-LaDeDa, a published network of 1,297 parameters, with its published weights.

B. Cavia, E. Horwitz, T. Reiss and Y. Hoshen, "Real-Time Deepfake Detection in the Real-World",
arXiv:2406.09398 (2024). The weights are the files ``*_Tiny_LaDeDa.pth`` in the authors' repository,
barcavia/RealTime-DeepfakeDetection-in-the-RealWorld. They are not part of this project.

The repository does not say what the two networks were fed. The variances that their first batch
normalisation has learned do: pictures give those of ``WildRF`` as gradients along the right
diagonal, the default there, and those of ``ForenSynth`` as the relations of neighbouring pixels of
Tan et al., CVPR 2024; with the other input they are 10 to 100 times as large or as small.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from freqfake.pictures.arrays import to_pil
from freqfake.pictures.facts import ImageFacts

from .harness.config import Config
from .harness.detectors import FILES, held_out_scores
from .harness.intervals import auc, figure
from .harness.report import Report, marked
from .harness.store import Kind
from .harness.treatments import AS_IS

NAME = "Tiny-LaDeDa"
_SIDE = 256  # pixels, to which the published test resizes every picture
_MIDDLE = 512  # pixels, of the middle that is scored without resizing
_ENDING = "_Tiny_LaDeDa.pth"
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_GRADIENT = [[-2.0, -1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 1.0, 2.0]]  # along the right diagonal
_FED_RELATIONS = "ForenSynth"  # with what it was trained on, in the name of the file


def tiny_ladeda(config: Config, report: Report) -> None:
    """AUC of Tiny-LaDeDa on every set, with its published weights."""
    weights = found_weights(config.roots)
    if not weights:
        return
    config.store.kinds[NAME] = kind(weights)
    rows = []
    for entry in config.sets:
        pictures = config.pictures(entry)
        scores = pictures.X(NAME)
        files = figure(auc, pictures.y, held_out_scores(FILES, pictures)[AS_IS], pictures.persons)
        row = {"set": entry.title}
        for title, column in zip(titles(weights), scores.T, strict=True):
            found = figure(auc, pictures.y, column, pictures.persons)
            row[title] = marked(str(found), found.value, files.value)
        rows.append({**row, "files alone": files})
    report.table("tiny_ladeda", pd.DataFrame(rows))


def found_weights(folders: Iterable[str | Path]) -> list[Path]:
    """Find the weights below some folders; say on stderr if they cannot be used."""
    folders = list(folders)
    found = {path.name: path for folder in folders for path in Path(folder).rglob(f"*{_ENDING}")}
    if not found:
        places = ", ".join(map(str, folders)) or "any folder"
        print(f"{NAME} left out: no *{_ENDING} in {places}", file=sys.stderr)
    elif find_spec("torch") is None:
        print(f"{NAME} left out: it needs torch: python -m pip install torch", file=sys.stderr)
        return []
    return [found[name] for name in sorted(found)]


def titles(weights: list[Path]) -> list[str]:
    """Names of the scores of each file of weights: as its authors test it, and without resizing."""
    names = [path.name.removesuffix(_ENDING) for path in weights]
    return [f"{NAME}, {name}, {size}" for name in names for size in (f"{_SIDE} px", "not resized")]


def kind(weights: list[Path]) -> Kind:
    """Make a kind of features of the scores: logits, positive for fake."""
    return Kind(partial(_scores, weights), (sys.modules[__name__],), tuple(weights))


def _scores(weights: list[Path], pixels: np.ndarray, facts: ImageFacts) -> np.ndarray:
    image = to_pil(pixels).convert("RGB")
    resized = image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    left, top = (max(length - _MIDDLE, 0) // 4 * 2 for length in image.size)
    middle = image.crop((left, top, *np.minimum((left + _MIDDLE, top + _MIDDLE), image.size)))
    return np.array([_logit(path, each) for path in weights for each in (resized, middle)])


def _logit(path: Path, image: Image.Image) -> float:
    import torch

    scaled = (np.asarray(image, np.float32) / 255 - np.float32(_MEAN)) / np.float32(_DEVIATION)
    planes = torch.from_numpy(scaled).permute(2, 0, 1)[np.newaxis]
    with torch.inference_mode():
        fed = _relations(planes) if _FED_RELATIONS in path.name else _gradients(planes)
        return float(network_of(path)(fed))


def _relations(planes: Any) -> Any:
    """Differences of each pixel from the first of its square of four."""
    n_rows, n_cols = (length // 2 * 2 for length in planes.shape[-2:])
    first = planes[..., :n_rows:2, :n_cols:2]
    repeated = first.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)
    return planes[..., :n_rows, :n_cols] - repeated


def _gradients(planes: Any) -> Any:
    import torch

    kernel = torch.tensor(_GRADIENT).expand(3, 1, 3, 3)
    return torch.nn.functional.conv2d(planes, kernel, groups=3, padding=1)


@lru_cache
def network_of(path: Path) -> Any:
    """Make the network, and load its weights from a file."""
    import torch

    torch.set_num_threads(1)  # the processes already use all cores
    network = new_network()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def new_network() -> Any:
    """Make the network with random weights, named as in the published files."""
    from torch import nn

    block = OrderedDict(
        conv1=nn.Conv2d(8, 8, 1, bias=False),
        bn1=nn.BatchNorm2d(8),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(8, 8, 3, stride=2, bias=False),
        bn2=nn.BatchNorm2d(8),
        relu2=nn.ReLU(),
    )
    layers = OrderedDict(
        conv1=nn.Conv2d(3, 8, 1, bias=False),
        conv2=nn.Conv2d(8, 8, 3, bias=False),
        bn1=nn.BatchNorm2d(8),
        relu=nn.ReLU(),
        layer1=nn.Sequential(nn.Sequential(block)),
        pool=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(),
        fc=nn.Linear(8, 1),
    )
    return nn.Sequential(layers)
