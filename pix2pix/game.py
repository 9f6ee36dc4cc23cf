"""The game of two players: G, the forger, draws photos, and D, the investigator, tells them from real ones.

They move in turn. D learns from real photos and from G's; then G, and with it the photo encoder E, climbs D's
gradient. Out of memory, a move is made in two halves, and so on; in several processes, each makes the move
on its share of the batch, and their gradients are averaged. Either way it is the move of the whole batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from pix2pix import diffaugment, losses
from pix2pix.bundle import load_bundle
from pix2pix.config import TrainConfig, differences, refuse_other_model
from pix2pix.errors import RunError, UsageError
from pix2pix.features import PerceptualDistance
from pix2pix.networks import Discriminator, Model

DRAWS = diffaugment.DRAWS + 3  # random numbers that a picture of a batch takes
WINDOW, LOOK = slice(diffaugment.DRAWS, diffaugment.DRAWS + 2), -1  # which of them: corner, close or not
EMA_RAMP = 0.1  # of the run's images: the longest half-life, so that its beginning is forgotten (EDM2)
PENALTY_EVERY = 16  # steps (Karras et al. 2020, section 3.2)
SEEN = ("size_px", "close_up")  # fields of D that change what it looks at, not what its weights fit
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")  # torch on a CPU


@dataclass(frozen=True)
class Batch:
    """What the players are shown at a step: N pairs, first those whose answers are bound, then the free.

    Everything random about a step is in it, drawn for the batches of all processes together.
    """

    place: Tensor  # (N,) in the batch of all processes; on the CPU, as `draws`
    given: Tensor  # (N, C, S, S) in [-1, 1]
    target: Tensor  # (N, C', S, S) in [-1, 1]
    roughness: Tensor  # (N,) in 0..1
    z: Tensor  # (N, Z), standard normal
    other_z: Tensor  # (N, Z), another
    draws: Tensor  # (N, DRAWS), uniform in 0..1, on the CPU: for `diffaugment`, then for the close-up

    def __len__(self) -> int:
        """N."""
        return len(self.place)

    def parts(self, count: int) -> Iterator[Batch]:
        """As `count` batches, each with the same share of bound and free answers."""
        for i in range(count):
            yield Batch(*(getattr(self, field.name)[i::count] for field in fields(self)))


@dataclass(frozen=True)
class Played:
    """How a step went."""

    losses: dict[str, Tensor]  # by name, weighted; of one number each, as the next
    standing: dict[str, Tensor]  # what D makes of real and made photos, and the size of the moves
    place: Tensor  # (K,) which pictures' errors were measured; none where G did not move
    error: Tensor  # (K,) L1 of the bound answers, pixels in [-1, 1]


@dataclass(frozen=True)
class _Answers:
    """G's, with gradients if they are to be climbed."""

    photo: Tensor
    z: Tensor
    guessed: Tensor | None
    divergence: Tensor | None


