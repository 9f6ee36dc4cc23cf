"""Trains a model on a pairs folder: the training loop, and when samples, scores and checkpoints are written.

    pix2pix train pairs/shoes --name shoes --time-limit 60m
    pix2pix train pairs/shoes --name shoes --resume

The package `steps` has the updates of one step. Batches and random numbers are functions of the
configuration and the step, and everything else that a step depends on is in the checkpoint: a resumed run
equals a run that never stopped. Learning rates follow the progress: by steps or, with a time limit, by the
clock, which makes no two runs equal.
"""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from pix2pix.errors import ImageError, PairsError, RunError, UsageError
from pix2pix.files import only_writer
from pix2pix.model.bundle import Header, save_bundle
from pix2pix.pairs import Pair, data_hash, list_pairs, load_tensors
from pix2pix.training.checkpoint import Best, load_state, restore, save_snapshot, save_state, state_of
from pix2pix.training.config import TrainConfig
from pix2pix.training.data.augment import PairAugment
from pix2pix.training.data.batch import draw_batch
from pix2pix.training.data.loader import load_batches
from pix2pix.training.data.sampler import PairSampler
from pix2pix.training.directions import find_directions
from pix2pix.training.distributed import lost_processes_as_run_error, make_fabric
from pix2pix.training.palette import find_palette
from pix2pix.training.report.page import write_report
from pix2pix.training.report.samples import draw_grid, draw_hardest, draw_realism
from pix2pix.training.run_folder import RunFolder, Status, TensorBoard
from pix2pix.training.steps.training_step import StepResult, TrainingStep
from pix2pix.training.validation import Scorer

