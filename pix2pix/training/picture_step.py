"""One training step of the picture GAN: its discriminators are updated, then its generator.

Half of the pictures get the photo's own layout, so that L1 and the perceptual term do not average over
colours that the sketch leaves open; mostly it is moved a little, as generated layouts are not exact. The
other half get a layout that the layout GAN generates, as at inference. No photo is right for these:
discriminators judge them, and the picture's own layout must be the given one. Two parts of the generator
have discriminators of their own: all of it but the last stage, on whole pictures at half of the side; and,
every few steps, the last stage, on windows at the full side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.model.layout_gan import evened, layout_of, moved_layout_of
from pix2pix.model.networks import TwoStage
from pix2pix.model.picture_gan import compose
from pix2pix.training import losses
from pix2pix.training.batch import Pictures
from pix2pix.training.config import TrainConfig
from pix2pix.training.discriminators import PictureDiscriminators
from pix2pix.training.losses import discriminator_statistics, means
from pix2pix.training.optimiser import Optimiser, frozen
from pix2pix.training.projected import Backbone, Projection, perceptual_distance

PENALTY_EVERY = 8  # steps (lazy regularisation, Karras et al. 2020, section 3.2)
GENERATED = 0.5  # share of layouts that the layout GAN generates
MOVED, WHOLE = 0.67, 0.9  # shares of the photos' own layouts that are moved, and that have all cells
MOST_CELLS = 0.5  # largest share of its cells that any other layout keeps
SHIFT = 0.1  # largest shift of the discriminators' inputs, as a share of the side (Zhao et al. 2020)
LIMIT = 1.1  # the generated photos that they see are clamped to [-LIMIT, LIMIT]
ROUGHEST = 0.2  # weight of a pair of roughness 1, against 1 of an exact one
STROKES_LEAST = 60.0  # values under a picture's strokes, below which their term fades

Named = dict[str, Tensor]


@dataclass(frozen=True)
class DiscriminatorInput:
    """Photos as discriminators get them: shifted, beside their ink, with features."""

    photo: Tensor  # (N, 3, s, s)
    ink: Tensor  # (N, 1, s, s) in 0..1
    maps: list[Tensor]  # of `Backbone`
    projected: list[Tensor]  # of `Projection`

    def detach(self) -> DiscriminatorInput:
        """Returns the same tensors without gradients."""
        maps, projected = ([x.detach() for x in features] for features in (self.maps, self.projected))
        return DiscriminatorInput(self.photo.detach(), self.ink, maps, projected)


@dataclass(frozen=True)
class Generated:
    """Pictures generated for some pairs, beside the real photos."""

    rgba: Tensor  # (N, 4, s, s): colour and the logit of alpha
    fake: Tensor  # (N, 3, s, s): the same on white
    photo: Tensor  # (N, 3, s, s): ground truth
    mask: Tensor  # (N, 1, s, s): of the product
    layout: Tensor  # (N, 4, 16, 16): generated from it
    real_input: DiscriminatorInput
    fake_input: DiscriminatorInput


class FrozenFeatures(nn.Module):
    """The features that all discriminators and the perceptual term work on. Nothing in it is trained."""

    def __init__(self) -> None:
        """Weights of the projection are drawn from torch's global generator: seed it first."""
        super().__init__()
        self.projection = Projection()
        self.backbone = Backbone()

    def compare(
        self, rgba: Tensor, photo: Tensor, mask: Tensor, ink: Tensor, layout: Tensor, shifts: Tensor
    ) -> Generated:
        """Returns the inputs of discriminators for generated and real pictures, shifted alike.

        Generated RGBA (N, 4, s, s), photos (N, 3, s, s), masks and ink (N, 1, s, s), layouts (N, 4, 16, 16).
        Alpha gets no gradient from the pictures: to please discriminators, it would become holes that look
        like highlights.
        """
        fake, _ = compose(torch.cat([rgba[:, :3], rgba[:, 3:].detach()], 1))
        with torch.no_grad():
            real_input = self._input(photo, ink, shifts)
        fake_input = self._input(fake.clamp(-LIMIT, LIMIT), ink, shifts)
        return Generated(rgba, fake, photo, mask, layout, real_input, fake_input)

    def _input(self, photo: Tensor, ink: Tensor, shifts: Tensor) -> DiscriminatorInput:
        photo, ink = shifted(photo, shifts, 1.0), shifted(ink, shifts, 0.0)
        maps = self.backbone(photo)
        return DiscriminatorInput(photo, ink, maps, self.projection(maps))


