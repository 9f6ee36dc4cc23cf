"""Paths and logs of a run folder.

report.html is made of config.json, stats.jsonl, scores.jsonl and samples/; state.pt is the checkpoint;
NAME.safetensors and NAME-best.safetensors are the bundles. TensorBoard shows the same numbers:

    tensorboard --logdir runs
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pix2pix.errors import BundleNotFound, RunError, UsageError
from pix2pix.files import sweep, write_atomically
from pix2pix.model.bundle import digest_of, find_bundle
from pix2pix.model.config import from_json
from pix2pix.training.config import TrainConfig

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Status:
    """Progress, speed, losses and statistics after a step."""

    step: int
    images: int
    progress: float  # 0 to 1, by steps or by time, whichever is further
    seconds: float  # of training, all sessions of the run together
    images_per_s: float
    data_wait: float  # share of the time spent waiting for pairs, 0 to 1
    losses: dict[str, float]
    statistics: dict[str, float]  # see `StepResult`
    scores: bool = False  # whether the run is scored before the next step, which may take minutes
    saves: bool = False  # whether it is saved then


@dataclass(frozen=True)
class Recorded:
    """The content of config.json. Runs of earlier versions do not say what they began from."""

    train: TrainConfig
    data_hash: str
    start_from: str = ""  # path of a bundle, or UNTRAINED
    start_from_sha256: str = ""


class RunFolder:
    """Paths and files of one run."""

    def __init__(self, path: Path) -> None:
        """Reads and writes nothing."""
        self.path = path
        self.config_file = path / "config.json"
        self.state_file = path / "state.pt"
        self.stats_file = path / "stats.jsonl"
        self.scores_file = path / "scores.jsonl"
        self.realism_file = path / "realism.jpg"
        self.bundle_file = path / f"{path.name}.safetensors"
        self.best_file = path / f"{path.name}-best.safetensors"

    def snapshot_file(self, images: int) -> Path:
        """Returns the path of the bundle after that many pictures."""
        return self.path / "snapshots" / f"{images:09d}.safetensors"

    def sample_file(self, step: int) -> Path:
        """Returns the path of the samples of a step."""
        return self.path / "samples" / f"{step:07d}.png"

    def begin(
        self,
        config: TrainConfig,
        data_hash: str,
        *,
        start_from: Path | None = None,
        after: int | None = None,
    ) -> None:
        """Makes the folder for a new run, or removes what a resumed run wrote `after` its checkpoint's step.

        Records the bundle that a new run starts from. Raises RunError if the folder of a new run holds a
        checkpoint.
        """
        if after is not None:
            sweep(self.path)
            recorded = replace(self._recorded(), train=config, data_hash=data_hash)
        elif self._has_checkpoint():
            raise RunError(
                f"{self.path} already holds a run: --resume goes on with it, another --name starts a new one"
            )
        elif start_from:
            recorded = Recorded(config, data_hash, str(start_from.resolve()), digest_of(start_from))
        else:
            recorded = Recorded(config, data_hash, UNTRAINED)
        for name in ("samples", "snapshots"):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        for file in (self.stats_file, self.scores_file):  # later steps will be logged again
            kept = [line for line in read_lines(file) if after is not None and line["step"] <= after]
            write_atomically(file, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
        content = json.dumps(dataclasses.asdict(recorded), indent=1)
        write_atomically(self.config_file, f"{content}\n".encode())

    def has_pairs(self, data_hash: str) -> bool:
        """Returns whether the run was last trained on these pairs. Raises RunError as `config`."""
        return self._recorded().data_hash == data_hash

    def refuse_other_pairs(self, data_hash: str) -> None:
        """Raises RunError if the run was last trained on other pairs, and as `config`."""
        if not self.has_pairs(data_hash):
            raise RunError(
                f"{self.path} was trained on other pairs (their hash is {data_hash} now): --other-pairs goes "
                f"on with these all the same; a new --name with --from {self.bundle_file} starts a new run"
            )

    def config(self) -> TrainConfig:
        """Returns the configuration the run was last trained with.

        Raises RunError if it cannot be read, and if there is no checkpoint to go on from.
        """
        config = self._recorded().train
        if not self._has_checkpoint():
            raise RunError(
                f"nothing to resume: {self.path} has no checkpoint; `pix2pix train` without --resume begins "
                "that run again"
            )
        return config

    def start_from(self) -> str:
        """Returns the path of the bundle the run began from, UNTRAINED, or "" if it was not recorded.

        Raises RunError as `config`.
        """
        return self._recorded().start_from

    def began_from(self, model: str) -> bool:
        """Returns whether the run began from a model, by name or path, or did not record what it began from.

        The bundle may have been moved, changed or deleted since. Raises RunError as `config`.
        """
        recorded = self._recorded()
        path = Path(recorded.start_from)
        if (
            not recorded.start_from
            or path == Path(model).resolve()
            or (path.is_absolute() and path.stem == model)
        ):
            return True
        try:
            return digest_of(find_bundle(model)) == recorded.start_from_sha256
        except BundleNotFound:
            return False

    def _has_checkpoint(self) -> bool:
        return self.state_file.exists() or spare_of(self.state_file).exists()

    def _recorded(self) -> Recorded:
        if not self.config_file.is_file():
            raise RunError(f"nothing to resume: {self.config_file} does not exist")
        try:
            return from_json(Recorded, self.config_file.read_text())
        except UsageError as error:
            raise RunError(f"{self.config_file} is not a run's configuration: {error}") from error

    def log(self, status: Status, means: dict[str, float]) -> None:
        """Appends a line to stats.jsonl: progress, and means since the line before."""
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
        """Appends a line to scores.jsonl: figures of `Scorer.score`; `best` if no score before was better."""
        rounded = {name: round(value, 5) for name, value in figures.items()}
        _append(self.scores_file, {"step": step, "seconds": round(seconds, 1), **rounded, "best": best})


class TensorBoard:
    """Writes TensorBoard event files into a folder; nothing where `tensorboard` is not installed."""

    def __init__(self, folder: Path | None, *, after: int = 0) -> None:
        """`folder` None writes nothing. `after` is the step of the checkpoint: later events are dropped."""
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder), purge_step=after + 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Appends the values of a step. They reach the disk within two minutes, or on `close`."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Writes buffered values."""
        if self._writer is not None:
            self._writer.close()


def spare_of(state_file: Path) -> Path:
    """Returns the path of the checkpoint before the last one."""
    return state_file.with_name(f"{state_file.stem}.spare{state_file.suffix}")


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines of a .jsonl file that are whole and have a step; none if there is no file."""
    for text in file.read_text(errors="replace").splitlines() if file.is_file() else ():
        with suppress(ValueError, RecursionError):  # the last line may be torn
            line = json.loads(text)
            if isinstance(line, dict) and "step" in line:
                yield line


def _append(file: Path, line: dict[str, float]) -> None:
    with file.open("a") as open_file:
        open_file.write(json.dumps(line) + "\n")