GRID_PAIRS = 8  # fixed inputs of the sample grid
HARDEST = 24  # pairs in the report
LOG_EVERY = 50  # steps between lines of stats.jsonl
SAVE_EVERY_S = 300.0  # of training: the longest time between two checkpoints
KEEP_EVERY_S = 3600.0  # of training: time between two bundles in snapshots/
REPORT_EVERY_S = 60.0  # of training: the shortest time between two reports for new numbers alone


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
    """Trains until `config.steps` or `config.time_limit_s`; yields a Status after each step.

    `stop` is called before every step; when it returns true, the run saves and ends early. `start_from` is a
    bundle whose weights the run starts with. `other_pairs` allows a run to go on with changed pairs.
    `precision` is "auto" or one of Lightning Fabric's names. `workers` processes prepare batches ahead; 0
    prepares them in this process. With several `devices` or `nodes` each process calls this function; they
    share each batch, and only the first one writes and yields.
    Raises PairsError for an unusable pairs folder, UsageError for a device or bundle that does not fit,
    RunError for a run folder that cannot be started or resumed, for a loss that is not finite, for too little
    memory for one picture and for another process that has ended, and FolderInUse for a run folder that
    another run writes to.
    """
    # --- everything that can fail, before anything is written: pairs, run folder, device, weights
    train_pairs, val_pairs = list_pairs(pairs, "train"), _validation_pairs(pairs)
    grid = load_tensors((val_pairs or train_pairs)[:GRID_PAIRS], config.size_px)
    _refuse_uneven_batches(config, devices * nodes)
    folder, pairs_hash = RunFolder(run), data_hash(train_pairs)
    recorded = folder.config() if resume else config
    same_pairs = not resume or folder.has_pairs(pairs_hash)
    if resume and not other_pairs:
        folder.refuse_other_pairs(pairs_hash)
    fabric = make_fabric(device, precision, devices=devices, nodes=nodes)
    writes = fabric.is_global_zero
    training_step = TrainingStep(config, fabric, notify)
    images_before = training_step.load_weights(start_from) if start_from else 0
    training_step.set_up()
    sampler = PairSampler(
        len(train_pairs), batch_size=config.pairs_per_step, seed=config.seed, weak_points=config.weak_points
    )
    stateful = {**training_step.stateful(), "sampler": sampler}
    scorer = None
    if writes and config.score_every and val_pairs:
        scorer = Scorer(config, train_pairs, val_pairs, fabric.device, notify)

    if writes and not resume:
        run.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(lost_processes_as_run_error(fabric))
        if writes:
            stack.enter_context(only_writer(run))

        # --- resume from the checkpoint; without its sampler if the pairs are others
        step, seconds, best = 0, 0.0, Best()
        if resume:
            state = load_state(folder.state_file, notify)
            restore(stateful, state, folder.state_file, skip=() if same_pairs else ("sampler",))
            step, seconds, images_before = state["step"], state["seconds"], state["images_before"]
            best = Best(**state["best"]) if same_pairs else Best()
            config = _keep_limits_if_ended(config, recorded, step, seconds)

        # --- run folder, logs, header of the bundles
        if writes:
            folder.begin(config, pairs_hash, start_from=start_from, after=step if resume else None)
        tensorboard = TensorBoard(run / "events" if writes else None, after=step)
        stack.enter_context(closing(tensorboard))
        untrained = Header(
            model=config.model,
            title=config.title or run.name,
            preset=config.preset,
            steps=0,
            images=0,
            data=f"{pairs.resolve().name}, {len(train_pairs)} pairs",
            data_hash=pairs_hash,
            licence=config.licence,
            discriminator=config.discriminator,
            palette=find_palette(train_pairs) if writes and config.two_stage else (),
        )

        # --- batches
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

        first_step, seconds_before, began, waited_s = step, seconds, clock(), 0.0
        saved_at = reported_at = seconds  # of training
        recent = deque([(seconds, step, waited_s)], maxlen=20)
        means, unreadable = Means(), set[str]()

        while True:
            # --- progress: the first process decides for all
            progress, stopped = fabric.broadcast((_progress(config, step, seconds), stop()))
            ended = progress >= 1
            done = ended or stopped

            # --- what is due? A run whose last save failed saves when it is resumed
            changed = writes and (step > first_step or (resume and ended))
            score_due = changed and scorer and _is_due(config.score_every, step, at_end=ended)
            samples_due = changed and _is_due(config.sample_every, step, at_end=done)
            save_due = changed and _save_is_due(config, step, seconds - saved_at, at_end=done)
            if score_due or samples_due or save_due:
                average = training_step.average
                discriminator = copy.deepcopy(training_step.discriminator).eval()
                weights = average.state_dict()
                weights |= {f"discriminator.{name}": w for name, w in discriminator.state_dict().items()}
                header = replace(untrained, steps=step, images=images_before + step * config.batch_size)
                if ended or score_due:
                    header = replace(header, directions=find_directions(average, grid[0]))

            # --- scores, and the best bundle
            if scorer and score_due:
                try:
                    figures = scorer.score(average, header, discriminator)
                except (ImageError, PairsError) as error:
                    notify(f"step {step} is not scored: {error}")
                else:
                    value = figures.get(config.best_metric, math.inf)
                    if value < best.value:
                        best = Best(value, step)
                        scored = replace(header, metrics={config.best_metric: value})
                        save_bundle(folder.best_file, weights, scored)
                    tensorboard.log(step, figures)
                    folder.log_scores(step, seconds, figures, best=best.step == step)

            # --- snapshot: checkpoint, bundle, discriminators
            if save_due:
                keep = seconds // KEEP_EVERY_S > saved_at // KEEP_EVERY_S
                saved_at = seconds
                state = state_of(stateful, step, seconds, images_before, best)
                save_snapshot(
                    folder, state, weights, header, training_step.discriminators(), keep_bundle=keep
                )

            # --- samples
            if samples_due:
                draw_grid(folder.sample_file(step), average, grid)
                draw_hardest(run, sampler.hardest(HARDEST), train_pairs, average, config.size_px)
                draw_realism(folder.realism_file, average, discriminator, grid[0])

            # --- report
            if score_due or samples_due:
                reported_at = seconds
                write_report(run)
            if done:
                return

            # --- fetch: a batch is a function of (seed, step) and of the errors that the sampler recorded
            sampler.begin(step)
            waits_from = time.perf_counter()
            try:
                loaded = next(batches)
            except (PairsError, RunError):
                if writes and step > first_step:
                    save_state(folder.state_file, state_of(stateful, step, seconds, images_before, best))
                raise
            waited_s += time.perf_counter() - waits_from
            for name in loaded.unreadable.keys() - unreadable:
                notify(f"pair {name} is left out: {loaded.unreadable[name]}")
            unreadable |= loaded.unreadable.keys()
            batch = draw_batch(config, step, loaded, fabric.global_rank, fabric.world_size, fabric.device)

            # --- step: discriminators are updated, then generators, then their average
            rate = _rate(config, step, progress)
            result = training_step.run(step, batch, rate=rate, measure=step % LOG_EVERY == LOG_EVERY - 1)
            sampler.record_errors(*_all_errors(fabric, config, result, loaded.indices))
            step += 1

            # --- status
            seconds = seconds_before + clock() - began
            recent.append((seconds, step, waited_s))
            window_s = recent[-1][0] - recent[0][0]
            progress = _progress(config, step, seconds)
            ended = progress >= 1
            status = Status(
                step=step,
                images=step * config.batch_size,
                progress=progress,
                seconds=seconds,
                images_per_s=(step - recent[0][1]) * config.batch_size / window_s if window_s > 0 else 0.0,
                data_wait=(waited_s - recent[0][2]) / window_s if window_s > 0 else 0.0,
                losses=_finite_means(fabric, step, result.losses),
                statistics=_finite_means(fabric, step, result.statistics),
                scores=scorer is not None and _is_due(config.score_every, step, at_end=ended),
                saves=_save_is_due(config, step, seconds - saved_at, at_end=ended),
            )

            # --- logs
            means.add({**status.losses, **status.statistics})
            if writes and step % LOG_EVERY == 0:
                values = means.take()
                folder.log(status, values)
                tensorboard.log(step, values)
                if seconds - reported_at >= REPORT_EVERY_S:
                    reported_at = seconds
                    write_report(run)
            if writes:
                yield status