class AdversarialStep:
    """Updates a part of the picture generator and the discriminators that it is trained against."""

    def __init__(
        self,
        config: TrainConfig,
        fabric: Fabric,
        discriminators: PictureDiscriminators,
        generator: Iterable[nn.Parameter],
        generate: Callable[[Pictures], Generated],
        *,
        prefix: str = "",
    ) -> None:
        """`generate` draws pictures for pairs; `prefix` goes before the names of losses."""
        self.config, self.fabric, self.generate, self.prefix = config, fabric, generate, prefix
        self.discriminators = discriminators
        self.g = Optimiser(generator, config.generator_lr, config.betas, fabric)
        self.d = Optimiser(discriminators.parameters(), config.discriminator_lr, config.betas, fabric)
        self._cached: Generated | None = None  # from the discriminators' update for the generator's

    def update_discriminators(
        self, batch: Pictures, parts: int, rate: float, *, penalise: bool
    ) -> tuple[Named, Named]:
        """Trains the discriminators to tell real from generated pictures; returns losses and statistics."""
        loss_parts: list[Named] = []
        statistics_parts: list[Named] = []
        self._cached = None  # of an update that ran out of memory
        weights = self._weights(batch)
        loss = losses.DISCRIMINATOR_LOSSES[self.config.adversarial]
        self.d.clear()
        for i, part in enumerate(batch.parts(parts)):
            with torch.set_grad_enabled(parts == 1), self.fabric.autocast():
                generated = self.generate(part)
            self._cached = generated if parts == 1 else None
            with self.fabric.autocast():
                real, fake = map(self._logits, (generated.real_input, generated.fake_input.detach()))
            kinds = [
                losses.mean_over([loss(r, f) for r, f in zip(real[kind], fake[kind], strict=True)])
                for kind in real
            ]
            values = {"d": losses.weighted_mean(losses.mean_over(kinds), weights[i::parts])}
            if penalise and self.discriminators.coarse is not None:
                real_input = generated.real_input
                penalty = self.discriminators.coarse.penalty(real_input.photo, real_input.ink)
                values["d_penalty"] = PENALTY_EVERY * self.config.coarse_penalty_weight * penalty
            self.fabric.backward(torch.stack(list(values.values())).sum() / parts)
            loss_parts.append({name: value.detach() for name, value in values.items()})
            statistics: Named = {}
            for kind in real:
                statistics |= discriminator_statistics(kind, real[kind], fake[kind])
            statistics_parts.append(statistics)
        norm = {"d_gradient": self.d.step(rate)}
        return self._named(means(loss_parts)), self._named({**means(statistics_parts), **norm})

    def update_generator(
        self,
        batch: Pictures,
        parts: int,
        rate: float,
        more_terms: Callable[[Pictures, Generated], Named],
        *,
        measure: bool,
    ) -> tuple[Named, Named, Tensor]:
        """Lowers the adversarial, perceptual, L1 and alpha terms, and `more_terms`.

        Returns losses, statistics, and the L1 (N,) of each picture, NaN where the layout is generated. With
        `measure` the statistics hold the norm of each term's gradient at the picture.
        """
        loss_parts: list[Named] = []
        gradients: Named = {}
        errors = torch.empty(len(batch), device=self.fabric.device)
        cached, self._cached = self._cached if parts == 1 else None, None
        weights = self._weights(batch)
        self.g.clear()
        with frozen(self.discriminators.parameters()):
            for i, part in enumerate(batch.parts(parts)):
                with self.fabric.autocast():
                    generated = cached or self.generate(part)
                    values = self._adversarial_terms(generated, weights[i::parts])
                generated_layout = is_generated(part)
                exact = weights[i::parts] * _exactness(part) * ~generated_layout  # L1's optimum is a blur
                error = losses.l1(generated.fake, generated.photo)
                distance = perceptual_distance(generated.fake_input.maps, generated.real_input.maps)
                values["g_reconstruction"] = self.config.reconstruction_weight * losses.weighted_mean(
                    error, exact
                )
                values["g_perceptual"] = self.config.perceptual_weight * losses.weighted_mean(distance, exact)
                alpha = losses.alpha_error(generated.rgba[:, 3:], generated.mask)
                values["g_alpha"] = self.config.alpha_weight * losses.weighted_mean(alpha, _exactness(part))
                values["g_range"] = losses.beyond(generated.rgba[:, :3])
                values |= more_terms(part, generated)
                if measure and i == 0:
                    gradients = losses.gradients_at(generated.rgba, values)
                self.fabric.backward(torch.stack(list(values.values())).sum() / parts)
                loss_parts.append({name: value.detach() for name, value in values.items()})
                errors[i::parts] = error.detach().masked_fill(generated_layout, torch.nan)
        norm = {"g_gradient": self.g.step(rate)}
        return self._named(means(loss_parts)), self._named({**gradients, **norm}), errors

    def _logits(self, x: DiscriminatorInput) -> dict[str, list[Tensor]]:
        logits: dict[str, list[Tensor]] = self.discriminators(x.photo, x.ink, x.projected)
        return logits

    def _adversarial_terms(self, generated: Generated, weights: Tensor) -> Named:
        config = self.config
        loss = losses.GENERATOR_LOSSES[config.adversarial]
        weight_of = {
            "features": config.features_weight,
            "pixels": config.pixels_weight,
            "coarse": config.coarse_weight,
        }
        return {
            f"g_{kind}": weight_of[kind]
            * losses.weighted_mean(losses.mean_over([loss(x) for x in logits]), weights)
            for kind, logits in self._logits(generated.fake_input).items()
        }

    def _weights(self, batch: Pictures) -> Tensor:
        """Returns weights of pictures (N,), 1 on average over all processes, so that parts add up.

        Windows of photos without detail have weight 0.
        """
        weights = batch.detailed if self.prefix else torch.ones_like(batch.detailed)
        mean = torch.as_tensor(self.fabric.all_reduce(weights.mean(), reduce_op="mean"))
        return weights / mean.clamp(min=1e-6)

    def _named(self, values: Named) -> Named:
        return {f"{self.prefix}{name}": value for name, value in values.items()}


