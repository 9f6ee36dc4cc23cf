"""Train the two players on a pairs folder.

    pix2pix train pairs/shoes --name shoes --time-limit 60m
    pix2pix train pairs/shoes --name shoes --resume

G (the forger) and D (the investigator) move in turn. Every batch and latent is a function of the
configuration and the step, so that a resumed run needs nothing but weights and optimiser states. Learning
rate and the size D looks at follow the progress: of the steps, or, with a time limit, of the clock, which
makes no two runs equal.
"""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor

from pix2pix import diffaugment, losses
from pix2pix.augment import PairAugment
from pix2pix.bundle import Header, load_bundle, save_bundle
from pix2pix.checkpoint import load_state, restore, save_state
from pix2pix.config import TrainConfig, refuse_other_model
from pix2pix.dataset import Pair, PairBatches, data_hash, list_pairs, load_pair, to_tensors
from pix2pix.devices import choose_device, choose_precision
from pix2pix.errors import PairsError, RunError, UsageError
from pix2pix.features import PerceptualDistance
from pix2pix.files import only_writer, sweep
from pix2pix.finishing import finish
from pix2pix.networks import Discriminator, Model
from pix2pix.run_folder import RunFolder, Status

GRID_PAIRS = 8  # fixed inputs of the sample grid
LOG_EVERY = 50  # steps between lines of stats.jsonl
SAVE_EVERY_S = 300.0  # at the longest between two saves, however slow the machine
EMA_RAMP = 0.1  # of the run's images: the longest half-life, so that its beginning is forgotten (EDM2)
PENALTY_EVERY = 16  # steps (Karras et al. 2020, section 3.2)
SEED_STRIDE = 1_000_003  # a prime: the step seeds of two runs with neighbouring seeds do not coincide
AUGMENT_STREAM = 0x9E3779B9  # added to step seeds: what D is shown must not go with z


