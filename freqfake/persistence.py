"""Model files: arrays and JSON, never code.

A model file is a NumPy ``.npz`` archive. Its entry ``manifest`` is JSON: the format version and
the tree of objects, in which arrays are named by their entry. Only classes of the closed list
below are ever built, by setting their parameters and their fitted attributes (those whose names
end in an underscore).
"""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .adaptation import GaussianExpectationAdapter, GaussianExpectationScaler
from .calibration import LikelihoodRatioCalibrator
from .domain import TrainingDomain
from .exceptions import ModelFileError
from .feature_range import ClassDistance, NeighbourDistance
from .io import PathLike
from .linear import StandardizedRidgeClassifier
from .mixture import RealFakeMixture
from .svm import RBFSVMClassifier

FORMAT_VERSION = 1

_CLASSES = {
    cls.__name__: cls
    for cls in (
        ClassDistance,
        GaussianExpectationAdapter,
        GaussianExpectationScaler,
        LikelihoodRatioCalibrator,
        NeighbourDistance,
        RBFSVMClassifier,
        RealFakeMixture,
        StandardizedRidgeClassifier,
        TrainingDomain,
    )
}
_MAX_BYTES = 1 << 28  # of a model file, unpacked; the embedded ones have some ten thousand
_Arrays = dict[str, npt.NDArray[Any]]


def save_state(path: PathLike, state: dict[str, Any]) -> None:
    """Write estimators, arrays and plain values to a model file, all or nothing.

    Parameters
    ----------
    path : str or path-like
    state : dict
        Names to estimators of this package, or to what JSON can hold.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    arrays: _Arrays = {}
    content = {"format": FORMAT_VERSION, "state": _encode(state, arrays)}
    entries: dict[str, Any] = {"manifest": np.array(json.dumps(content)), **arrays}
    target = Path(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            np.savez_compressed(file, **entries)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def load_state(path: PathLike) -> dict[str, Any]:
    """Read what :func:`save_state` wrote.

    Raises
    ------
    ModelFileError
        There is no such file, or it is damaged, of a newer format, or no model file at all.
    """
    name = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                raise ModelFileError(f"{name} unpacks to more than {_MAX_BYTES} bytes: no model")
        with np.load(path, allow_pickle=False) as entries:
            arrays = dict(entries)
        content = json.loads(str(arrays.pop("manifest")))
        if content["format"] > FORMAT_VERSION:
            raise ModelFileError(
                f"{name} has model format {content['format']}, this version of freqfake reads up "
                f"to {FORMAT_VERSION}: upgrade it with pip install -U freqfake"
            )
        return dict(_decode(content["state"], arrays))
    except ModelFileError:
        raise
    except FileNotFoundError:
        raise ModelFileError(
            f"no such model: {name} is neither a file nor the name of an embedded model"
        ) from None
    except Exception as error:  # a damaged file can make the readers raise anything
        raise ModelFileError(f"{name} is not a freqfake model or is damaged: {error}") from error


def _encode(value: Any, arrays: _Arrays) -> Any:
    if type(value).__name__ in _CLASSES:
        fitted = {k: v for k, v in vars(value).items() if k.endswith("_")}
        members = {**value.get_params(deep=False), **fitted}
        return {"class": type(value).__name__, "members": _encode(members, arrays)}
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("only arrays of numbers and text can be stored")
        key = f"array_{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, dict):
        return {"dict": {key: _encode(item, arrays) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _decode(value: Any, arrays: _Arrays) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "dict" in value:
        return {key: _decode(item, arrays) for key, item in value["dict"].items()}
    estimator = _CLASSES[value["class"]]()
    members = _decode(value["members"], arrays)
    parameters = estimator.get_params(deep=False)
    for key, member in members.items():
        if key not in parameters and (key.startswith("_") or not key.endswith("_")):
            raise ValueError(f"unknown member {key!r} of {value['class']}")
        setattr(estimator, key, member)
    return estimator
