"""What a run saves to be resumed and used: the checkpoint `state.pt`, the bundle and the discriminators.

The checkpoint is replaced atomically; the one before it stays as `state.spare.pt`. Both are read without
unpickling code. A torn file or a flipped bit is recognised by the checksums of the archive, and the spare is
read instead.
"""

from __future__ import annotations

import io
import math
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pix2pix.errors import RunError
from pix2pix.files import write_atomically
from pix2pix.model.bundle import DISCRIMINATORS, Header, save_bundle, save_discriminators
from pix2pix.training.config import TrainConfig
from pix2pix.training.run_folder import RunFolder, spare_of

if TYPE_CHECKING:
    from torch import Tensor, nn

COUNTERS = ("step", "seconds", "images_before", "best")  # of a checkpoint, beside networks and optimisers
COPIED = ("config.json", "stats.jsonl", "scores.jsonl")
NO_LIMIT = 10**9  # steps


@dataclass(frozen=True)
class Best:
    """The best score so far; lower is better."""

    value: float = math.inf
    step: int = 0


def state_of(
    parts: Mapping[str, Any], step: int, seconds: float, images_before: int, best: Best
) -> dict[str, Any]:
    """Returns the content of a checkpoint: the states of networks, optimisers and the sampler, and counters.

    `images_before` is the number of pictures that the weights were trained on before the run.
    """
    counters = {"step": step, "seconds": seconds, "images_before": images_before, "best": asdict(best)}
    return {**{name: part.state_dict() for name, part in parts.items()}, **counters}


def save_snapshot(
    folder: RunFolder,
    state: dict[str, Any],
    weights: dict[str, Tensor],
    header: Header,
    discriminators: Mapping[str, nn.Module],
    *,
    keep_bundle: bool,
) -> None:
    """Writes the checkpoint, the bundle and, beside it, all discriminators.

    With `keep_bundle` the bundle is also written to snapshots/, where later ones do not replace it. Raises
    OSError, on a full disk for instance.
    """
    if keep_bundle:
        save_bundle(folder.snapshot_file(header.images), weights, header)
    save_state(folder.state_file, state)
    save_bundle(folder.bundle_file, weights, header)
    save_discriminators(folder.path / DISCRIMINATORS, discriminators)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint; the one before becomes the spare. At every moment one of them is whole.

    Raises OSError, on a full disk for instance, and leaves the checkpoint before as it is.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    fresh = path.with_name(f"{path.stem}.new{path.suffix}")
    write_atomically(fresh, buffer.getvalue(), durable=True)
    if path.exists():
        path.replace(spare_of(path))
    fresh.replace(path)


def load_state(path: Path, notify: Callable[[str], None] = lambda message: None) -> dict[str, Any]:
    """Returns the checkpoint that `save_state` wrote, on the CPU.

    Where it is missing or damaged, reads the spare, with a message. Raises RunError if that fails too.
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


def restore(parts: Mapping[str, Any], state: dict[str, Any], path: Path, *, skip: Sequence[str] = ()) -> None:
    """Loads a checkpoint into networks, optimisers and the sampler, except those named in `skip`.

    Raises RunError, with the names of missing and unexpected keys, if the checkpoint is of something else.
    """
    expected, found = {*parts, *COUNTERS}, set(state)
    if expected != found:
        raise RunError(
            f"{path} is not a checkpoint of this run (missing keys: {_names(expected - found)}; "
            f"unexpected keys: {_names(found - expected)})"
        )
    for name in (name for name in parts if name not in skip):
        try:
            parts[name].load_state_dict(state[name])  # of a network: raises with the names of the keys
        except (KeyError, RuntimeError, ValueError) as error:
            raise RunError(f"{path} is not a checkpoint of this run: {name}: {error}") from error


def copy_to_finish(run: Path, copy: Path, seconds: float, title: str | None = None) -> TrainConfig:
    """Copies a run's last checkpoint into a new folder; returns the configuration to resume the copy with.

    A long run keeps its learning rates, so that it can always be resumed, but weights are best after the
    rates have fallen. In the copy they fall to zero over `seconds`. The copy ends by time alone, even if the
    run had reached its steps. Its best score starts again, as its pairs may be others. `run` may go on
    meanwhile. Raises RunError if `run` cannot be resumed, or if `copy` exists.
    """
    if copy.exists():
        raise RunError(f"{copy} exists already: choose another name for the finished model")
    source = RunFolder(run)
    recorded = source.config()
    state = load_state(source.state_file)
    before = state["seconds"]
    copy.mkdir(parents=True)
    for name in COPIED:
        if (run / name).is_file():
            shutil.copyfile(run / name, copy / name)
    save_state(RunFolder(copy).state_file, {**state, "best": asdict(Best())})
    return replace(
        recorded,
        title=title or recorded.title,
        steps=NO_LIMIT,
        time_limit_s=before + seconds,
        decay_fraction=seconds / (before + seconds),
    )


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


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
