"""The resumable state of a run: `state.pt`, replaced atomically, and `state.spare.pt`, the one before it.

Both are read without unpickling code. A file that is torn or has a flipped bit is told by the checksums of
its archive, and the spare taken.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pix2pix.errors import RunError
from pix2pix.files import write_atomically
from pix2pix.training.run_folder import spare_of


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state; the one before becomes the spare. At every moment, one of both is whole.

    Raises OSError, on a full disk for instance, and then leaves what there was.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    fresh = path.with_name(f"{path.stem}.new{path.suffix}")
    write_atomically(fresh, buffer.getvalue(), durable=True)
    if path.exists():
        path.replace(spare_of(path))
    fresh.replace(path)


def load_state(path: Path, notify: Callable[[str], None] = lambda message: None) -> dict[str, Any]:
    """The state that `save_state` wrote, on the CPU; the spare where it is missing or damaged, and told so.

    Raises RunError if neither can be had.
    """
    spare = spare_of(path)
    try:
        return _read(path)
    except RunError as error:
        if not spare.is_file():
            raise
        state = _read(spare)
        notify(f"{error}; going on from the spare, {spare.name}")
        return state


def restore(stateful: dict[str, Any], state: dict[str, Any], path: Path) -> None:
    """Put a saved state into networks and optimisers. Raises RunError if it does not fit."""
    try:
        for name, part in stateful.items():
            part.load_state_dict(state[name])
        state["step"], state["seconds"], state["images_before"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise RunError(f"{path} is not a state of this run: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(f"nothing to resume: {path} does not exist")
    try:
        with zipfile.ZipFile(path) as archive:
            if (torn := archive.testzip()) is not None:
                raise RunError(f"{path} is damaged: the checksum of {torn} is wrong")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    return state
