from ._version import __version__ as __version__
from .batch.extraction import (
    AsynchronyTransformer as AsynchronyTransformer,
)
from .batch.extraction import (
    extract_features as extract_features,
)
from .batch.extraction import (
    iter_features as iter_features,
)
from .detector.detector import (
    Detector as Detector,
)
from .detector.detector import (
    load_detector as load_detector,
)
from .detector.training import train_detector as train_detector
from .estimators.adaptation import GaussianExpectationAdapter as GaussianExpectationAdapter
from .estimators.expectations import GaussianExpectationScaler as GaussianExpectationScaler
from .estimators.mixture import RealFakeMixture as RealFakeMixture
from .estimators.ridge import StandardizedRidgeClassifier as StandardizedRidgeClassifier
from .estimators.svm import RBFSVMClassifier as RBFSVMClassifier
from .evidence.audit import (
    Audit as Audit,
)
from .evidence.audit import (
    audit_files as audit_files,
)
from .exceptions import (
    AdaptationError as AdaptationError,
)
from .exceptions import (
    AdaptationWarning as AdaptationWarning,
)
from .exceptions import (
    CalibrationWarning as CalibrationWarning,
)
from .exceptions import (
    ClusterError as ClusterError,
)
from .exceptions import (
    DatasetError as DatasetError,
)
from .exceptions import (
    DatasetWarning as DatasetWarning,
)
from .exceptions import (
    DeviceMemoryError as DeviceMemoryError,
)
from .exceptions import (
    DeviceWarning as DeviceWarning,
)
from .exceptions import (
    FreqFakeError as FreqFakeError,
)
from .exceptions import (
    ImageReadError as ImageReadError,
)
from .exceptions import (
    ImageValueError as ImageValueError,
)
from .exceptions import (
    MissingExtraError as MissingExtraError,
)
from .exceptions import (
    ModelFileError as ModelFileError,
)
from .exceptions import (
    OperatingPointError as OperatingPointError,
)
from .exceptions import (
    SeparationWarning as SeparationWarning,
)
from .exceptions import (
    TableError as TableError,
)
from .exceptions import (
    TrainingError as TrainingError,
)
from .exceptions import (
    UnreadableImageWarning as UnreadableImageWarning,
)
from .exceptions import (
    VideoReadError as VideoReadError,
)
from .features.asynchrony import (
    FEATURE_NAMES as FEATURE_NAMES,
)
from .features.asynchrony import (
    asynchrony_features as asynchrony_features,
)
from .features.rich import (
    rich_feature_names as rich_feature_names,
)
from .features.rich import (
    rich_features as rich_features,
)
from .features.spectrum import (
    channel_spectra as channel_spectra,
)
from .features.spectrum import (
    full_plane as full_plane,
)
from .pictures.finding import find_images as find_images
from .pictures.reading import read_image as read_image
