"""Errors and warnings that freqfake raises on its own behalf."""


class FreqFakeError(Exception):
    """Base of every error that freqfake raises itself."""


class ImageReadError(FreqFakeError, OSError):
    """A picture cannot be read: missing, truncated, not a picture, or too large."""


class ImageValueError(FreqFakeError, ValueError):
    """An array is not a picture: wrong shape, data type or range of values."""


class ModelFileError(FreqFakeError, ValueError):
    """A file is not a freqfake model, is damaged, or comes from a newer version."""


class TrainingError(FreqFakeError, ValueError):
    """There is too little, or nothing, to train on."""


class AdaptationError(FreqFakeError, ValueError):
    """The unlabelled pictures do not allow the domain adaptation."""


class OperatingPointError(FreqFakeError, ValueError):
    """The data cannot support the false-alarm rate that was asked for."""


class TableError(FreqFakeError, ValueError):
    """A table cannot be gone on with, or not be written in that format."""


class ClusterError(FreqFakeError, OSError):
    """A cluster to work on cannot be reached."""


class VideoReadError(FreqFakeError, OSError):
    """A video cannot be read: missing, damaged, or without a single frame."""


class MissingExtraError(FreqFakeError, ImportError):
    """A package is missing that one of freqfake's extras installs."""


class DatasetError(FreqFakeError, ValueError):
    """A data set is not complete, or not laid out as its authors laid it out."""


class DeviceMemoryError(FreqFakeError, MemoryError):
    """The batches of a network do not fit the memory."""


class SeparationWarning(UserWarning):
    """The two Gaussians of a mixture are not two separate groups of pictures."""


class AdaptationWarning(UserWarning):
    """A domain adaptation is not to be trusted."""


class UnreadableImageWarning(UserWarning):
    """A picture was left out because it cannot be read."""


class CalibrationWarning(UserWarning):
    """The training pictures do not support likelihood ratios that a verdict needs."""


class DatasetWarning(UserWarning):
    """The files of a data set alone tell its classes, or some of them are missing."""


class DeviceWarning(UserWarning):
    """A network runs on the CPU though nobody asked for that."""
