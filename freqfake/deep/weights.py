"""Files of networks: our own, and the Keras ones that Afchar et al. published.

Both hold arrays; nothing of a file is ever run.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .._optional import extra
from ..exceptions import ModelFileError
from ..io import PathLike
from .dldfd import DLDFD
from .imagenet import Arrays, as_tensors
from .mesonet import Meso4, MesoInception4

with extra("deep", "safetensors"):
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, save

Network = DLDFD | Meso4 | MesoInception4

NETWORKS: dict[str, type[Network]] = {
    "dldfd": DLDFD,
    "meso4": Meso4,
    "mesoinception4": MesoInception4,
}
FORMAT_VERSION = 1
_MAX_VALUES = 1 << 24  # of an array in a Keras file; the published ones have up to 16384


def network_name(network: nn.Module) -> str:
    """Name of a network, a key of :data:`NETWORKS`."""
    return {cls: name for name, cls in NETWORKS.items()}[type(network)]


def save_network(path: PathLike, network: Network, *, info: dict[str, Any] | None = None) -> None:
    """Write a network to a safetensors file that :func:`load_network` reads.

    Parameters
    ----------
    path : str or path-like
    network : DLDFD, Meso4 or MesoInception4
    info : dict, optional
        Plain values to keep with it.

    Raises
    ------
    OSError
        The file cannot be written. It is complete or not there at all.
    """
    about = {"network": network_name(network), "config": network.config, "info": info or {}}
    save_tensors(path, network.state_dict(), about)


def load_network(path: PathLike) -> tuple[Network, dict[str, Any]]:
    """Read what :func:`save_network` wrote.

    Returns
    -------
    network : DLDFD, Meso4 or MesoInception4
        On the CPU, for evaluation.
    info : dict

    Raises
    ------
    ModelFileError
        There is no such file, or it is damaged, or holds no network of this package.
    """
    tensors, about = load_tensors(path)
    try:
        network = NETWORKS[about["network"]](**about["config"])
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{os.fspath(path)} holds no network of freqfake: {error}") from error
    return network.eval(), about["info"]


def save_tensors(path: PathLike, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    """Write tensors and plain values, all or nothing."""
    text = json.dumps({"format": FORMAT_VERSION, **about})
    target = Path(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(contiguous, metadata={"freqfake": text})
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def load_tensors(path: PathLike) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote."""
    name = os.fspath(path)
    if not Path(path).is_file():
        raise ModelFileError(f"no such model: {name}")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        about = json.loads(metadata["freqfake"])
        if about["format"] > FORMAT_VERSION:
            raise ModelFileError(
                f"{name} has model format {about['format']}, this version of freqfake reads up to "
                f"{FORMAT_VERSION}: upgrade it with pip install -U freqfake"
            )
        return load_file(path), about
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            f"{name} is not a file of freqfake's networks or is damaged: {error}"
        ) from error


def import_keras_weights(path: PathLike) -> Meso4 | MesoInception4:
    """Read the weights that Afchar et al. published for their networks.

    Parameters
    ----------
    path : str or path-like
        HDF5 file of Keras' ``save_weights``: Meso4_DF.h5, MesoInception_F2F.h5, ...

    Returns
    -------
    Meso4 or MesoInception4
        As the file says; the size of the input too is told from it. The published networks give
        the probability of real, these the logit of fake: the last layer is turned round.

    Raises
    ------
    ModelFileError
        There is no such file, or it holds other layers.
    """
    layers = _keras_layers(path)
    try:
        size = 32 * int(np.sqrt(layers["dense"][0]["kernel"].shape[0] // 16))
        inception = len(layers["conv2d"]) > 4
        network = MesoInception4(input_size=size) if inception else Meso4(input_size=size)
        _fill(network, layers)
    except (IndexError, KeyError, ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"{os.fspath(path)} holds no weights of Meso4 or MesoInception4: {error}"
        ) from error
    network.eval()
    return network


def _keras_layers(path: PathLike) -> dict[str, list[Arrays]]:
    """Arrays of every layer by kind, in the order in which the layers were made."""
    with extra("deep", "h5py"):
        import h5py

    name = os.fspath(path)
    if not Path(path).is_file():
        raise ModelFileError(f"no such model: {name}")
    layers: dict[str, dict[int, Arrays]] = {"conv2d": {}, "batch_normalization": {}, "dense": {}}

    def collect(key: str, value: Any) -> None:
        *_, layer, kind = key.split("/")
        family, _, number = layer.rpartition("_")
        if isinstance(value, h5py.Dataset) and family in layers:
            if value.size > _MAX_VALUES:
                raise ModelFileError(
                    f"{name} holds {value.size} values in {key}: not these networks"
                )
            layers[family].setdefault(int(number), {})[kind.split(":")[0]] = value[()]

    try:
        with h5py.File(path) as file:
            file.visititems(lambda key, value: collect(f"/{key}", value))
    except OSError as error:
        raise ModelFileError(f"{name} is not an HDF5 file or is damaged: {error}") from error
    return {family: [of[n] for n in sorted(of)] for family, of in layers.items()}


def _fill(network: Meso4 | MesoInception4, layers: dict[str, list[Arrays]]) -> None:
    """Put the arrays of Keras' layers into those of a network, kind by kind in their order."""
    for kind, family in ((nn.Conv2d, "conv2d"), (nn.BatchNorm2d, "batch_normalization")):
        own = [layer for layer in network.modules() if isinstance(layer, kind)]
        for layer, arrays in zip(own, layers[family], strict=True):
            state = _convolution(arrays) if kind is nn.Conv2d else _batch_norm(arrays)
            layer.load_state_dict(as_tensors(state), strict=kind is nn.Conv2d)
    hidden, last = layers["dense"]
    side = network.input_size // 32
    kernel = hidden["kernel"].reshape(side, side, 16, -1).transpose(3, 2, 0, 1)  # h, w, maps first
    hidden = {"weight": kernel.reshape(len(hidden["bias"]), -1), "bias": hidden["bias"]}
    network.dense1.load_state_dict(as_tensors(hidden))
    network.dense2.load_state_dict(as_tensors({"weight": -last["kernel"].T, "bias": -last["bias"]}))


def _convolution(arrays: Arrays) -> Arrays:
    return {"weight": arrays["kernel"].transpose(3, 2, 0, 1), "bias": arrays["bias"]}


def _batch_norm(arrays: Arrays) -> Arrays:
    return {
        "weight": arrays["gamma"],
        "bias": arrays["beta"],
        "running_mean": arrays["moving_mean"],
        "running_var": arrays["moving_variance"],
    }
