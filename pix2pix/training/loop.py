"""Train a model on a pairs folder.

    pix2pix train pairs/shoes --name shoes --time-limit 60m
    pix2pix train pairs/shoes --name shoes --resume

`game` is what happens in a step; here is what goes around it: data, rates, saving, scoring, messages. Every
latent and augmentation is a function of the configuration and the step, and the rest of what a step depends
on is in the state, so that a resumed run is the run that was never stopped. The learning rates follow the
progress: of the steps, or, with a time limit, of the clock, which makes no two runs equal.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from pix2pix.errors import PairsError, RunError, UsageError
from pix2pix.files import only_writer
from pix2pix.pairs import Pair, data_hash, list_pairs, load_pair, to_tensors
from pix2pix.training.augment import PairAugment
from pix2pix.training.batch import draw_batch
from pix2pix.training.config import TrainConfig
from pix2pix.training.distributed import make_fabric, tell_of_lost_processes
from pix2pix.training.loader import load_batches
from pix2pix.training.run_folder import RunFolder, Status
from pix2pix.training.sampler import PairSampler
from pix2pix.training.snapshots import Keeper, Point
from pix2pix.training.step import Game, Played

GRID_PAIRS = 8  # fixed inputs of the sample grid
LOG_EVERY = 50  # steps between lines of stats.jsonl


def train(
    config: TrainConfig,
    pairs: Path,
    run: Path,
    *,
    resume: bool = False,
    other_pairs: bool = False,
    start_from: Path | None = None,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    precision: str = "auto",
    workers: int = 0,
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    notify: Callable[[str], None] = lambda message: None,
) -> Iterator[Status]:
    """Train until `config.steps` or `config.time_limit_s`; yields a Status after each step.

    `stop` is asked before every step: when it says yes, the state is saved and the run ends early.
    `start_from` begins with a bundle's networks. `other_pairs` lets a run go on though its pairs changed.
    `precision` is "auto" or one of Lightning Fabric's names. `workers` processes prepare batches ahead; 0
    prepares them here. With several `devices` or `nodes` each process calls this; the batch is shared out
    among them, and only the first one writes and yields.
    Raises PairsError for an unusable pairs folder, UsageError for a device or bundle that does not fit,
    RunError for a run folder that cannot be begun or resumed, for a loss that is no longer finite, for memory
    that does not hold one picture and for another process that is gone, and FolderInUse for a run folder
    that another run writes to.
    """
    # --- what could stop a run, before anything is written: data, device, weights to begin with
    train_pairs, val_pairs = list_pairs(pairs, "train"), _validation(pairs)
    grid = _grid_inputs(val_pairs or train_pairs, config)  # fixed inputs for the eye
    _refuse_uneven(config, devices * nodes)
    folder, fingerprint = RunFolder(run), data_hash(train_pairs)
    recorded = folder.config() if resume else config
    same_pairs = not resume or folder.began_with(fingerprint)
    if not same_pairs and not other_pairs:
        raise RunError(
            f"{run} was trained on other pairs (their hash is {fingerprint} now): --other-pairs goes on with "
            f"these all the same; a new --name with --from {folder.bundle_file} begins a run of its own"
        )
    fabric = make_fabric(device, precision, devices=devices, nodes=nodes)
    writes = fabric.is_global_zero
    game = Game(config, fabric, notify)
    images_before = game.begin_with(start_from) if start_from else 0
    game.set_up()
    sampler = PairSampler(
        len(train_pairs), batch_size=config.pairs_per_step, seed=config.seed, weak_points=config.weak_points
    )
    keeper = Keeper(config, folder, pairs, train_pairs, val_pairs, grid, game, sampler, images_before, notify)

    if writes and not resume:
        run.mkdir(parents=True, exist_ok=True)
    with tell_of_lost_processes(fabric), only_writer(run) if writes else nullcontext(), closing(keeper):
        # --- begin, or go on where the state says
        step, seconds_before = 0, 0.0
        if resume:
            step, seconds_before = keeper.go_on(with_sampler=same_pairs)
            config = keeper.config = _unless_ended(config, recorded, step, seconds_before)
        if writes:
            keeper.begin(after=step if resume else None)
        batches = load_batches(
            train_pairs,
            PairAugment(
                flip=config.flip,
                shift_scale=config.shift_scale,
                strokes=config.strokes,
                line_width=config.line_width,
            ),
            sampler,
            size_px=config.size_px,
            first_step=step,
            places=range(fabric.global_rank, config.pairs_per_step, fabric.world_size),
            pictures=config.batch_size,
            workers=workers,
            pin_memory=fabric.device.type == "cuda",
        )
        began, seconds, first_step, waited = clock(), seconds_before, step, 0.0
        marks = deque([(seconds, step, waited)], maxlen=20)
        since_line, unreadable = Means(), set[str]()

        while True:
            # --- where are we? keep what is due, stop; the first process says so to all
            progress, stopped = fabric.broadcast((_progress(config, step, seconds), stop()))
            ended = progress >= 1
            at = Point(step, seconds, ended=ended, stopped=stopped)
            if writes and (step > first_step or (resume and ended)):  # a run whose end failed ends again
                keeper.keep(at)
            if ended or stopped:
                return

            # --- fetch: everything random about a step is a function of (seed, step)
            sampler.begin(step)
            asked = time.perf_counter()
            try:
                loaded = next(batches)
            except (PairsError, RunError):
                if writes and step > first_step:
                    keeper.save(at)
                raise
            waited += time.perf_counter() - asked
            for name in loaded.unreadable.keys() - unreadable:
                notify(f"pair {name} is left out: {loaded.unreadable[name]}")
            unreadable |= loaded.unreadable.keys()
            batch = draw_batch(config, step, loaded, fabric.global_rank, fabric.world_size, fabric.device)

            # --- discriminators move, then generators climb their gradient
            measure = step % LOG_EVERY == LOG_EVERY - 1
            played = game.play(step, batch, rate=_rate(config, step, progress), measure=measure)
            sampler.learn(*_errors(fabric, config, played, loaded.indices))
            step += 1

            # --- say how it went
            seconds = seconds_before + clock() - began
            marks.append((seconds, step, waited))
            took = marks[-1][0] - marks[0][0]
            status = Status(
                step=step,
                images=step * config.batch_size,
                progress=_progress(config, step, seconds),
                seconds=seconds,
                images_per_s=(step - marks[0][1]) * config.batch_size / took if took > 0 else 0.0,
                data_wait=(waited - marks[0][2]) / took if took > 0 else 0.0,
                losses=_finite(fabric, step, played.losses),
                standing=_finite(fabric, step, played.standing),
            )
            since_line.add({**status.losses, **status.standing})
            if writes and step % LOG_EVERY == 0:
                keeper.log(status, since_line.take())
            if writes:
                yield status


def _validation(pairs: Path) -> list[Pair]:
    """The val part of a pairs folder, which need not have one."""
    try:
        return list_pairs(pairs, "val")
    except PairsError:
        return []


def _grid_inputs(pairs: list[Pair], config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Sketches and photos of the first few pairs, (N, 1, S, S) and (N, 3, S, S) in [-1, 1]."""
    sketches, photos = zip(*(load_pair(pair, config.size_px) for pair in pairs[:GRID_PAIRS]), strict=True)
    return to_tensors(list(sketches), list(photos))