class PictureStep:
    """Updates the picture generator and its discriminators: of whole pictures, of windows at full size."""

    def __init__(self, config: TrainConfig, model: TwoStage, fabric: Fabric) -> None:
        """Call `set_up` next, after weights are loaded."""
        self.config, self.model, self.picture, self.fabric = config, model, model.picture, fabric
        self.whole = PictureDiscriminators(config.discriminator, coarse=True)
        self.windows = PictureDiscriminators(config.discriminator, coarse=False)
        self.features = FrozenFeatures()

    def set_up(self) -> None:
        """Moves networks to the device and makes the optimisers."""
        for part in (self.whole, self.windows, self.features):
            part.to(self.fabric.device).to(memory_format=torch.channels_last)
            part.eval()  # spectral norms are updated in `update_spectral_norms` alone
        detail = list(self.picture.detail.parameters())
        base = [p for name, p in self.picture.named_parameters() if not name.startswith("detail.")]
        self._on_wholes = AdversarialStep(self.config, self.fabric, self.whole, base, self._generate_wholes)
        self._on_windows = AdversarialStep(
            self.config, self.fabric, self.windows, detail, self._generate_windows, prefix="detail_"
        )

    def networks(self) -> dict[str, nn.Module]:
        """Networks that a checkpoint holds beside the model, by name."""
        return {
            "whole_discriminators": self.whole,
            "window_discriminators": self.windows,
            "projection": self.features.projection,
        }

    def optimisers(self) -> dict[str, Optimiser]:
        """Optimisers by name in a checkpoint."""
        return {
            "picture_g": self._on_wholes.g,
            "picture_d": self._on_wholes.d,
            "detail_g": self._on_windows.g,
            "detail_d": self._on_windows.d,
        }

    def run(
        self, step: int, batch: Pictures, rate: float, in_parts: Callable[..., Any], *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        """Updates all networks once; returns losses and statistics by name, and the L1 (N,) of each picture.

        `rate` is a factor of the learning rates. `in_parts(update)` calls an update with the number of parts
        in which it fits into memory. With `measure` the gradient of each term at the picture is measured.
        """
        penalise, wholes, details = step % PENALTY_EVERY == 0, self._on_wholes, self._on_windows
        self.whole.update_spectral_norms()
        d_losses, d_statistics = in_parts(
            lambda n: wholes.update_discriminators(batch, n, rate, penalise=penalise)
        )
        g_losses, g_statistics, errors = in_parts(
            lambda n: wholes.update_generator(batch, n, rate, self._whole_terms, measure=measure)
        )
        all_losses, statistics = {**d_losses, **g_losses}, {**d_statistics, **g_statistics}
        every = self.config.detail_every
        if every and step % every == every - 1:
            self.windows.update_spectral_norms()
            d_losses, d_statistics = in_parts(
                lambda n: details.update_discriminators(batch, n, rate, penalise=False)
            )
            g_losses, g_statistics, _ = in_parts(
                lambda n: details.update_generator(batch, n, rate, lambda *_: {}, measure=False)
            )
            all_losses |= d_losses | g_losses
            statistics |= d_statistics | g_statistics
        return all_losses, statistics, errors

    def _generate_wholes(self, part: Pictures) -> Generated:
        ink, layout = _ink(part), self.layouts_of(part)
        rgba, *_ = self.picture.draw(ink, part.strokes, layout)
        side = rgba.shape[-1]
        photo, mask, small = (F.adaptive_avg_pool2d(x, side) for x in (part.photo, part.mask, ink))
        return self.features.compare(rgba, photo, mask, small, layout, part.shifts)

    def _generate_windows(self, part: Pictures) -> Generated:
        ink, layout = _ink(part), self.layouts_of(part)
        with torch.no_grad():
            base = self.picture.draw(ink, part.strokes, layout)
        rgba = self.picture.detail(*base, ink)
        side = self.config.model.seen_px
        cut_rgba, photo, mask, cut_ink = (
            windows(x, ink, part.corners, side) for x in (rgba, part.photo, part.mask, ink)
        )
        return self.features.compare(cut_rgba, photo, mask, cut_ink, layout, part.shifts)

    @torch.no_grad()
    def layouts_of(self, part: Pictures) -> Tensor:
        """Returns the layouts (N, 4, 16, 16): generated ones, and the photos' own."""
        with torch.autocast(part.photo.device.type, enabled=False):  # too coarse for colours and coordinates
            generated, own = self.model.draw_layout(_ink(part), part.strokes, part.z), training_layout(part)
        return torch.where(is_generated(part)[:, None, None, None], generated, own)

    def _whole_terms(self, part: Pictures, generated: Generated) -> Named:
        """Returns the terms of whole pictures alone: colour strokes and the layout."""
        strokes = losses.l1_where(generated.fake, part.strokes, STROKES_LEAST).mean()
        own = evened(layout_of(generated.fake, generated.mask))
        layout = losses.l1_where(own[:, :3], generated.layout * own[:, 3:])
        return {
            "g_strokes": self.config.strokes_weight * strokes,
            "g_layout": self.config.layout_weight * (layout * is_generated(part)).mean(),
        }


def is_generated(part: Pictures) -> Tensor:
    """Returns for which pictures (N,) the layout GAN generates the layout."""
    return part.choices[:, 3] < GENERATED


def training_layout(part: Pictures) -> Tensor:
    """Returns the photos' own layouts (N, 4, 16, 16): even, most moved, some with cells missing."""
    side = part.strokes.shape[-1]
    photo, mask = (F.adaptive_avg_pool2d(x, side) for x in (part.photo, part.mask))
    is_moved, is_whole, share = (part.choices[:, i, None, None, None] for i in range(3))
    near = moved_layout_of(photo, mask, part.moves)
    layout = torch.where(is_moved < MOVED, near, layout_of(photo, mask))
    return evened(layout) * ((is_whole < WHOLE) | (part.cells < MOST_CELLS * share))


def shifted(x: Tensor, shifts: Tensor, paper: float) -> Tensor:
    """Returns pictures (N, C, S, S), each moved by `shifts` (N, 2), uniform in 0..1, and padded with `paper`.

    Shifts are on the CPU, as they are slice bounds.
    """
    side = x.shape[-1]
    reach = int(SHIFT * side)
    corners = ((2 * reach + 1) * shifts).int().clamp(max=2 * reach).tolist()
    padded = F.pad(x, [reach] * 4, value=paper)
    cut = [one[:, y : y + side, left : left + side] for one, (y, left) in zip(padded, corners, strict=True)]
    return torch.stack(cut).contiguous(memory_format=torch.channels_last)


def windows(x: Tensor, ink: Tensor, corners: Tensor, side_px: int) -> Tensor:
    """Cuts a window (N, C, side, side) out of each of pictures (N, C, S, S), on some of their ink.

    `corners` (N, 2), uniform in 0..1, give the middle of a window, between the first and the last ink
    (N, 1, S, S). They are on the CPU, as slice bounds are.
    """
    room = x.shape[-1] - side_px
    inked = [(ink[:, 0].amax(axis) > 0.5).cpu() for axis in (2, 1)]  # rows and columns, (N, S) each
    cut = []
    for picture, *lines, shares in zip(x, *inked, corners.tolist(), strict=True):
        top, left = (_corner(*axis, side_px, room) for axis in zip(lines, shares, strict=True))
        cut.append(picture[:, top : top + side_px, left : left + side_px])
    return torch.stack(cut)


def _corner(inked: Tensor, share: float, side_px: int, room: int) -> int:
    """Returns where a window begins along one axis; its middle lies between the first and the last ink.

    `inked` (S,) is true for rows or columns with ink.
    """
    indices: list[int] = torch.nonzero(inked).flatten().tolist()
    if not indices:
        return room // 2
    first, last = indices[0], indices[-1]
    return min(max(round(first + share * (last - first)) - side_px // 2, 0), room)


def _ink(part: Pictures) -> Tensor:
    return (1 - part.sketch) / 2


def _exactness(part: Pictures) -> Tensor:
    """Returns the weight (N,) of each pair in comparisons with its photo: rough strokes lie elsewhere."""
    return 1 - (1 - ROUGHEST) * part.roughness