def train(
    config: TrainConfig,
    pairs: Path,
    run: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    notify: Callable[[str], None] = lambda message: None,
) -> Iterator[Status]:
    """Train until `config.steps` or `config.time_limit_s`; yields a Status after each step.

    `stop` is asked before every step: when it says yes, the state is saved and the run ends early.
    `start_from` begins with a bundle's generator.
    `precision` is "auto" or one of Lightning Fabric's names.
    Raises PairsError for an unusable pairs folder, UsageError for a device or bundle that does not fit,
    RunError for a run folder that cannot be begun or resumed or for a loss that is no longer finite, and
    FolderInUse for a run folder that another process trains in.
    """
    # --- what could stop a run, before anything is written: data, device, weights to begin with
    train_pairs = list_pairs(pairs, "train")
    fingerprint = data_hash(train_pairs)
    grid = _grid_inputs(pairs, train_pairs, config)  # fixed inputs for the eye
    chosen = choose_device(device)
    fabric = Fabric(
        accelerator=chosen.type,
        devices=1 if chosen.index is None else [chosen.index],
        precision=choose_precision(precision, chosen),
    )
    torch.manual_seed(config.seed)
    model = Model(config.model)
    discriminator = Discriminator(
        config.discriminator_widths,
        config.discriminator_norm,
        roughness=config.model.roughness,
        scales=config.discriminator_scales,
    )
    images_before = 0  # that the bundle to begin with has seen
    if start_from is not None:
        images_before = _begin_with(start_from, model)
    for player in (model, discriminator):
        player.to(fabric.device).to(memory_format=torch.channels_last)

    # --- the players, their optimisers and the average of G and E that is shipped
    average = copy.deepcopy(model).eval().requires_grad_(False)
    g, d = fabric.setup_module(model.generator), fabric.setup_module(discriminator)
    encoder = model.encoder
    e = fabric.setup_module(encoder) if encoder else None
    g_optimizer: Any = fabric.setup_optimizers(_adam(model, config.generator_lr, config))
    d_optimizer: Any = fabric.setup_optimizers(_adam(discriminator, config.discriminator_lr, config))
    perceptual = _perceptual(config, fabric.device, notify)
    stateful = {
        "model": model,
        "average": average,
        "discriminator": discriminator,
        "g_optimizer": g_optimizer,
        "d_optimizer": d_optimizer,
        "precision": fabric.strategy.precision,  # with float16, the scale of the loss
    }

    folder = RunFolder(run)
    if resume:
        folder.check_data(fingerprint)
    else:
        run.mkdir(parents=True, exist_ok=True)
    with only_writer(run):
        # --- begin, or go on where the state says
        step, seconds_before = 0, 0.0
        if resume:
            sweep(run)
            state = load_state(folder.state_file, notify)
            restore(stateful, state, folder.state_file)
            step, seconds_before, images_before = state["step"], state["seconds"], state["images_before"]
            folder.record(config, fingerprint)
            folder.forget_after(step)
        else:
            folder.begin(config, fingerprint)
        augment = PairAugment(
            flip=config.flip,
            shift_scale=config.shift_scale,
            strokes=config.strokes,
            line_width=config.line_width,
        )
        batches = PairBatches(train_pairs, augment, batch_size=config.batch_size, seed=config.seed)
        began, seconds, first_step, marks = clock(), seconds_before, step, deque[tuple[float, int]](maxlen=20)
        saved_at = seconds

        while True:
            # --- where are we? save, show, stop
            images = step * config.batch_size
            progress = _progress(config, step, seconds)
            done = progress >= 1 or stop()
            due = step % config.save_every == 0 or seconds - saved_at >= SAVE_EVERY_S
            moved = step > first_step or (resume and done)  # a run whose end failed is ended again
            shown = average
            if moved and (done or due):
                saved_at = seconds
                state = {name: part.state_dict() for name, part in stateful.items()}
                counts = {"step": step, "seconds": seconds, "images_before": images_before}
                save_state(folder.state_file, {**state, **counts})
                header = Header(
                    model=config.model,
                    title=config.title or run.name,
                    preset=config.preset,
                    steps=step,
                    images=images_before + images,
                    data=f"{pairs.name}, {len(train_pairs)} pairs",
                    data_hash=fingerprint,
                    licence=config.licence,
                )
                if progress >= 1 and config.model.draws == "photo":
                    shown = copy.deepcopy(average)  # training may go on with what it is the average of
                    header = replace(header, directions=finish(shown, train_pairs, grid[0]))
                save_bundle(folder.bundle_file, shown.state_dict(), header)
            if moved and (done or step % config.sample_every == 0):
                folder.save_grid(step, shown, grid)
            if done:
                return

            # --- fetch: pairs, latents and rates are functions of (seed, step, progress)
            sketch, photo, roughness = (x.to(fabric.device) for x in batches.batch(step, config.size_px))
            given, target = _sides(sketch, photo, config)
            step_seed = config.seed * SEED_STRIDE + step
            z = torch.randn(
                len(given), config.model.latent_size, generator=torch.Generator().manual_seed(step_seed)
            ).to(fabric.device)
            torch.manual_seed(step_seed)  # for dropout
            _set_rate(g_optimizer, config.generator_lr * _decay(progress, config.decay_fraction))
            _set_rate(d_optimizer, config.discriminator_lr * _decay(progress, config.decay_fraction))

            # --- half of the answers are bound to the real photo, their z read off it; the rest are free
            terms: dict[str, Tensor] = {}
            bound = len(given)  # how many answers are
            if e is not None:
                bound //= 2
                mean, log_variance = e(target[:bound])
                sampled = mean + torch.exp(0.5 * log_variance) * z[:bound]
                z = torch.cat([sampled, z[bound:]])
                terms["g_divergence"] = config.divergence_weight * losses.divergence(mean, log_variance)
            fake, guessed = g(given, z, roughness)

            # --- D learns to tell real from made, from further away in the first part of the run
            seen_px = config.coarse_size_px if progress < config.coarse_fraction else config.size_px
            given_seen, target_seen, fake_seen = (
                F.adaptive_avg_pool2d(x, seen_px) for x in (given, target, fake)
            )
            values: dict[str, Tensor] = {}
            if config.adversarial_weight:
                for_d = _for_discriminator(config, step_seed)
                real_logits, real_features = d(*for_d(given_seen, target_seen), roughness)
                fake_logits, _ = d(*for_d(given_seen, fake_seen.detach()), roughness)
                d_loss = losses.mean_of(
                    losses.DISCRIMINATOR_LOSSES[config.adversarial], real_logits, fake_logits
                )
                values = {"d": d_loss, "d_real": _mean_logit(real_logits), "d_fake": _mean_logit(fake_logits)}
                if config.gradient_penalty_weight and step % PENALTY_EVERY == 0:
                    real = target_seen.detach().requires_grad_()
                    logits, _ = discriminator(given_seen, real, roughness)  # in full precision
                    penalty = losses.gradient_penalty(real, logits)
                    values["d_penalty"] = config.gradient_penalty_weight * PENALTY_EVERY * penalty
                    d_loss = d_loss + values["d_penalty"]
                d_optimizer.zero_grad()
                fabric.backward(d_loss)
                d_optimizer.step()

            # --- G, and E with it, climb D's gradient
            reconstruction = losses.RECONSTRUCTION_LOSSES[config.reconstruction]
            fidelity = (
                1 - roughness[:bound]
            )  # where lines are not where the photo has them, L1 asks for a blur
            difference = reconstruction(fake[:bound].float(), target[:bound])
            terms["g_reconstruction"] = config.reconstruction_weight * (fidelity * difference).mean()
            if config.adversarial_weight:
                discriminator.requires_grad_(False)
                fake_logits, fake_features = d(*for_d(given_seen, fake_seen), roughness)
                discriminator.requires_grad_(True)
                adversarial = losses.mean_of(losses.GENERATOR_LOSSES[config.adversarial], fake_logits)
                terms["g_adversarial"] = config.adversarial_weight * adversarial
                matching = losses.feature_matching(
                    [x[:bound] for x in real_features], [x[:bound] for x in fake_features]
                )
                terms["g_features"] = config.feature_matching_weight * matching
            if guessed is not None:
                terms["g_roughness"] = losses.roughness_error(guessed.float(), roughness)
            if perceptual is not None:
                k = min(config.perceptual_samples, bound)
                with fabric.autocast():
                    distances = perceptual(fake_seen[:k], target_seen[:k])
                terms["g_perceptual"] = config.perceptual_weight * distances.float().mean()
            if encoder is not None and e is not None:
                encoder.requires_grad_(False)
                recovered, _ = e(fake[bound:])
                encoder.requires_grad_(True)
                terms["g_latent"] = config.latent_weight * F.l1_loss(recovered, z[bound:])
                if config.mode_seeking_weight:
                    other_z = (
                        z[bound:].flip(dims=(0,)).neg()
                    )  # free ones are symmetric: as likely as the first
                    other, _ = g(given[bound:], other_z, roughness[bound:])
                    modes = losses.mode_seeking(fake[bound:].float(), other.float(), z[bound:], other_z)
                    terms["g_modes"] = config.mode_seeking_weight * modes
            g_optimizer.zero_grad()
            fabric.backward(sum(terms.values(), torch.zeros((), device=fabric.device)))
            g_optimizer.step()

            # --- the average of G and E follows
            step += 1
            images = step * config.batch_size
            half_life = min(config.ema_half_life_images, EMA_RAMP * images)
            _update_average(average, model, half_life=half_life, batch=len(given))

            # --- say how it went
            seconds = seconds_before + clock() - began
            marks.append((seconds, images))
            status = Status(
                step=step,
                images=images,
                seen_px=seen_px,
                progress=_progress(config, step, seconds),
                seconds=seconds,
                images_per_s=_rate(marks),
                losses=_finite(step, {**values, **terms}),
            )
            if step % LOG_EVERY == 0:
                folder.log(status)
            yield status


