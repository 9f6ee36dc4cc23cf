"""One training step of the picture GAN: its discriminators are updated, then its generator.

It gets the photo's own layout, so that L1 and LPIPS do not average over colours that the sketch leaves open.
Two parts of the generator have discriminators of their own: all of it but the last stage, on whole pictures
at half of the side; and, every few steps, the last stage, on windows at the full side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.errors import UsageError
from pix2pix.evaluate.perceptual import PerceptualDistance
from pix2pix.model.layouts import coloured_by, layout_of
from pix2pix.model.picture_gan import PictureGenerator, compose
from pix2pix.training import losses
from pix2pix.training.batch import Pictures
from pix2pix.training.config import TrainConfig
from pix2pix.training.discriminators import PictureDiscriminators
from pix2pix.training.losses import discriminator_statistics, means
from pix2pix.training.optimiser import Optimiser, frozen

PENALTY_EVERY = 8  # steps (lazy regularisation, Karras et al. 2020, section 3.2)
SHIFT = 0.1  # largest shift of the discriminators' inputs, as a share of the side (Zhao et al. 2020)
LIMIT = 1.1  # the generated photos that they see are clamped to [-LIMIT, LIMIT]
ROUGHEST = 0.2  # weight of a pair of roughness 1, against 1 of an exact one
PERCEIVED = 4  # one picture in so many gets the perceptual term: VGG takes longer than the generator

Named = dict[str, Tensor]


@dataclass(frozen=True)
class DiscriminatorInput:
    """Photos as discriminators get them, shifted, beside their ink."""

    photo: Tensor  # (N, 3, s, s)
    ink: Tensor  # (N, 1, s, s) in 0..1


@dataclass(frozen=True)
class Generated:
    """Pictures generated for some pairs, beside the real photos."""

    rgba: Tensor  # (N, 4, s, s): colour and the logit of alpha
    fake: Tensor  # (N, 3, s, s): the same on white
    photo: Tensor  # (N, 3, s, s): ground truth
    mask: Tensor  # (N, 1, s, s): of the product
    real_input: DiscriminatorInput
    fake_input: DiscriminatorInput


def compare(rgba: Tensor, photo: Tensor, mask: Tensor, ink: Tensor, shifts: Tensor) -> Generated:
    """Returns the inputs of discriminators for generated and real pictures, shifted alike.

    Generated RGBA (N, 4, s, s), photos (N, 3, s, s), masks and ink (N, 1, s, s). Alpha gets no gradient from
    the pictures: to please discriminators, it would become holes that look like highlights.
    """
    fake, _ = compose(torch.cat([rgba[:, :3], rgba[:, 3:].detach()], 1))
    ink = shifted(ink, shifts, 0.0)
    real_input, fake_input = (
        DiscriminatorInput(shifted(x, shifts, 1.0), ink) for x in (photo, fake.clamp(-LIMIT, LIMIT))
    )
    return Generated(rgba, fake, photo, mask, real_input, fake_input)


class AdversarialStep:
    """Updates a part of the picture generator and the discriminators that it is trained against."""

    def __init__(
        self,
        config: TrainConfig,
        fabric: Fabric,
        discriminators: PictureDiscriminators,
        perceptual: PerceptualDistance | None,
        generator: Iterable[nn.Parameter],
        generate: Callable[[Pictures], Generated],
        *,
        prefix: str = "",
    ) -> None:
        """`generate` draws pictures for pairs; `prefix` goes before the names of losses."""
        self.config, self.fabric, self.generate, self.prefix = config, fabric, generate, prefix
        self.discriminators, self.perceptual = discriminators, perceptual
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
            on_real, on_fake = generated.real_input, generated.fake_input
            with self.fabric.autocast():
                real, _ = self.discriminators(on_real.photo, on_real.ink)
                fake, _ = self.discriminators(on_fake.photo.detach(), on_fake.ink)
            kinds = torch.stack([loss(real[kind], fake[kind]) for kind in real])
            values = {"d": losses.weighted_mean(kinds.mean(0), weights[i::parts])}
            if penalise and self.discriminators.coarse is not None:
                penalty = self.discriminators.coarse.penalty(on_real.photo, on_real.ink)
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
        *,
        measure: bool,
    ) -> tuple[Named, Named, Tensor]:
        """Lowers the terms of `_terms`.

        Returns losses, statistics, and the L1 (N,) of each picture. With `measure` the statistics hold the
        norm of each term's gradient at the picture.
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
                error = losses.l1(generated.fake, generated.photo)
                values = self._terms(part, generated, error, weights[i::parts])
                if measure and i == 0:
                    gradients = losses.gradients_at(generated.rgba, values)
                self.fabric.backward(torch.stack(list(values.values())).sum() / parts)
                loss_parts.append({name: value.detach() for name, value in values.items()})
                errors[i::parts] = error.detach()
        norm = {"g_gradient": self.g.step(rate)}
        return self._named(means(loss_parts)), self._named({**gradients, **norm}), errors

    def _terms(self, part: Pictures, generated: Generated, error: Tensor, weights: Tensor) -> Named:
        """Returns the generator's losses, each times its weight; `weights` (N,) are of the pictures."""
        config, mean = self.config, losses.weighted_mean
        exact = weights * _exactness(part)
        with self.fabric.autocast():
            logits, features = self.discriminators(generated.fake_input.photo, generated.fake_input.ink)
            with torch.no_grad():
                _, aims = self.discriminators(generated.real_input.photo, generated.real_input.ink)
        adversarial = {kind: losses.GENERATOR_LOSSES[config.adversarial](x) for kind, x in logits.items()}
        weight_of = {"pixels": config.pixels_weight, "coarse": config.coarse_weight}
        alpha = losses.alpha_error(generated.rgba[:, 3:], generated.mask)
        terms = {
            **{f"g_{kind}": weight_of[kind] * mean(x, weights) for kind, x in adversarial.items()},
            "g_matching": config.matching_weight * mean(losses.feature_matching(features, aims), exact),
            "g_reconstruction": config.reconstruction_weight * mean(error, exact),
            "g_alpha": config.alpha_weight * mean(alpha, exact),
            "g_range": losses.beyond(generated.rgba[:, :3]),
        }
        if self.perceptual is not None:
            seen = torch.nonzero(part.place % PERCEIVED == 0).flatten()
            with self.fabric.autocast():
                distance = self.perceptual(generated.fake[seen], generated.photo[seen]).float()
            terms["g_perceptual"] = config.perceptual_weight * (distance * exact[seen]).sum() / len(part)
        return terms

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

    def __init__(
        self, config: TrainConfig, picture: PictureGenerator, fabric: Fabric, notify: Callable[[str], None]
    ) -> None:
        """Call `set_up` next, after weights are loaded. `notify` is called with messages."""
        self.config, self.picture, self.fabric, self.notify = config, picture, fabric, notify
        self.whole = PictureDiscriminators(config.discriminator, coarse=True)
        self.windows = PictureDiscriminators(config.discriminator, coarse=False)

    def set_up(self) -> None:
        """Moves networks to the device and makes the optimisers."""
        for part in (self.whole, self.windows):
            part.to(self.fabric.device).to(memory_format=torch.channels_last)
        perceptual = self._load_perceptual()
        detail = list(self.picture.detail.parameters())
        base = [p for name, p in self.picture.named_parameters() if not name.startswith("detail.")]
        common = self.config, self.fabric
        self._on_wholes = AdversarialStep(*common, self.whole, perceptual, base, self._generate_wholes)
        self._on_windows = AdversarialStep(
            *common, self.windows, perceptual, detail, self._generate_windows, prefix="detail_"
        )

    def _load_perceptual(self) -> PerceptualDistance | None:
        if not self.config.perceptual_weight:
            return None
        try:
            return PerceptualDistance("vgg").to(self.fabric.device).to(memory_format=torch.channels_last)
        except UsageError as error:
            self.notify(f"training without the perceptual term, with less detail: {error}")
            return None

    def networks(self) -> dict[str, nn.Module]:
        """Networks that a checkpoint holds beside the model, by name."""
        return {"whole_discriminators": self.whole, "window_discriminators": self.windows}

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
        d_losses, d_statistics = in_parts(
            lambda n: wholes.update_discriminators(batch, n, rate, penalise=penalise)
        )
        g_losses, g_statistics, errors = in_parts(
            lambda n: wholes.update_generator(batch, n, rate, measure=measure)
        )
        all_losses, statistics = {**d_losses, **g_losses}, {**d_statistics, **g_statistics}
        every = self.config.detail_every
        if every and step % every == every - 1:
            d_losses, d_statistics = in_parts(
                lambda n: details.update_discriminators(batch, n, rate, penalise=False)
            )
            g_losses, g_statistics, _ = in_parts(
                lambda n: details.update_generator(batch, n, rate, measure=False)
            )
            all_losses |= d_losses | g_losses
            statistics |= d_statistics | g_statistics
        return all_losses, statistics, errors

    def _generate_wholes(self, part: Pictures) -> Generated:
        ink = _ink(part)
        rgba, *_ = self.picture.draw(ink, training_layout(part))
        side = rgba.shape[-1]
        photo, mask, small = (F.adaptive_avg_pool2d(x, side) for x in (part.photo, part.mask, ink))
        return compare(rgba, photo, mask, small, part.shifts)

    def _generate_windows(self, part: Pictures) -> Generated:
        ink = _ink(part)
        with torch.no_grad():
            base = self.picture.draw(ink, training_layout(part))
        rgba = self.picture.detail(*base, ink)
        side = self.config.model.seen_px
        cut_rgba, photo, mask, cut_ink = (
            windows(x, ink, part.corners, side) for x in (rgba, part.photo, part.mask, ink)
        )
        return compare(cut_rgba, photo, mask, cut_ink, part.shifts)


@torch.no_grad()
def training_layout(part: Pictures) -> Tensor:
    """Returns the photos' own layouts (N, 4, 64, 64)."""
    with torch.autocast(part.photo.device.type, enabled=False):  # bfloat16 is too coarse for colours
        return layout_of(coloured_by(part.photo, part.mask), _ink(part))


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
