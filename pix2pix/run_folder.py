"""A run folder explains itself: config.json (what), stats.jsonl (how it went), samples/ (how it looks),
state.pt (to resume), NAME.safetensors (to use).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.utils import save_image

from pix2pix import latents
from pix2pix.checkpoint import spare_of
from pix2pix.config import TrainConfig, from_json
from pix2pix.errors import RunError, UsageError
from pix2pix.files import write_atomically
from pix2pix.networks import Model


@dataclass(frozen=True)
class Status:
    """Where a run stands after a step."""

    step: int
    images: int
    seen_px: int  # the size at which D looked at this step's pictures
    progress: float  # 0 to 1, by steps or by time, whichever is further
    seconds: float  # of training, all sessions of the run together
    images_per_s: float
    losses: dict[str, float]


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
        self.bundle_file = path / f"{path.name}.safetensors"

    def begin(self, config: TrainConfig, data_hash: str) -> None:
        """Make the folder, or take one in which nothing was ever saved. Raises RunError if it holds a run."""
        if self.state_file.exists() or spare_of(self.state_file).exists():
            raise RunError(
                f"{self.path} already holds a run: --resume goes on with it, another --name begins anew"
            )
        (self.path / "samples").mkdir(parents=True, exist_ok=True)
        self.stats_file.write_text("")
        self.record(config, data_hash)

    def check_data(self, data_hash: str) -> None:
        """Raises RunError if the run was begun on other pairs."""
        began_with = self._recorded().data_hash
        if began_with != data_hash:
            raise RunError(
                f"{self.path} was trained on other pairs: data hash {began_with}, now {data_hash}; "
                f"a new --name with --from {self.bundle_file} goes on with these"
            )

    def config(self) -> TrainConfig:
        """The configuration the run was last trained with. Raises RunError if there is none to be read."""
        return self._recorded().train

    def record(self, config: TrainConfig, data_hash: str) -> None:
        """Write down what the run is trained with from now on."""
        content = json.dumps(dataclasses.asdict(Recorded(config, data_hash)), indent=1)
        write_atomically(self.config_file, f"{content}\n".encode())

    def _recorded(self) -> Recorded:
        if not self.config_file.is_file():
            raise RunError(f"nothing to resume: {self.config_file} does not exist")
        try:
            return from_json(Recorded, self.config_file.read_text())
        except UsageError as error:
            raise RunError(f"{self.config_file} is not a run's configuration: {error}") from error

    def forget_after(self, step: int) -> None:
        """Drop the lines of stats.jsonl of steps that will be taken again."""
        lines = [line for line in self._stats_lines() if line["step"] <= step]
        write_atomically(self.stats_file, "".join(f"{json.dumps(line)}\n" for line in lines).encode())

    def _stats_lines(self) -> Iterator[dict[str, float]]:
        """What was logged; the last line may be torn."""
        for text in self.stats_file.read_text().splitlines() if self.stats_file.is_file() else ():
            with suppress(ValueError):
                yield json.loads(text)

    def log(self, status: Status) -> None:
        """Append a line to stats.jsonl."""
        line = {
            "step": status.step,
            "images": status.images,
            "seen_px": status.seen_px,
            "seconds": round(status.seconds, 1),
            "images_per_s": round(status.images_per_s, 2),
            **{name: round(value, 4) for name, value in status.losses.items()},
        }
        with self.stats_file.open("a") as file:
            file.write(json.dumps(line) + "\n")

    @torch.no_grad()
    def save_grid(self, step: int, model: Model, grid: tuple[Tensor, Tensor]) -> None:
        """Draw samples/STEP.png: what is given, answers of seeds 0 and 1, the target, a row a pair.

        `grid` is what is given and the target, (N, C, S, S) in [-1, 1].
        """
        given, target = grid
        device = next(model.parameters()).device
        answers = []
        for seed in (0, 1):
            z = torch.from_numpy(np.tile(latents.draw(seed, model.config.latent_size), (len(given), 1)))
            answer, _ = model.generator(given.to(device), z.to(device))
            answers.append(answer.cpu())
        columns = (x.expand(-1, 3, -1, -1) for x in (given, *answers, target))
        rows = torch.stack(list(columns), dim=1)  # (N, 4, 3, S, S)
        save_image(
            rows.flatten(0, 1),
            self.path / "samples" / f"{step:07d}.png",
            nrow=4,
            normalize=True,
            value_range=(-1, 1),
        )