class Game:
    """Both players, their optimisers, and the average of G and E that is shipped."""

    def __init__(
        self, config: TrainConfig, fabric: Fabric, notify: Callable[[str], None] = lambda message: None
    ) -> None:
        """Weights are a function of the configuration's seed. `notify` is told what changes on the way."""
        self.config, self.fabric, self.notify = config, fabric, notify
        torch.manual_seed(config.seed)
        self.model = Model(config.model)
        self.discriminator = Discriminator(config.discriminator, config.model)
        self.parts = 1  # that a move is made in: more once memory ran out
        self._perceptual: PerceptualDistance | None = None
        self._kept: _Answers | None = None  # from D's move for G's

    def begin_with(self, bundle: Path) -> int:
        """Put a bundle's weights in; the pictures they have seen. Raises UsageError for another model's.

        An encoder or a discriminator begins anew where the bundle holds no such one; the second is told.
        """
        theirs, header = load_bundle(bundle)
        refuse_other_model(header.model, self.config.model, str(bundle))
        # All that theirs has; what it lacks is a stage for detail or noise, which add nothing at first.
        self.model.generator.load_state_dict(theirs.generator.state_dict(), strict=False)
        if (
            self.model.encoder
            and theirs.encoder
            and header.model.encoder_widths == self.config.model.encoder_widths
        ):
            self.model.encoder.load_state_dict(theirs.encoder.state_dict())
        if theirs.discriminator and header.discriminator:
            if other := differences(header.discriminator, self.config.discriminator, but=SEEN):
                self.notify(
                    f"the discriminator begins anew: {bundle.name} has one with {other}; "
                    "--set discriminator.NAME=VALUE keeps it"
                )
            else:
                _begin_discriminator(self.discriminator, theirs.discriminator)
        return header.images

    def set_up(self) -> None:
        """Go to the device, once the weights to begin with are there."""
        config, fabric = self.config, self.fabric
        self.discriminator.eval()  # its norms move in `_move_d` alone
        # On a CPU, gradients of the paper's large kernels come in the other order: Adam would copy them all.
        as_is = config.model.architecture == "paper" and fabric.device.type == "cpu"
        storage = torch.contiguous_format if as_is else torch.channels_last
        for player in (self.model, self.discriminator):
            player.to(fabric.device).to(memory_format=storage)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.g_optimizer: Any = fabric.setup_optimizers(_adam(self.model, config.generator_lr, config))
        self.d_optimizer: Any = fabric.setup_optimizers(
            _adam(self.discriminator, config.discriminator_lr, config)
        )
        if config.perceptual_weight:
            try:
                self._perceptual = PerceptualDistance("vgg").to(fabric.device)
            except UsageError as error:
                self.notify(f"training without the perceptual term: {error}")

    def stateful(self) -> dict[str, Any]:
        """What a state is made of."""
        return {
            "model": self.model,
            "average": self.average,
            "discriminator": self.discriminator,
            "g_optimizer": self.g_optimizer,
            "d_optimizer": self.d_optimizer,
            "precision": self.fabric.strategy.precision,  # with float16, the scale of the loss
        }

    def play(self, step: int, batch: Batch, *, seen_px: int, rate: float) -> Played:
        """One step: D's move, and G's if it is its turn. `rate` is a factor of the learning rates.

        Raises RunError if not even two pictures fit into memory.
        """
        _set_rate(self.g_optimizer, self.config.generator_lr * rate)
        _set_rate(self.d_optimizer, self.config.discriminator_lr * rate)
        g_moves = step >= self.config.head_start and (step + 1) % self.config.critic_steps == 0
        told: dict[str, Tensor] = {}
        standing: dict[str, Tensor] = {}
        if self.config.adversarial_weight:
            self.discriminator.follow_norms()
            penalise = bool(self.config.gradient_penalty_weight) and step % PENALTY_EVERY == 0
            told, standing = self._in_memory(
                batch, lambda: self._move_d(batch, seen_px, g_moves=g_moves, penalise=penalise)
            )
        if not g_moves:
            return Played(told, standing, batch.place[:0], batch.z.new_zeros(0))
        terms, norm, errors = self._in_memory(batch, lambda: self._move_g(batch, seen_px))
        self._kept = None
        self._update_average(step)
        place = batch.place[: self._bound(batch)]
        return Played({**told, **terms}, {**standing, "g_gradient": norm}, place, errors)

    def _in_memory(self, batch: Batch, move: Callable[[], Any]) -> Any:
        """Make a move; where memory runs out, again in twice as many parts."""
        while True:
            try:
                return move()
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                told = str(error).splitlines()[0]
            if self.fabric.world_size > 1:
                raise RunError(f"out of memory ({told}); a smaller batch_size needs less")
            if self._bound(batch) % (2 * self.parts):
                raise RunError(
                    f"out of memory with {len(batch) // self.parts} pictures at a time ({told}); "
                    "a smaller --size, or a preset with a smaller model, needs less"
                )
            self.parts *= 2
            self._kept = None
            self.notify(
                f"out of memory ({told}); going on with {len(batch) // self.parts} pictures at a time: "
                "the same batch, more slowly"
            )
            if self.fabric.device.type == "cuda":
                torch.cuda.empty_cache()

    def _bound(self, part: Batch) -> int:
        """How many of a batch's answers are bound to the real photo; with an encoder, half of them."""
        return len(part) // 2 if self.model.encoder else len(part)

    def _answer(self, part: Batch) -> _Answers:
        """G's answers. The z of those that are bound is read off the real photo, that of the rest drawn."""
        z, divergence = part.z, None
        with self.fabric.autocast():
            if self.model.encoder is not None:
                bound = self._bound(part)
                mean, log_variance = self.model.encoder(part.target[:bound])
                z = torch.cat([mean + torch.exp(0.5 * log_variance) * z[:bound], z[bound:]])
                divergence = losses.divergence(mean, log_variance)
            photo, guessed = self.model.generator(part.given, z, part.roughness)
        return _Answers(photo, z, guessed, divergence)

    def _look(self, part: Batch, photo: Tensor, seen_px: int) -> tuple[list[Tensor], list[Tensor]]:
        """What D says of photos at `seen_px`: logits of each scale and of the close-up, features of all."""
        close_up = self.discriminator.close_up
        sides = part.given, photo
        given, photo = self._shown(part, *(F.adaptive_avg_pool2d(x, seen_px) for x in sides))
        with self.fabric.autocast():
            logits, features = self.discriminator(given, photo, part.roughness)
        if close_up is not None:
            given, photo = self._shown(part, *(window(x, part.draws, seen_px) for x in sides))
            with self.fabric.autocast():
                logit, seen = close_up(given, photo, part.roughness)
            logits, features = [*logits, logit], [*features, *seen]
        return [x.float() for x in logits], [x.float() for x in features]

    def _shown(self, part: Batch, given: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides as D is shown them."""
        if not self.config.differentiable_augment:
            return given, photo
        return diffaugment.augment(given, photo, part.draws)

    def _move_d(
        self, batch: Batch, seen_px: int, *, g_moves: bool, penalise: bool
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """D learns to tell real from made. G's answers are kept for its own move if it is all in one part."""
        keep = self.parts == 1 and g_moves
        told, standing = [], []
        self.d_optimizer.zero_grad()
        for part in batch.parts(self.parts):
            with nullcontext() if keep else torch.no_grad():
                answers = self._answer(part)
            self._kept = answers if keep else None
            real, _ = self._look(part, part.target, seen_px)
            made, _ = self._look(part, answers.photo.detach(), seen_px)
            loss = losses.mean_of(losses.DISCRIMINATOR_LOSSES[self.config.adversarial], real, made)
            values = {"d": loss}
            if penalise:
                given, target = (F.adaptive_avg_pool2d(x, seen_px) for x in (part.given, part.target))
                target = target.detach().requires_grad_()
                logits, _ = self.discriminator(given, target, part.roughness)  # in full precision
                penalty = losses.gradient_penalty(target, logits)
                values["d_penalty"] = self.config.gradient_penalty_weight * PENALTY_EVERY * penalty
                loss = loss + values["d_penalty"]
            self.fabric.backward(loss / self.parts)
            told.append({name: value.detach() for name, value in values.items()})
            standing.append(_standing(real, made))
        norm = self._step(self.discriminator, self.d_optimizer)
        return _mean(told), {**_mean(standing), "d_gradient": norm}

    def _move_g(self, batch: Batch, seen_px: int) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """G, and E with it, climb D's gradient: terms, the gradient's norm, errors of the bound answers."""
        told, errors = [], torch.empty(self._bound(batch), device=self.fabric.device)
        self.g_optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        try:
            for i, part in enumerate(batch.parts(self.parts)):
                terms, error = self._terms(part, self._kept or self._answer(part), seen_px)
                self.fabric.backward(sum(terms.values(), torch.zeros((), device=error.device)) / self.parts)
                errors[i :: self.parts] = error
                told.append({name: value.detach() for name, value in terms.items()})
        finally:
            self.discriminator.requires_grad_(True)
        norm = self._step(self.model, self.g_optimizer)
        return _mean(told), norm, errors

    def _terms(self, part: Batch, answers: _Answers, seen_px: int) -> tuple[dict[str, Tensor], Tensor]:
        """What G lowers, weighted, by name; and the error (K,) of each bound answer."""
        config, bound, terms = self.config, self._bound(part), {}
        photo, z = answers.photo, answers.z
        difference = losses.RECONSTRUCTION_LOSSES[config.reconstruction](photo[:bound], part.target[:bound])
        fidelity = 1 - part.roughness[:bound]  # where lines are not the photo's, L1 asks for a blur
        terms["g_reconstruction"] = config.reconstruction_weight * (fidelity * difference).mean()
        if config.adversarial_weight:
            logits, seen = self._look(part, photo, seen_px)
            adversarial = losses.mean_of(losses.GENERATOR_LOSSES[config.adversarial], logits)
            terms["g_adversarial"] = config.adversarial_weight * adversarial
            if config.feature_matching_weight:
                with torch.no_grad():
                    _, aim = self._look(part, part.target, seen_px)
                matching = losses.feature_matching([x[:bound] for x in aim], [x[:bound] for x in seen])
                terms["g_features"] = config.feature_matching_weight * matching
        if answers.guessed is not None:
            terms["g_roughness"] = losses.roughness_error(answers.guessed.float(), part.roughness)
        if self._perceptual is not None:
            terms["g_perceptual"] = config.perceptual_weight * self._perceptual_distance(part, photo, seen_px)
        if self.model.encoder is not None and answers.divergence is not None:
            terms["g_divergence"] = config.divergence_weight * answers.divergence
            self.model.encoder.requires_grad_(False)
            with self.fabric.autocast():
                recovered, _ = self.model.encoder(photo[bound:])
            self.model.encoder.requires_grad_(True)
            terms["g_latent"] = config.latent_weight * F.l1_loss(recovered, z[bound:])
            if config.mode_seeking_weight:
                other_z = part.other_z[bound:]
                with self.fabric.autocast():
                    other, _ = self.model.generator(part.given[bound:], other_z, part.roughness[bound:])
                modes = losses.mode_seeking(photo[bound:], other, z[bound:], other_z)
                terms["g_modes"] = config.mode_seeking_weight * modes
        return terms, difference.detach()

    def _perceptual_distance(self, part: Batch, photo: Tensor, seen_px: int) -> Tensor:
        """LPIPS-VGG of the first few bound answers of the batch, so that it is their mean over all parts."""
        assert self._perceptual is not None
        shares = self.parts * self.fabric.world_size
        few = min(self.config.perceptual_samples, shares * self._bound(part))
        chosen = part.place[: self._bound(part)] < few
        if not chosen.any():
            return photo.new_zeros(())
        at = chosen.nonzero().flatten()
        draws = part.draws[at]
        close = draws[:, LOOK] < 0.5 * self.config.discriminator.close_up  # half of them, or none
        made, real = (_seen(x[at], close, draws, seen_px) for x in (photo, part.target))
        with self.fabric.autocast():
            distances: Tensor = self._perceptual(made, real)
        return distances.float().sum().mul(shares / few)

    def _step(self, player: nn.Module, optimizer: Any) -> Tensor:
        """Move by the gradients of all processes; their norm."""
        gradients = [p.grad for p in player.parameters() if p.grad is not None]
        if self.fabric.world_size > 1:
            together = torch.cat([gradient.flatten() for gradient in gradients])
            mean = torch.as_tensor(self.fabric.all_reduce(together, reduce_op="mean"))
            sizes = [gradient.numel() for gradient in gradients]
            for gradient, piece in zip(gradients, torch.split(mean, sizes), strict=True):
                gradient.copy_(piece.view_as(gradient))
        self.fabric.strategy.precision.unscale_gradients(optimizer.optimizer)
        norm = get_total_norm(gradients)
        optimizer.step()
        return norm

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        """Average the weights, by half-life in images (Karras et al. 2018), shorter at first (EDM2)."""
        batch = self.config.batch_size * self.config.critic_steps  # since G moved last
        half_life = min(self.config.ema_half_life_images, EMA_RAMP * (step + 1) * self.config.batch_size)
        weight = 1 - 0.5 ** (batch / half_life)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), weight)


