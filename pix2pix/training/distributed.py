"""The processes of a training run, one a device, and the precision that they compute in."""

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

PATIENCE = timedelta(minutes=30)  # with a process that says nothing; the first one may be scoring
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused", "NCCL")


def choose_precision(name: str, device: torch.device) -> Any:
    """Fabric's name for a precision: bfloat16 on a GPU that has it, float32 everywhere else.

    Raises UsageError for float16 on a CPU, which Fabric would silently turn into bfloat16.
    """
    if name == "16-mixed" and device.type == "cpu":
        raise UsageError("precision '16-mixed' needs a GPU; a CPU takes 32-true, or bf16-mixed if it has it")
    if name != "auto":
        return name
    return "bf16-mixed" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "32-true"


def make_fabric(device: str, precision: str, *, devices: int = 1, nodes: int = 1) -> Fabric:
    """Fabric on `devices` devices of each of `nodes` machines, launched: a process a device.

    Where there are several, this process starts the others of its machine with its own command line, unless
    torchrun or a cluster has started them. Raises UsageError as `choose_device` and `choose_precision`.
    """
    chosen = choose_device(device)
    if devices * nodes > 1 and chosen.index is not None:
        raise UsageError(f"device {device!r} is one device: several are counted from the first, as 'cuda'")
    if chosen.type == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(f"{devices} devices were asked for, this machine has {torch.cuda.device_count()}")
    fabric = Fabric(
        accelerator=chosen.type,
        devices=devices if chosen.index is None else [chosen.index],
        num_nodes=nodes,
        strategy=DDPStrategy(timeout=PATIENCE) if devices * nodes > 1 else "auto",
        precision=choose_precision(precision, chosen),
    )
    fabric.launch()
    return fabric


def is_first_process() -> bool:
    """Whether this process is the only one of its run, or the first: the one that writes and speaks."""
    return getattr(rank_zero_only, "rank", 0) == 0


@contextmanager
def tell_of_lost_processes(fabric: Fabric) -> Iterator[None]:
    """Raise RunError where the others of this run are gone, however that is put."""
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not any(words in str(error) for words in LOST):
            raise
        others = getattr(fabric.strategy.launcher, "procs", [])
        for process in others:
            process.kill()
        others.clear()  # else Fabric's observer kills this process before it has said why
        raise RunError(
            "another process of this run is gone or out of reach; what was saved before stays: "
            "--resume goes on from there"
        ) from error
