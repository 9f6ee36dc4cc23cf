"""Choosing where to compute, and in which precision."""

from __future__ import annotations

from typing import Any

import torch

from pix2pix.errors import UsageError


def choose_device(device: str) -> torch.device:
    """A torch device from "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises UsageError if it cannot be used.
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


def choose_precision(name: str, device: torch.device) -> Any:
    """Fabric's name for a precision: bfloat16 on a GPU that has it, float32 everywhere else.

    Raises UsageError for float16 on a CPU, which Fabric would silently turn into bfloat16.
    """
    if name == "16-mixed" and device.type == "cpu":
        raise UsageError("precision '16-mixed' needs a GPU; a CPU takes 32-true, or bf16-mixed if it has it")
    if name != "auto":
        return name
    return "bf16-mixed" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
