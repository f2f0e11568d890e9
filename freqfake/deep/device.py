"""Device and precision of a network."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from ..exceptions import DeviceMemoryError, DeviceWarning


def find_device(device: str | torch.device = "auto") -> torch.device:
    """Choose the device to run on.

    Parameters
    ----------
    device : str or torch.device
        "auto" for the GPU if there is one, else the CPU; or torch's name of a device.

    Raises
    ------
    ValueError
        Torch has no such device.

    Warns
    -----
    DeviceWarning
        There is no GPU, and the CPU was not requested.
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
    """Replace an error for lack of memory by one that says what to do.

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
    """Use bfloat16 where 16 bits suffice; by default only on a GPU that supports it."""
    if mixed is None:
        mixed = device.type == "cuda" and torch.cuda.is_bf16_supported()
    chosen: contextlib.AbstractContextManager[Any] = torch.autocast(
        device.type, torch.bfloat16, enabled=mixed
    )
    return chosen
