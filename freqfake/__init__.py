"""Was this face made by a GAN? Frequency forensics on a CPU, offline, in milliseconds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .exceptions import (
    AdaptationError,
    AdaptationWarning,
    CalibrationWarning,
    ClusterError,
    DatasetError,
    DatasetWarning,
    DeviceMemoryError,
    DeviceWarning,
    FreqFakeError,
    ImageReadError,
    ImageValueError,
    MissingExtraError,
    ModelFileError,
    OperatingPointError,
    SeparationWarning,
    TableError,
    TrainingError,
    UnreadableImageWarning,
    VideoReadError,
)
from .features import FEATURE_NAMES, asynchrony_features
from .io import find_images, read_image
from .rich import rich_feature_names, rich_features
from .spectrum import channel_spectra, full_plane

if TYPE_CHECKING:
    from .adaptation import GaussianExpectationAdapter, GaussianExpectationScaler
    from .audit import Audit, audit_files
    from .detector import Detector, load_detector
    from .extraction import AsynchronyTransformer, extract_features, iter_features
    from .linear import StandardizedRidgeClassifier
    from .mixture import RealFakeMixture
    from .svm import RBFSVMClassifier
    from .training import train_detector

__all__ = [
    "FEATURE_NAMES",
    "AdaptationError",
    "AdaptationWarning",
    "AsynchronyTransformer",
    "Audit",
    "CalibrationWarning",
    "ClusterError",
    "DatasetError",
    "DatasetWarning",
    "Detector",
    "DeviceMemoryError",
    "DeviceWarning",
    "FreqFakeError",
    "GaussianExpectationAdapter",
    "GaussianExpectationScaler",
    "ImageReadError",
    "ImageValueError",
    "MissingExtraError",
    "ModelFileError",
    "OperatingPointError",
    "RBFSVMClassifier",
    "RealFakeMixture",
    "SeparationWarning",
    "StandardizedRidgeClassifier",
    "TableError",
    "TrainingError",
    "UnreadableImageWarning",
    "VideoReadError",
    "__version__",
    "asynchrony_features",
    "audit_files",
    "channel_spectra",
    "extract_features",
    "find_images",
    "full_plane",
    "iter_features",
    "load_detector",
    "read_image",
    "rich_feature_names",
    "rich_features",
    "train_detector",
]

# What needs scikit-learn and pandas is imported when it is first used: a program that only wants
# features does not wait for them.
_LATE = {
    "AsynchronyTransformer": "extraction",
    "Audit": "audit",
    "Detector": "detector",
    "GaussianExpectationAdapter": "adaptation",
    "GaussianExpectationScaler": "adaptation",
    "RBFSVMClassifier": "svm",
    "RealFakeMixture": "mixture",
    "audit_files": "audit",
    "extract_features": "extraction",
    "iter_features": "extraction",
    "load_detector": "detector",
    "StandardizedRidgeClassifier": "linear",
    "train_detector": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'freqfake' has no attribute {name!r}")
    value = getattr(import_module(f".{_LATE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