def _adam(module: torch.nn.Module, rate: float, config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), lr=rate, betas=config.betas, fused=True)


def _perceptual(
    config: TrainConfig, device: torch.device, notify: Callable[[str], None]
) -> PerceptualDistance | None:
    """LPIPS-VGG where the recipe asks for it and the machine has it; else None, and said so."""
    if not config.perceptual_weight:
        return None
    try:
        return PerceptualDistance("vgg").to(device)
    except UsageError as error:
        notify(f"training without the perceptual term: {error}")
        return None


def _begin_with(bundle: Path, model: Model) -> int:
    """Put a bundle's weights in; the pictures they have seen. Raises UsageError for another model's.

    An encoder begins anew where the bundle holds no such one.
    """
    theirs, header = load_bundle(bundle)
    refuse_other_model(header.model, model.config, str(bundle))
    model.generator.load_state_dict(theirs.generator.state_dict())
    if model.encoder and theirs.encoder and header.model.encoder_widths == model.config.encoder_widths:
        model.encoder.load_state_dict(theirs.encoder.state_dict())
    return header.images


def _for_discriminator(
    config: TrainConfig, step_seed: int
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What is done to sketches and photos before D sees them: the same to real and to made ones."""
    if not config.differentiable_augment:
        return lambda given, answer: (given, answer)
    return lambda given, answer: diffaugment.augment(given, answer, AUGMENT_STREAM + step_seed)


def _mean_logit(logits: list[Tensor]) -> Tensor:
    return torch.stack([x.float().mean() for x in logits]).mean()


def _sides(sketch: Tensor, photo: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Sketches and photos as what G is given and what it is to draw."""
    return (sketch, photo) if config.model.draws == "photo" else (photo, sketch)


def _grid_inputs(pairs: Path, train_pairs: list[Pair], config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Both sides of the sample grid's fixed pairs: the first of val, else of train."""
    try:
        chosen = list_pairs(pairs, "val")[:GRID_PAIRS]
    except PairsError:
        chosen = train_pairs[:GRID_PAIRS]
    sketches, photos = zip(*(load_pair(pair, config.size_px) for pair in chosen), strict=True)
    return _sides(*to_tensors(list(sketches), list(photos)), config)


def _progress(config: TrainConfig, step: int, seconds: float) -> float:
    """0 to 1, by steps or by time, whichever is further."""
    by_time = seconds / config.time_limit_s if config.time_limit_s else 0.0
    return min(1.0, max(step / config.steps, by_time))


def _decay(progress: float, fraction: float) -> float:
    """1, then linearly to 0 over the last `fraction` of the run."""
    return 1.0 if fraction == 0 else min(1.0, (1 - progress) / fraction)


def _set_rate(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _update_average(average: Model, model: Model, *, half_life: float, batch: int) -> None:
    """Exponential average of weights by half-life in images (Karras et al. 2018), shorter at first (EDM2)."""
    weight = 1 - 0.5 ** (batch / half_life)
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), weight)


def _rate(marks: deque[tuple[float, int]]) -> float:
    """Images per second over the last steps."""
    (then, before), (now, images) = marks[0], marks[-1]
    return (images - before) / (now - then) if now > then else 0.0


def _finite(step: int, values: dict[str, Tensor]) -> dict[str, float]:
    """The losses as numbers. Raises RunError, naming them, if any is not finite."""
    numbers = {name: float(value.detach()) for name, value in values.items()}
    if bad := [name for name, value in numbers.items() if not math.isfinite(value)]:
        raise RunError(f"step {step}: {', '.join(bad)} is not finite; what was saved before stays")
    return numbers
