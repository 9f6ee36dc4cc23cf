"""The processes of a training run, one per device, and the precision that they compute in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only

from pix2pix.errors import RunError, UsageError
from pix2pix.inference.devices import choose_device

TIMEOUT = timedelta(minutes=30)  # of a collective operation: the first process may be scoring
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused", "NCCL")


def choose_precision(name: str, device: torch.device) -> Any:
    """Returns Fabric's name for a precision; "auto" is bfloat16 on a GPU that has it, else float32.

    Raises UsageError for float16 on a CPU, which Fabric would silently turn into bfloat16.
    """
    if name == "16-mixed" and device.type == "cpu":
        raise UsageError("precision '16-mixed' needs a GPU; a CPU takes 32-true, or bf16-mixed if it has it")
    if name != "auto":
        return name
    return (
        "bf16-mixed"
        if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        else "32-true"
    )


def make_fabric(device: str, precision: str, *, devices: int = 1, nodes: int = 1) -> Fabric:
    """Launches Fabric on `devices` devices of each of `nodes` machines, a process per device.

    With several, this process starts the others of its machine with its own command line, unless torchrun or
    a cluster has started them. Raises UsageError as `choose_device` and `choose_precision`.
    """
    chosen = choose_device(device)
    if devices * nodes > 1 and chosen.index is not None:
        raise UsageError(f"device {device!r} is one device; with --devices or --nodes use 'cuda' or 'cpu'")
    if chosen.type == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(f"--devices {devices} is more than this machine has: {torch.cuda.device_count()}")
    fabric = Fabric(
        accelerator=chosen.type,
        devices=devices if chosen.index is None else [chosen.index],
        num_nodes=nodes,
        strategy=DDPStrategy(timeout=TIMEOUT) if devices * nodes > 1 else "auto",
        precision=choose_precision(precision, chosen),
    )
    fabric.launch()
    launcher = fabric.strategy.launcher
    if watched := getattr(launcher, "procs", None):
        # Fabric's observer would kill this process, mostly before `lost_processes_as_run_error` says why.
        launcher.procs = list(watched)  # type: ignore[union-attr]
        watched.clear()
    return fabric


def is_first_process() -> bool:
    """Returns whether this process is the first of its run: the one that writes files and messages."""
    return getattr(rank_zero_only, "rank", 0) == 0


@contextmanager
def lost_processes_as_run_error(fabric: Fabric) -> Iterator[None]:
    """Raises RunError in place of the RuntimeError that a lost process of this run causes."""
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not any(words in str(error) for words in LOST):
            raise
        for process in getattr(fabric.strategy.launcher, "procs", []):
            process.kill()
        raise RunError(
            "another process of this run has ended or cannot be reached; --resume goes on from the last "
            "checkpoint"
        ) from error
