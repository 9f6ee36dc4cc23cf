"""The resumable state of a run: one file, replaced atomically, read without unpickling code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from pix2pix.errors import RunError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write beside, flush to disk, then rename over: a reader sees the old file or the new one, whole."""
    scratch = path.with_suffix(".tmp")
    with scratch.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """The state that `save_state` wrote, on the CPU. Raises RunError if it is missing or damaged."""
    if not path.is_file():
        raise RunError(f"nothing to resume: {path} does not exist")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise RunError(f"{path} is damaged and cannot be resumed: {error}") from error
    return state