def _validation_pairs(pairs: Path) -> list[Pair]:
    """Returns the val part of a pairs folder, or nothing if there is none."""
    try:
        return list_pairs(pairs, "val")
    except PairsError:
        return []


def _refuse_uneven_batches(config: TrainConfig, processes: int) -> None:
    """Raises UsageError where processes cannot get equal shares of a batch."""
    if config.batch_size % processes or (config.two_stage and config.layout.batch_size % (8 * processes)):
        raise UsageError(
            f"with {processes} processes batch_size must be a multiple of {processes}, and "
            f"layout.batch_size a multiple of {8 * processes}; they are {config.batch_size} and "
            f"{config.layout.batch_size}"
        )


def _all_errors(
    fabric: Fabric, config: TrainConfig, result: StepResult, indices: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns indices (K,) and errors (K,) of the pairs of all processes."""
    both = torch.zeros(2, config.batch_size, dtype=torch.float64)  # each process fills in its own places
    both[0, result.place] = torch.tensor(indices[: len(result.error)], dtype=torch.float64) + 1
    both[1, result.place] = result.error.double().cpu()
    both = torch.as_tensor(fabric.all_reduce(both.to(fabric.device), reduce_op="sum")).cpu()
    index, error = both[:, both[0] > 0].numpy()
    return index.astype(np.int64) - 1, error


def _keep_limits_if_ended(
    config: TrainConfig, recorded: TrainConfig, step: int, seconds: float
) -> TrainConfig:
    """Returns the configuration to resume with; a run that has ended keeps the limits that it ended by."""
    if min(_progress(config, step, seconds), _progress(recorded, step, seconds)) < 1:
        return config
    return replace(config, steps=recorded.steps, time_limit_s=recorded.time_limit_s)


def _progress(config: TrainConfig, step: int, seconds: float) -> float:
    """Returns 0 to 1, by steps or by time, whichever is further."""
    by_time = seconds / config.time_limit_s if config.time_limit_s else 0.0
    return min(1.0, max(step / config.steps, by_time))


def _is_due(every: int, step: int, *, at_end: bool) -> bool:
    """Returns whether something is due that comes every few steps, and at the end."""
    return at_end or step % every == 0


def _save_is_due(config: TrainConfig, step: int, since_s: float, *, at_end: bool) -> bool:
    """Returns whether a checkpoint is due; the last one was saved `since_s` ago."""
    return _is_due(config.save_every, step, at_end=at_end) or since_s >= SAVE_EVERY_S


def _rate(config: TrainConfig, step: int, progress: float) -> float:
    """Returns a factor of the learning rates: up from 0 in the first steps, 1, then linearly to 0."""
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    fall = min(1.0, (1 - progress) / config.decay_fraction) if config.decay_fraction else 1.0
    return rise * fall


class Means:
    """Running means by name."""

    def __init__(self) -> None:
        """Starts empty."""
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, values: dict[str, float]) -> None:
        """Adds values; names may differ from call to call."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1

    def take(self) -> dict[str, float]:
        """Returns the means and starts again."""
        means = {name: total / count for name, (total, count) in self._sums.items()}
        self._sums.clear()
        return means


def _finite_means(fabric: Fabric, step: int, values: dict[str, Tensor]) -> dict[str, float]:
    """Returns means over all processes. Raises RunError, with the names, if any is not finite."""
    if not values:
        return {}
    means = torch.stack([value.detach().float() for value in values.values()])
    means = torch.as_tensor(fabric.all_reduce(means, reduce_op="mean"))
    numbers = dict(zip(values, means.tolist(), strict=True))
    if bad := [name for name, number in numbers.items() if not math.isfinite(number)]:
        raise RunError(f"step {step}: {', '.join(bad)} is not finite; the last checkpoint is kept")
    return numbers
