"""Run networks in the ONNX format by onnxruntime, on one thread of the CPU."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def import_onnxruntime() -> Any:
    """Import onnxruntime, and keep it from sending usage data and writing an identifier.

    From version 1.29 on, it otherwise does both as soon as it is imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def open_session(path: Path, constants: Mapping[str, npt.NDArray[np.float32]] | None = None) -> Any:
    """Load a network for one thread: processes share out the pictures.

    Parameters
    ----------
    path : Path
    constants : dict, optional
        Arrays that the file only names.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if constants:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(part) for part in constants.values()]
        options.add_external_initializers(list(constants), values)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
