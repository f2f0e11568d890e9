"""Files of networks: freqfake's own, and the Keras files that Afchar et al. published.

Both hold arrays; no code in a file is run.
"""

from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..._files import PathLike
from ..._optional import extra
from ...exceptions import ModelFileError
from ...model_files.foreign import describe_foreign
from ...model_files.tensors import Arrays, read_tensors, write_tensors
from ...model_files.untrusted import open_untrusted, refused_by_name
from .dldfd import DLDFD
from .imagenet import MAX_BYTES, as_tensors
from .mesonet import Meso4, MesoInception4
from .student import Student

Network = DLDFD | Meso4 | MesoInception4 | Student

NETWORKS: dict[str, type[Network]] = {
    "dldfd": DLDFD,
    "meso4": Meso4,
    "mesoinception4": MesoInception4,
    "student": Student,
}
_EMBEDDED = {
    "meso4": "deep/weights/meso4.safetensors",
    "mesoinception4": "deep/weights/mesoinception4.safetensors",
    "student": "features/student_files/student.safetensors",
}
_MAX_VALUES = 1 << 20  # per array of a Keras file; the published ones have up to 16384
_MAX_ARRAYS = 100  # per Keras file; the published ones have up to 64


def network_name(network: nn.Module) -> str:
    """Name of a network, a key of `NETWORKS`."""
    return {cls: name for name, cls in NETWORKS.items()}[type(network)]


def save_network(path: PathLike, network: Network, *, info: dict[str, Any] | None = None) -> None:
    """Write a network to a safetensors file that :func:`load_network` reads.

    Parameters
    ----------
    path : str or path-like
    network : DLDFD, Meso4 or MesoInception4
    info : dict, optional
        Plain values to store with it.

    Raises
    ------
    OSError
        The file cannot be written. No partial file is left.
    """
    state = {"network": network_name(network), "config": network.config, "info": info or {}}
    save_tensors(path, "network", state, network.state_dict())


def load_network(path: PathLike) -> tuple[Network, dict[str, Any]]:
    """Read what :func:`save_network` wrote.

    Returns
    -------
    network : DLDFD, Meso4 or MesoInception4
        On the CPU, in evaluation mode.
    info : dict

    Raises
    ------
    ModelFileError
        The file does not exist, is damaged, or does not hold a network of this package.
    """
    about, tensors = load_tensors(path, "network")
    with refused_by_name(path, "network of freqfake"):
        kind, config = NETWORKS[about["network"]], about["config"]
        with torch.device("meta"):  # shapes only: the stated sizes may be huge
            expected = {key: value.shape for key, value in kind(**config).state_dict().items()}
        if {key: value.shape for key, value in tensors.items()} != expected:
            raise ModelFileError(f"holds other tensors than a {about['network']} has")
        network = kind(**config)
        network.load_state_dict(tensors)
        return network.eval(), dict(about["info"])


def load_embedded(name: str) -> Network:
    """Read the weights of a network that come with the package.

    Raises
    ------
    ModelFileError
        None come with it: those of DLDFD are too large.
    """
    if name not in _EMBEDDED:
        raise ModelFileError(f"no weights of {name} are embedded: give a file (weights, --weights)")
    with resources.as_file(resources.files("freqfake") / _EMBEDDED[name]) as path:
        return load_network(path)[0]


def save_tensors(
    path: PathLike, kind: str, state: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> None:
    """Write tensors and plain values, see :mod:`freqfake.model_files.tensors`."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    write_tensors(path, kind, state, arrays, max_bytes=MAX_BYTES)


def load_tensors(path: PathLike, kind: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read what :func:`save_tensors` wrote."""
    with refused_by_name(path, f"{kind} of freqfake"):
        manifest, arrays = read_tensors(path, kind, max_bytes=MAX_BYTES)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ModelFileError("holds NaN or infinity")
        return manifest["state"], as_tensors(arrays)


def import_keras_weights(path: PathLike) -> Meso4 | MesoInception4:
    """Read the weights that Afchar et al. published for their networks.

    Parameters
    ----------
    path : str or path-like
        HDF5 file of Keras' ``save_weights``: Meso4_DF.h5, MesoInception_F2F.h5, ...

    Returns
    -------
    Meso4 or MesoInception4
        Type and input size follow from the file. The published networks give the probability of
        real, these the logit of fake: the last layer is negated.

    Raises
    ------
    ModelFileError
        The file does not exist, or holds other layers.
    """
    with extra("deep", "h5py"):
        import h5py  # noqa: F401
    with refused_by_name(path, "file of weights of Meso4 or MesoInception4"):
        layers = _keras_layers(path)
        size = 32 * int(np.sqrt(layers["dense"][0]["kernel"].shape[0] // 16))
        inception = len(layers["conv2d"]) > 4
        network = MesoInception4(input_size=size) if inception else Meso4(input_size=size)
        _fill(network, layers)
    network.eval()
    return network


def _keras_layers(path: PathLike) -> dict[str, list[Arrays]]:
    """Arrays of every layer by kind, in the order in which the layers were created."""
    import h5py

    layers: dict[str, dict[int, Arrays]] = {"conv2d": {}, "batch_normalization": {}, "dense": {}}

    def collect(key: str, value: Any) -> None:
        *_, layer, kind = key.split("/")
        family, _, number = layer.rpartition("_")
        if sum(len(arrays) for of in layers.values() for arrays in of.values()) > _MAX_ARRAYS:
            raise ModelFileError("holds more arrays than these networks")
        if isinstance(value, h5py.Dataset) and family in layers:
            layers[family].setdefault(int(number), {})[kind.split(":")[0]] = _values(value, key)

    with open_untrusted(path, MAX_BYTES) as file:
        is_hdf5 = file.read(4) == b"\x89HDF"
        file.seek(0)
        if not is_hdf5:
            raise ModelFileError(f"is {describe_foreign(file)}. It is not an HDF5 file either")
        with h5py.File(file, "r") as weights:
            weights.visititems(lambda key, value: collect(f"/{key}", value))
    return {family: [of[n] for n in sorted(of)] for family, of in layers.items()}


def _values(dataset: Any, key: str) -> npt.NDArray[np.float32]:
    """Read an array, if it is stored in this file and fits one of these networks."""
    if dataset.size > _MAX_VALUES or dataset.external or dataset.is_virtual:
        raise ModelFileError(f"holds {dataset.size} values in {key}: too many, or stored elsewhere")
    if dataset.dtype.kind != "f":
        raise ModelFileError(f"holds {dataset.dtype} in {key}, not floating-point numbers")
    values = np.asarray(dataset[()], np.float32)
    if not np.isfinite(values).all():
        raise ModelFileError(f"holds NaN or infinity in {key}")
    return values


def _fill(network: Meso4 | MesoInception4, layers: dict[str, list[Arrays]]) -> None:
    """Copy the arrays of Keras' layers into a network, kind by kind and in order."""
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