def window(x: Tensor, draws: Tensor, side_px: int) -> Tensor:
    """Pictures (N, C, S, S) -> a window (N, C, side, side) of each, where `draws` (N, DRAWS) say."""
    room = x.shape[-1] - side_px
    corners = (draws[:, WINDOW] * (room + 1)).int().clamp(max=room).tolist()
    cut = [picture[:, y : y + side_px, x : x + side_px] for picture, (y, x) in zip(x, corners, strict=True)]
    return torch.stack(cut)


def _seen(x: Tensor, close: Tensor, draws: Tensor, side_px: int) -> Tensor:
    """Pictures (N, C, S, S) -> (N, C, side, side): those that are looked at close, a window."""
    afar, near = F.adaptive_avg_pool2d(x, side_px), window(x, draws, side_px)
    return torch.where(close.to(x.device)[:, None, None, None], near, afar)


def _begin_discriminator(ours: Discriminator, theirs: Discriminator) -> None:
    """Weights to begin with. A close-up that they have not begins as what looks at the whole."""
    ours.scales.load_state_dict(theirs.scales.state_dict())
    if ours.close_up is not None:
        ours.close_up.load_state_dict((theirs.close_up or theirs.scales[0]).state_dict())


def _adam(module: nn.Module, rate: float, config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), lr=rate, betas=config.betas, fused=True)


def _set_rate(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _standing(real: Sequence[Tensor], made: Sequence[Tensor]) -> dict[str, Tensor]:
    """By scale: D's mean probability of real and of made patches, and the share that it gets right."""
    told = {}
    for k, (r, m) in enumerate(zip(real, made, strict=True), start=1):
        told[f"p_real_{k}"] = torch.sigmoid(r).mean()
        told[f"p_fake_{k}"] = torch.sigmoid(m).mean()
        told[f"accuracy_{k}"] = 0.5 * ((r > 0).float().mean() + (m <= 0).float().mean())
    return told


def _mean(told: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([values[name] for values in told]).mean() for name in told[0]}


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in NO_MEMORY
    )
