"""Deep detectors: DLDFD, Meso4 and MesoInception4. Needs ``pip install "freqfake[deep]"``."""

from .._optional import extra

with extra("deep", "torch"):
    import torch as _torch  # noqa: F401  # first of all, so that what is missing is named at once

from .detector import DeepDetector, load_deep_detector
from .dldfd import DLDFD
from .imagenet import load_imagenet
from .mesonet import Meso4, MesoInception4
from .resnet import ResNet50
from .training import Training, train_network
from .weights import import_keras_weights, load_network, save_network

__all__ = [
    "DLDFD",
    "DeepDetector",
    "Meso4",
    "MesoInception4",
    "ResNet50",
    "Training",
    "import_keras_weights",
    "load_deep_detector",
    "load_imagenet",
    "load_network",
    "save_network",
    "train_network",
]
