"""Was this face made by a GAN? Frequency forensics on a CPU, offline, in milliseconds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .exceptions import (
    AdaptationError,
    AdaptationWarning,
    DatasetWarning,
    FreqFakeError,
    ImageReadError,
    ImageValueError,
    ModelFileError,
    SeparationWarning,
    TrainingError,
    UnreadableImageWarning,
)
from .features import FEATURE_NAMES, asynchrony_features
from .io import find_images, read_image
from .spectrum import channel_spectra, full_plane

if TYPE_CHECKING:
    from .adaptation import GaussianExpectationAdapter, GaussianExpectationScaler
    from .detector import Detector, load_detector, train_detector
    from .extraction import AsynchronyTransformer, extract_features, iter_features
    from .mixture import RealFakeMixture
    from .svm import RBFSVMClassifier

__all__ = [
    "FEATURE_NAMES",
    "AdaptationError",
    "AdaptationWarning",
    "AsynchronyTransformer",
    "DatasetWarning",
    "Detector",
    "FreqFakeError",
    "GaussianExpectationAdapter",
    "GaussianExpectationScaler",
    "ImageReadError",
    "ImageValueError",
    "ModelFileError",
    "RBFSVMClassifier",
    "RealFakeMixture",
    "SeparationWarning",
    "TrainingError",
    "UnreadableImageWarning",
    "__version__",
    "asynchrony_features",
    "channel_spectra",
    "extract_features",
    "find_images",
    "full_plane",
    "iter_features",
    "load_detector",
    "read_image",
    "train_detector",
]

# What needs scikit-learn and pandas is imported when it is first used: a program that only wants
# features does not wait for them.
_LATE = {
    "AsynchronyTransformer": "extraction",
    "Detector": "detector",
    "GaussianExpectationAdapter": "adaptation",
    "GaussianExpectationScaler": "adaptation",
    "RBFSVMClassifier": "svm",
    "RealFakeMixture": "mixture",
    "extract_features": "extraction",
    "iter_features": "extraction",
    "load_detector": "detector",
    "train_detector": "detector",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'freqfake' has no attribute {name!r}")
    value = getattr(import_module(f".{_LATE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
