"""What a run leaves on the disk on its way: state, bundles, scores, pictures, report; when each is due."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from pix2pix.errors import ImageError, PairsError
from pix2pix.model.bundle import DISCRIMINATORS, Header, save_bundle, save_discriminators
from pix2pix.pairs import Pair, data_hash
from pix2pix.training.checkpoint import load_state, restore, save_state
from pix2pix.training.config import TrainConfig
from pix2pix.training.directions import find_directions
from pix2pix.training.report.page import write_report
from pix2pix.training.report.samples import draw_grid, draw_hardest, draw_realism
from pix2pix.training.run_folder import RunFolder, Status
from pix2pix.training.sampler import PairSampler
from pix2pix.training.step import Game
from pix2pix.training.tensorboard import Events
from pix2pix.training.validation import Scorer

SAVE_EVERY_S = 300.0  # at the longest between two saves, however slow the machine
SNAPSHOT_EVERY_S = 3600.0  # of training
REPORT_EVERY_S = 60.0  # at the shortest, between two reports that nothing but numbers asks for
HARDEST = 24  # pairs shown


@dataclass(frozen=True)
class Best:
    """The best score so far."""

    value: float = math.inf
    step: int = 0


@dataclass(frozen=True)
class Point:
    """Where a run is."""

    step: int
    seconds: float
    ended: bool  # nothing is left to do
    stopped: bool  # somebody wants it to stop


class Keeper:
    """Keeps one run. In a run of several processes, only the first has one that writes."""

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        pairs: Path,
        train: list[Pair],
        val: list[Pair],
        grid: tuple[Tensor, Tensor],
        game: Game,
        sampler: PairSampler,
        images_before: int,
        notify: Callable[[str], None],
    ) -> None:
        """`grid` is sketches and photos of the sample grid; `images_before` the weights have seen already."""
        self.config, self.folder, self.game, self.sampler, self.notify = config, folder, game, sampler, notify
        self.pairs, self.train, self.grid = pairs, train, grid
        self.images_before, self.best = images_before, Best()
        self.saved_at = self.reported_at = 0.0  # seconds of training
        self.data_hash = data_hash(train)
        self.events: Events | None = None
        self.scorer: Scorer | None = None
        if config.score_every and val:
            self.scorer = Scorer(config, train, val, game.fabric.device, notify)

    def begin(self, *, after: int | None) -> None:
        """Make the run folder ready for writing, or ready to go on `after` a step. Raises as it does."""
        self.folder.begin(self.config, self.data_hash, after=after)
        self.events = Events(self.folder.path / "events", after=after or 0)

    def log(self, status: Status, means: dict[str, float]) -> None:
        """Append to the run's numbers: where it stands, and means since the last time."""
        self.folder.log(status, means)
        if self.events is not None:
            self.events.log(status.step, means)
        if status.seconds - self.reported_at >= REPORT_EVERY_S:
            self._report(status.seconds)

    def close(self) -> None:
        """Write what is left."""
        if self.events is not None:
            self.events.close()

    def go_on(self, *, with_sampler: bool) -> tuple[int, float]:
        """Take up the saved state: steps and seconds so far. Raises RunError if it cannot be.

        Without its sampler where the pairs have changed: what was hard of the others is forgotten.
        """
        state = load_state(self.folder.state_file, self.notify)
        restore(self._stateful(with_sampler), state, self.folder.state_file)
        self.images_before, self.best = state["images_before"], Best(**state["best"])
        self.saved_at = self.reported_at = state["seconds"]
        return state["step"], state["seconds"]

    def keep(self, at: Point) -> None:
        """Write what is due at this point of the run."""
        config, folder, done = self.config, self.folder, at.ended or at.stopped
        score = self.scorer is not None and (at.ended or at.step % config.score_every == 0)
        show = done or at.step % config.sample_every == 0
        save = done or at.step % config.save_every == 0 or at.seconds - self.saved_at >= SAVE_EVERY_S
        if not (score or show or save):
            return
        shown, header = self.game.average, self._header(at)
        if at.ended or score:
            header = replace(header, directions=find_directions(shown, self.grid[0]))
        judge = copy.deepcopy(self.game.discriminator).eval()
        weights = shown.state_dict()
        weights |= {f"discriminator.{name}": value for name, value in judge.state_dict().items()}
        if self.scorer is not None and score:
            try:
                figures = self.scorer.score(shown, header, judge)
            except (ImageError, PairsError) as error:
                self.notify(f"step {at.step} is not scored: {error}")
            else:
                value = figures.get(config.best_metric, math.inf)
                if value < self.best.value:
                    self.best = Best(value, at.step)
                    measured = replace(header, metrics={config.best_metric: value})
                    save_bundle(folder.best_file, weights, measured)
                if self.events is not None:
                    self.events.log(at.step, figures)
                folder.log_scores(at.step, at.seconds, figures, best=self.best.step == at.step)
        if save:
            if at.seconds // SNAPSHOT_EVERY_S > self.saved_at // SNAPSHOT_EVERY_S:
                save_bundle(folder.snapshot_file(header.images), weights, header)
            self.save(at)
            save_bundle(folder.bundle_file, weights, header)
            save_discriminators(folder.path / DISCRIMINATORS, self.game.discriminators())
        if show:
            draw_grid(folder.sample_file(at.step), shown, self.grid)
            draw_hardest(folder.path, self.sampler.hardest(HARDEST), self.train, shown, config.size_px)
            draw_realism(folder.realism_file, shown, judge, self.grid[0])
        if show or score:
            self._report(at.seconds)

    def save(self, at: Point) -> None:
        """Write the state. Raises OSError, and leaves what there was."""
        self.saved_at = at.seconds
        parts = {name: part.state_dict() for name, part in self._stateful().items()}
        counts = {"step": at.step, "seconds": at.seconds, "images_before": self.images_before}
        save_state(self.folder.state_file, {**parts, **counts, "best": asdict(self.best)})

    def _report(self, seconds: float) -> None:
        self.reported_at = seconds
        write_report(self.folder.path)

    def _stateful(self, with_sampler: bool = True) -> dict[str, Any]:
        return {**self.game.stateful(), **({"sampler": self.sampler} if with_sampler else {})}

    def _header(self, at: Point) -> Header:
        config = self.config
        return Header(
            model=config.model,
            title=config.title or self.folder.path.name,
            preset=config.preset,
            steps=at.step,
            images=self.images_before + at.step * config.batch_size,
            data=f"{self.pairs.name}, {len(self.train)} pairs",
            data_hash=self.data_hash,
            licence=config.licence,
            discriminator=config.discriminator,
        )
