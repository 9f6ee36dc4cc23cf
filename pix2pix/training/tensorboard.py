"""The numbers of a run for TensorBoard, beside stats.jsonl, where `tensorboard` is installed.

tensorboard --logdir runs
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Events:
    """Writes event files into a folder, or nothing where `tensorboard` is not installed."""

    def __init__(self, folder: Path, *, after: int = 0) -> None:
        """`after` is the step from which a run goes on: later events that are there are dropped."""
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder), purge_step=after + 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append numbers of a step. They reach the disk within two minutes, or at the end."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()
