"""Chooses PyTorch's device."""

from __future__ import annotations

import torch

from pix2pix.errors import UsageError


def choose_device(device: str) -> torch.device:
    """Returns the torch device for "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises UsageError for another name, and for a device that this machine does not have.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"device {device!r} is not one of: auto, cpu, cuda, cuda:N") from error
    if chosen.type not in ("cpu", "cuda"):
        raise UsageError(f"device {device!r} is not one of: auto, cpu, cuda, cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(f"device {device!r} is not there: this machine has {count} CUDA devices")
    return chosen
