"""Model files of detectors: arrays and plain values, never code.

The state of a detector becomes a JSON tree, in which arrays are named by their place. Loading
builds only classes of a closed list, and sets only their known members, each with its required
type and shape.
"""

import contextlib
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .._files import PathLike
from .._text import did_you_mean
from ..exceptions import ModelFileError
from .schema import (
    CLASSES,
    DETECTOR,
    MEMBERS,
    OPTIONAL,
    check_members,
    check_parts_fit,
    class_of,
    name_of,
)
from .tensors import Arrays, digest, read_tensors, write_tensors
from .untrusted import refused_by_name

_WHAT = "model of freqfake"
_EMBEDDED = resources.files("freqfake.model_files") / "embedded"
_ENDING = ".safetensors"
_MAX_DEPTH = 32  # of the tree; an adapted detector has 8


def state_digest(state: dict[str, Any]) -> str:
    """Digest of a detector's state, which any different number or word changes.

    Parameters
    ----------
    state : dict
        Estimators of this package, arrays and JSON values by name: ``vars(detector)``. Parts that
        may be missing count only if they are not None.

    Returns
    -------
    str
        Hexadecimal SHA-256 of the tree as JSON and of the name, data type, shape and bytes of
        every array in it. The same before and after saving, on any machine.

    Examples
    --------
    >>> from freqfake.model_files.state import state_digest
    >>> state_digest({"a": 1.0})[:12], state_digest({"a": 1.5})[:12]
    ('22eb1dc7c251', '1237b30ce385')
    """
    arrays: Arrays = {}
    return digest(_encode(_present(state), arrays), arrays)


def save_state(path: PathLike, state: dict[str, Any]) -> None:
    """Write the state of a detector to a model file, all or nothing.

    Parameters
    ----------
    path : str or path-like
    state : dict
        See :func:`state_digest`.

    Raises
    ------
    OSError
        The file cannot be written.
    TypeError, ValueError
        The state is not that of a detector: the file could not be loaded.
    """
    arrays: Arrays = {}
    tree = _encode(_present(state), arrays)
    _checked(tree, dict(arrays))
    write_tensors(path, "detector", tree, arrays)


def load_state(model: PathLike) -> dict[str, Any]:
    """Read what :func:`save_state` wrote, and check its SHA-256.

    Parameters
    ----------
    model : str or path-like
        A file, or the name of an embedded model.

    Raises
    ------
    ModelFileError
        The file does not exist, is damaged, has another format, or is not a model file.
    """
    with refused_by_name(model, _WHAT, missing=lambda: _why_missing(model)):
        manifest, arrays = _read(model)
        return _checked(manifest["state"], arrays)


def read_manifest(model: PathLike) -> dict[str, Any]:
    """Read the manifest of a model file, without building any object.

    Parameters
    ----------
    model : str or path-like
        A file that :meth:`freqfake.Detector.save` wrote, or the name of an embedded model.

    Returns
    -------
    dict
        ``format``, the format version; ``sha256``, checked against the content; and ``state``:
        ``features``, ``spectrum``, ``max_fpr``, the objects, and ``info``: the name, the versions
        used in training, the training files, the figures of merit. Each array is given as
        ``{"$array": name}``.

    Raises
    ------
    ModelFileError
        See :func:`load_state`.

    Examples
    --------
    >>> from freqfake.model_files.state import read_manifest
    >>> manifest = read_manifest("lewoo")
    >>> manifest["format"], manifest["state"]["features"], manifest["state"]["info"]["name"]
    (1, 'asynchrony', 'lewoo')
    """
    with refused_by_name(model, _WHAT, missing=lambda: _why_missing(model)):
        return _read(model)[0]


def _present(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a model lacks, as files of models without it do."""
    return {k: v for k, v in state.items() if v is not None or k not in OPTIONAL}


def _read(model: PathLike) -> tuple[dict[str, Any], Arrays]:
    with _located(model) as path:
        return read_tensors(path, "detector")


@contextlib.contextmanager
def _located(model: PathLike) -> Iterator[Path]:
    """Path of a model file, which may be embedded."""
    embedded = _EMBEDDED / f"{model}{_ENDING}"
    if isinstance(model, str) and model.isidentifier() and embedded.is_file():
        with resources.as_file(embedded) as path:
            yield path
    else:
        yield Path(model)


def _why_missing(model: PathLike) -> str:
    """Say that the model is missing, and suggest a similar name."""
    files = [Path(file.name) for file in _EMBEDDED.iterdir()]
    known = [file.stem for file in files if file.suffix == _ENDING]
    known += map(str, Path(model).parent.glob(f"*{_ENDING}"))
    hint = did_you_mean(os.fspath(model), known)
    return f" is neither a file nor the name of an embedded model{hint}"


def _checked(tree: Any, arrays: Arrays) -> dict[str, Any]:
    """Build the state of a detector, and check everything in it; this uses up `arrays`."""
    state = _decode(tree, arrays)
    if arrays:
        raise ModelFileError(f"holds unused arrays: {', '.join(sorted(arrays))}")
    check_members(state, DETECTOR, "the detector")
    check_parts_fit(state)
    return dict(state)


def _encode(value: Any, arrays: Arrays, *place: str) -> Any:
    """Make a tree for JSON; move its arrays to `arrays`, named by their place in the tree."""
    kind = name_of(type(value))
    if kind:
        return {"$class": kind, **_encode(vars(value), arrays, *place)}
    if isinstance(value, np.ndarray):
        name = ".".join(place)
        if value.dtype.kind not in "iuf" or name in arrays:
            raise TypeError(f"an array of {value.dtype} cannot be stored as {name!r}")
        arrays[name] = value
        return {"$array": name}
    if isinstance(value, dict):
        if not all(isinstance(key, str) and not key.startswith("$") for key in value):
            raise TypeError(f"keys must be text that does not begin with $; got {list(value)}")
        return {key: _encode(item, arrays, *place, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item, arrays, *place, str(i)) for i, item in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _decode(value: Any, arrays: Arrays, *place: str) -> Any:
    """Undo :func:`_encode`; remove the arrays that the tree uses from `arrays`."""
    if len(place) > _MAX_DEPTH:
        raise ModelFileError("is damaged: its manifest is nested too deep")
    if isinstance(value, list):
        return [_decode(item, arrays, *place, str(i)) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        if value != {"$array": ".".join(place)} or value["$array"] not in arrays:
            raise ModelFileError(f"lacks the array {'.'.join(place)}")
        return arrays.pop(value["$array"])
    members = {k: _decode(item, arrays, *place, k) for k, item in value.items() if k != "$class"}
    return _built(value["$class"], members) if "$class" in value else members


def _built(name: Any, members: dict[str, Any]) -> Any:
    if not isinstance(name, str) or name not in CLASSES:
        raise ModelFileError(f"holds an object of the class {name!r}, which is not allowed")
    check_members(members, MEMBERS[name], name)
    estimator = class_of(name)()
    for key, member in members.items():
        setattr(estimator, key, member)
    return estimator
