"""The resumable state of a run: one file, replaced atomically, read without unpickling code."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from pix2pix.errors import RunError
from pix2pix.files import write_atomically


def save_state(path: Path, state: dict[str, Any]) -> None:
    """A reader sees the old state or the new one, whole, even after a power cut."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue(), durable=True)


def load_state(path: Path) -> dict[str, Any]:
    """The state that `save_state` wrote, on the CPU. Raises RunError if it is missing or damaged."""
    if not path.is_file():
        raise RunError(f"nothing to resume: {path} does not exist")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise RunError(f"{path} is damaged and cannot be resumed: {error}") from error
    return state


def restore(stateful: dict[str, Any], state: dict[str, Any], path: Path) -> None:
    """Put a saved state into networks and optimisers. Raises RunError if it does not fit."""
    try:
        for name, part in stateful.items():
            part.load_state_dict(state[name])
        state["step"], state["seconds"], state["images_before"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise RunError(f"{path} is not a state of this run: {error}") from error
