"""Errors and warnings of freqfake."""


class FreqFakeError(Exception):
    """Base class of freqfake's errors."""


class ImageReadError(FreqFakeError, OSError):
    """A picture cannot be read: missing, truncated, not a picture, or too large."""


class ImageValueError(FreqFakeError, ValueError):
    """An array is not a picture: wrong shape, data type or range of values."""


class NoFaceError(FreqFakeError, ValueError):
    """A picture shows no face that is upright and large enough."""


class ModelFileError(FreqFakeError, ValueError):
    """A file is not a freqfake model, is damaged, or comes from a newer version."""


class TrainingError(FreqFakeError, ValueError):
    """There is too little, or nothing, to train on."""


class AdaptationError(FreqFakeError, ValueError):
    """The unlabelled pictures do not allow the domain adaptation."""


class OperatingPointError(FreqFakeError, ValueError):
    """The data cannot support the requested false-alarm rate."""


class TableError(FreqFakeError, ValueError):
    """A table cannot be resumed: it is another one, or its rows were made differently."""


class OutputInUseError(FreqFakeError, OSError):
    """Another run is writing the same output."""


class ClusterError(FreqFakeError, OSError):
    """A cluster cannot be reached."""


class VideoReadError(FreqFakeError, OSError):
    """A video cannot be read: missing, damaged, or without frames."""


class MissingExtraError(FreqFakeError, ImportError):
    """A package that one of freqfake's extras installs is missing."""


class DatasetError(FreqFakeError, ValueError):
    """A data set is incomplete, or not laid out as its authors published it."""


class DeviceMemoryError(FreqFakeError, MemoryError):
    """The batches of a network do not fit in memory."""


class SeparationWarning(UserWarning):
    """The two Gaussians of a mixture are not two separate groups of pictures."""


class AdaptationWarning(UserWarning):
    """A domain adaptation cannot be trusted."""


class UnreadableImageWarning(UserWarning):
    """A picture was left out because it cannot be read."""


class CalibrationWarning(UserWarning):
    """The training pictures do not support the likelihood ratios that a verdict needs."""


class DatasetWarning(UserWarning):
    """The files of a data set alone reveal its classes, or some are missing."""


class DeviceWarning(UserWarning):
    """A network runs on the CPU although that was not requested."""
