"""Where a network runs, and how precisely."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from ..exceptions import DeviceMemoryError, DeviceWarning


def find_device(device: str | torch.device = "auto") -> torch.device:
    """Choose where to run.

    Parameters
    ----------
    device : str or torch.device
        "auto" is the GPU when there is one and the CPU otherwise; or torch's name of a device.

    Raises
    ------
    ValueError
        Torch knows no such device.

    Warns
    -----
    DeviceWarning
        There is no GPU, and the CPU was not asked for.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    try:
        chosen = (accelerator or torch.device("cpu")) if device == "auto" else torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"`device` must be auto, cpu, cuda or mps; got {device!r}") from error
    if chosen.type == "cpu" and str(device) != "cpu":
        warnings.warn("no GPU was found: working on the CPU", DeviceWarning, stacklevel=2)
    elif chosen.type != "cpu" and (accelerator is None or accelerator.type != chosen.type):
        warnings.warn(f"no {chosen} was found: working on the CPU", DeviceWarning, stacklevel=2)
        chosen = torch.device("cpu")
    return chosen


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Around what a batch needs memory for: says what to do where it is too little.

    Raises
    ------
    DeviceMemoryError
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "t allocate memory" not in str(error):
            raise
        raise DeviceMemoryError(
            "not enough memory for a batch: make it smaller (batch_size, --batch-size)"
        ) from error


def precision(
    device: torch.device, mixed: bool | None = None
) -> contextlib.AbstractContextManager[Any]:
    """Compute in 16 bits what bears it (bfloat16); by default on a GPU that can do it."""
    if mixed is None:
        mixed = device.type == "cuda" and torch.cuda.is_bf16_supported()
    chosen: contextlib.AbstractContextManager[Any] = torch.autocast(
        device.type, torch.bfloat16, enabled=mixed
    )
    return chosen