def _refuse_uneven(config: TrainConfig, processes: int) -> None:
    """Raise UsageError where a batch cannot be shared out evenly."""
    if config.batch_size % processes or (config.two_stage and config.layout.batch_size % (8 * processes)):
        raise UsageError(
            f"batch_size {config.batch_size} is not a multiple of {processes}, or layout.batch_size "
            f"{config.layout.batch_size} of {8 * processes}, as they must be here"
        )


def _errors(
    fabric: Fabric, config: TrainConfig, played: Played, indices: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which pairs' errors were measured, and the errors, of all processes."""
    both = torch.zeros(2, config.batch_size, dtype=torch.float64)  # each process fills in its own places
    both[0, played.place] = torch.tensor(indices[: len(played.error)], dtype=torch.float64) + 1
    both[1, played.place] = played.error.double().cpu()
    both = torch.as_tensor(fabric.all_reduce(both.to(fabric.device), reduce_op="sum")).cpu()
    index, error = both[:, both[0] > 0].numpy()
    return index.astype(np.int64) - 1, error


def _unless_ended(config: TrainConfig, recorded: TrainConfig, step: int, seconds: float) -> TrainConfig:
    """The configuration to go on with; a run that has ended keeps the limits that it ended by."""
    if min(_progress(config, step, seconds), _progress(recorded, step, seconds)) < 1:
        return config
    return replace(config, steps=recorded.steps, time_limit_s=recorded.time_limit_s)


def _progress(config: TrainConfig, step: int, seconds: float) -> float:
    """0 to 1, by steps or by time, whichever is further."""
    by_time = seconds / config.time_limit_s if config.time_limit_s else 0.0
    return min(1.0, max(step / config.steps, by_time))


def _rate(config: TrainConfig, step: int, progress: float) -> float:
    """A factor of the learning rates: up from 0 in the first steps, 1, then linearly to 0 at the end."""
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    fall = min(1.0, (1 - progress) / config.decay_fraction) if config.decay_fraction else 1.0
    return rise * fall


class Means:
    """Running means by name."""

    def __init__(self) -> None:
        """Of nothing yet."""
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, values: dict[str, float]) -> None:
        """Take values in; not every name need be in each."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1

    def take(self) -> dict[str, float]:
        """The means, and begin anew."""
        means = {name: total / count for name, (total, count) in self._sums.items()}
        self._sums.clear()
        return means


def _finite(fabric: Fabric, step: int, values: dict[str, Tensor]) -> dict[str, float]:
    """Means over all processes, as numbers. Raises RunError, naming them, if any is not finite."""
    if not values:
        return {}
    means = torch.stack([value.detach().float() for value in values.values()])
    means = torch.as_tensor(fabric.all_reduce(means, reduce_op="mean"))
    numbers = dict(zip(values, means.tolist(), strict=True))
    if bad := [name for name, number in numbers.items() if not math.isfinite(number)]:
        raise RunError(f"step {step}: {', '.join(bad)} is not finite; what was saved before stays")
    return numbers
