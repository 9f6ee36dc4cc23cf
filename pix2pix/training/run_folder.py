"""A run folder explains itself: report.html, made of config.json (what), stats.jsonl and scores.jsonl (how it
went), samples/ (how it looks); state.pt (to resume), NAME.safetensors and NAME-best.safetensors (to use).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pix2pix.errors import RunError, UsageError
from pix2pix.files import sweep, write_atomically
from pix2pix.model.config import from_json
from pix2pix.training.config import TrainConfig


@dataclass(frozen=True)
class Status:
    """Where a run stands after a step."""

    step: int
    images: int
    progress: float  # 0 to 1, by steps or by time, whichever is further
    seconds: float  # of training, all sessions of the run together
    images_per_s: float
    data_wait: float  # share of the time that went into waiting for pairs, 0 to 1
    losses: dict[str, float]
    standing: dict[str, float]  # how the game stands: see `Game.play`


@dataclass(frozen=True)
class Recorded:
    """The content of config.json."""

    train: TrainConfig
    data_hash: str


class RunFolder:
    """Paths and files of one run."""

    def __init__(self, path: Path) -> None:
        """Touches nothing yet."""
        self.path = path
        self.config_file = path / "config.json"
        self.state_file = path / "state.pt"
        self.stats_file = path / "stats.jsonl"
        self.scores_file = path / "scores.jsonl"
        self.realism_file = path / "realism.jpg"
        self.bundle_file = path / f"{path.name}.safetensors"
        self.best_file = path / f"{path.name}-best.safetensors"

    def snapshot_file(self, images: int) -> Path:
        """Where the bundle after so many pictures lies."""
        return self.path / "snapshots" / f"{images:09d}.safetensors"

    def sample_file(self, step: int) -> Path:
        """Where the samples of a step lie."""
        return self.path / "samples" / f"{step:07d}.png"

    def begin(self, config: TrainConfig, data_hash: str, *, after: int | None = None) -> None:
        """Make the folder, or take one in which nothing was ever saved; or go on `after` a step.

        Raises RunError for one that is to be made and holds a run.
        """
        if after is not None:
            sweep(self.path)
        elif self.state_file.exists() or spare_of(self.state_file).exists():
            raise RunError(
                f"{self.path} already holds a run: --resume goes on with it, another --name begins anew"
            )
        for name in ("samples", "snapshots"):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        for file in (self.stats_file, self.scores_file):  # steps after that will be taken again
            kept = [line for line in read_lines(file) if after is not None and line["step"] <= after]
            write_atomically(file, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
        content = json.dumps(dataclasses.asdict(Recorded(config, data_hash)), indent=1)
        write_atomically(self.config_file, f"{content}\n".encode())

    def began_with(self, data_hash: str) -> bool:
        """Whether these are the pairs the run was last trained on. Raises RunError if there is no run."""
        return self._recorded().data_hash == data_hash

    def config(self) -> TrainConfig:
        """The configuration the run was last trained with. Raises RunError if there is none to be read."""
        return self._recorded().train

    def _recorded(self) -> Recorded:
        if not self.config_file.is_file():
            raise RunError(f"nothing to resume: {self.config_file} does not exist")
        try:
            return from_json(Recorded, self.config_file.read_text())
        except UsageError as error:
            raise RunError(f"{self.config_file} is not a run's configuration: {error}") from error

    def log(self, status: Status, means: dict[str, float]) -> None:
        """Append a line to stats.jsonl: where the run stands, and means since the line before."""
        line = {
            "step": status.step,
            "images": status.images,
            "progress": round(status.progress, 5),
            "seconds": round(status.seconds, 1),
            "images_per_s": round(status.images_per_s, 2),
            "data_wait": round(status.data_wait, 4),
            **{name: round(value, 5) for name, value in means.items()},
        }
        _append(self.stats_file, line)

    def log_scores(self, step: int, seconds: float, figures: dict[str, float], *, best: bool) -> None:
        """Append a line to scores.jsonl: see `validation`; `best` where it is the best so far."""
        rounded = {name: round(value, 5) for name, value in figures.items()}
        _append(self.scores_file, {"step": step, "seconds": round(seconds, 1), **rounded, "best": best})


def spare_of(state_file: Path) -> Path:
    """Where the state before the last one lies."""
    return state_file.with_name(f"{state_file.stem}.spare{state_file.suffix}")


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a .jsonl file, which need not be there, that are whole and say their step."""
    for text in file.read_text(errors="replace").splitlines() if file.is_file() else ():
        with suppress(ValueError, RecursionError):  # the last line may be torn
            line = json.loads(text)
            if isinstance(line, dict) and "step" in line:
                yield line


def _append(file: Path, line: dict[str, float]) -> None:
    with file.open("a") as open_file:
        open_file.write(json.dumps(line) + "\n")
