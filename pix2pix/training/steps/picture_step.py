"""One training step of the picture GAN: its discriminators are updated, then its generator.

It gets a layout of the photo's own colours, so that L1 and LPIPS do not average over colours that the sketch
leaves open. LPIPS compares pictures at half the side, all else at the full side. In some photos the channels
are permuted: few products have vivid colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.errors import UsageError
from pix2pix.evaluate.perceptual import PerceptualDistance
from pix2pix.model.composition import decided, on_white
from pix2pix.model.constants import CELL_PX, CELLS, LAYOUT_PX
from pix2pix.model.layers import resized
from pix2pix.model.layouts import coloured_by, enlarged, layout_of, redrawn_layout, regions_of, spread_out
from pix2pix.model.lighting import light_of, lit, shades_of
from pix2pix.model.picture_gan import PictureGenerator
from pix2pix.training.config import TrainConfig
from pix2pix.training.data.batch import Pictures
from pix2pix.training.steps import losses
from pix2pix.training.steps.discriminators import PictureDiscriminators
from pix2pix.training.steps.losses import discriminator_statistics, means
from pix2pix.training.steps.optimiser import Optimiser, frozen

PENALTY_EVERY = 8  # steps (lazy regularisation, Karras et al. 2020, section 3.2)
SHIFT = 0.1  # largest shift of the discriminators' inputs, as a share of the side (Zhao et al. 2020)
REDRAWN_SHARE = 0.5  # of layouts, see `training_layout`
MISTAKEN_FROM = 0.75  # of the random numbers: a tenth of the cells
WRONG_PRODUCT_PX = 12  # how far from the product a wrong mask may have product, in pixels of a layout
PERCEIVED = 4  # one picture in so many gets the perceptual term: VGG takes longer than the generator

Named = dict[str, Tensor]


@dataclass(frozen=True)
class DiscriminatorInput:
    """Photos, alpha and ink as discriminators get them, shifted alike."""

    photo: Tensor  # (N, 3, S, S)
    alpha: Tensor  # (N, 1, S, S) in 0..1
    ink: Tensor  # (N, 1, S, S) in 0..1


@dataclass(frozen=True)
class Generated:
    """Pictures generated for some pairs, beside the real photos."""

    rgba: Tensor  # (N, 4, S, S): colour and the logit of alpha
    fake: Tensor  # (N, 3, S, S): the colour, composed with the photo's alpha
    real_input: DiscriminatorInput
    fake_input: DiscriminatorInput


def compare(
    rgba: Tensor, photo: Tensor, alpha: Tensor, ink: Tensor, shifts: Tensor, side_px: int
) -> Generated:
    """Returns the inputs of discriminators for generated and real pictures, shifted alike.

    Generated RGBA (N, 4, S, S), photos (N, 3, S, S), their alpha (N, 1, S, S), ink (N, 1, S, S).
    Discriminators get pictures of side `side_px`. Generated colours are composed with the photo's alpha, as
    photos are. With the generated alpha, colours would become white where that is in doubt, such as in
    straps, and alpha would become holes that look like highlights. So only the discriminator of the outline
    gets alpha, as answers have it.
    """

    def seen(picture: Tensor, paper: float) -> Tensor:
        return shifted(resized(picture, side_px), shifts, paper)

    fake, seen_ink = on_white(rgba[:, :3], alpha), seen(ink, 0.0)
    real_input = DiscriminatorInput(seen(photo, 1.0), seen(alpha, 0.0), seen_ink)
    fake_input = DiscriminatorInput(seen(fake, 1.0), seen(decided(rgba[:, 3:]), 0.0), seen_ink)
    return Generated(rgba, fake, real_input, fake_input)


class PictureStep:
    """Updates the picture generator and its discriminators."""

    def __init__(
        self, config: TrainConfig, picture: PictureGenerator, fabric: Fabric, notify: Callable[[str], None]
    ) -> None:
        """Call `set_up` next, after weights are loaded. `notify` is called with messages."""
        self.config, self.picture, self.fabric, self.notify = config, picture, fabric, notify
        self.discriminators = PictureDiscriminators(config.discriminator, config.model.seen_px)
        self._cached: Generated | None = None  # from the discriminators' update for the generator's

    def set_up(self) -> None:
        """Moves networks to the device and makes the optimisers."""
        config, fabric = self.config, self.fabric
        self.discriminators.to(fabric.device).to(memory_format=torch.channels_last)
        self.perceptual = self._load_perceptual()
        self._g = Optimiser(self.picture.parameters(), config.generator_lr, config.betas, fabric)
        self._d = Optimiser(self.discriminators.parameters(), config.discriminator_lr, config.betas, fabric)

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
        return {"picture_discriminators": self.discriminators}

    def optimisers(self) -> dict[str, Optimiser]:
        """Optimisers by name in a checkpoint."""
        return {"picture_g": self._g, "picture_d": self._d}

    def run(
        self, step: int, batch: Pictures, rate: float, in_parts: Callable[..., Any], *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        """Updates all networks once; returns losses and statistics by name, and the L1 (N,) of each picture.

        `rate` is a factor of the learning rates. `in_parts(update)` calls an update with the number of parts
        in which it fits into memory. With `measure` the statistics hold the norm of each term's gradient at
        the picture.
        """
        penalise = step % PENALTY_EVERY == 0
        foreground = batch.foreground.gather(1, batch.channels[:, :, None, None].expand_as(batch.foreground))
        photo = on_white(foreground, batch.alpha).contiguous(memory_format=torch.channels_last)
        batch = replace(batch, foreground=foreground, photo=photo)
        d_losses, d_statistics = in_parts(
            lambda parts: self._update_discriminators(batch, parts, rate, penalise=penalise)
        )
        g_losses, g_statistics, errors = in_parts(
            lambda parts: self._update_generator(batch, parts, rate, measure=measure)
        )
        return {**d_losses, **g_losses}, {**d_statistics, **g_statistics}, errors

    def _update_discriminators(
        self, batch: Pictures, parts: int, rate: float, *, penalise: bool
    ) -> tuple[Named, Named]:
        """Trains the discriminators to tell real from generated pictures; returns losses and statistics."""
        loss_parts: list[Named] = []
        statistics_parts: list[Named] = []
        self._cached = None  # of an update that ran out of memory
        self._d.clear()
        for part in batch.parts(parts):
            with torch.set_grad_enabled(parts == 1), self.fabric.autocast():
                generated = self._generate(part)
            self._cached = generated if parts == 1 else None
            on_real, on_fake = generated.real_input, generated.fake_input
            with self.fabric.autocast():
                real = self.discriminators(on_real.photo, on_real.alpha, on_real.ink)
                fake = self.discriminators(on_fake.photo.detach(), on_fake.alpha.detach(), on_fake.ink)
            loss = losses.discriminator_relativistic
            values = {"d": torch.stack([loss(real[kind], fake[kind]).mean() for kind in real]).mean()}
            if penalise:
                coarse, pixels = self.discriminators.penalties(on_real.photo, on_real.ink)
                penalty = (
                    self.config.coarse_penalty_weight * coarse + self.config.pixels_penalty_weight * pixels
                )
                values["d_penalty"] = PENALTY_EVERY * penalty / len(real)
            self.fabric.backward(torch.stack(list(values.values())).sum() / parts)
            loss_parts.append({name: value.detach() for name, value in values.items()})
            statistics: Named = {}
            for kind in real:
                statistics |= discriminator_statistics(kind, real[kind], fake[kind], paired=True)
            statistics_parts.append(statistics)
        return means(loss_parts), {**means(statistics_parts), "d_gradient": self._d.step(rate)}

    def _update_generator(
        self, batch: Pictures, parts: int, rate: float, *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        """Lowers the terms of `_terms`; returns losses, statistics, and the L1 (N,) of each picture."""
        loss_parts: list[Named] = []
        gradients: Named = {}
        errors = torch.empty(len(batch), device=self.fabric.device)
        cached, self._cached = self._cached if parts == 1 else None, None
        self._g.clear()
        with frozen(self.discriminators.parameters()):
            for i, part in enumerate(batch.parts(parts)):
                with self.fabric.autocast():
                    generated = cached or self._generate(part)
                error = losses.l1(generated.fake, part.photo)
                values = self._terms(part, generated, error)
                if measure and i == 0:
                    gradients = losses.gradients_at(generated.rgba, values)
                self.fabric.backward(torch.stack(list(values.values())).sum() / parts)
                loss_parts.append({name: value.detach() for name, value in values.items()})
                errors[i::parts] = error.detach()
        return means(loss_parts), {**gradients, "g_gradient": self._g.step(rate)}, errors

    def _terms(self, part: Pictures, generated: Generated, error: Tensor) -> Named:
        """Returns the generator's losses, each times its weight."""
        config, exact = self.config, _exactness(part)
        on_real, on_fake = generated.real_input, generated.fake_input
        with self.fabric.autocast():
            fake = self.discriminators(on_fake.photo, on_fake.alpha, on_fake.ink)
            with torch.no_grad():
                real = self.discriminators(on_real.photo, on_real.alpha, on_real.ink)
        loss = losses.generator_relativistic
        weight_of = {
            "pixels": config.pixels_weight,
            "pixels_half": config.pixels_weight,
            "coarse": config.coarse_weight,
            "outline": config.outline_weight,
        }
        terms = {
            **{f"g_{kind}": weight_of[kind] * loss(real[kind], fake[kind]).mean() for kind in real},
            "g_reconstruction": config.reconstruction_weight * (error * exact).mean(),
            "g_alpha": config.alpha_weight
            * (losses.alpha_log_loss(generated.rgba[:, 3:], part.alpha) * exact).mean(),
        }
        if self.perceptual is not None:
            count = -(-config.batch_size // PERCEIVED)
            seen = torch.nonzero(part.place < count).flatten()
            compared = (F.avg_pool2d(x[seen], 2) for x in (generated.fake, part.photo))
            with self.fabric.autocast():
                distance = self.perceptual(*compared).float()
            # The mean over such pictures of the whole batch: a part of it may hold fewer of them.
            mean = (distance * exact[seen]).sum() * config.batch_size / (count * len(part))
            terms["g_perceptual"] = config.perceptual_weight * mean
        return terms

    def _generate(self, part: Pictures) -> Generated:
        ink, side_px = _ink(part), self.config.model.seen_px * self.config.discriminator.fold
        rgba = self.picture(ink, training_layout(part))
        return compare(rgba, part.photo, part.alpha, ink, part.shifts, side_px)


@torch.no_grad()
def training_layout(part: Pictures) -> Tensor:
    """Returns layouts (N, 4, 64, 64) of the photos' own colours.

    Half of them are made of 16 x 16 cells, as in use, so that the generator copes with small parts whose
    colour is mixed with that around them, or has become that of a larger part. They have mistakes in their
    masks, so that it takes the outline and openings from the sketch. The others have the exact mean colour of
    each region.
    """
    regions = regions_of(_ink(part))
    coloured = F.adaptive_avg_pool2d(coloured_by(part.foreground, part.alpha), LAYOUT_PX)
    product = layout_of(coloured, regions)[:, 3:]
    shades = shades_of(product, light_of(coloured, product, regions))
    even = torch.cat([coloured[:, :3] - shades * coloured[:, 3:], coloured[:, 3:]], 1)
    exact, of_cells = layout_of(even, regions), redrawn_layout(even, regions)
    of_cells = _with_mistakes(of_cells, part.mistakes)
    return lit(torch.where(part.choices[:, None, None, None] < REDRAWN_SHARE, of_cells, exact), shades)


def _with_mistakes(layout: Tensor, numbers: Tensor) -> Tensor:
    """Returns a layout (N, 4, 64, 64) with product in its openings, and mistakes elsewhere.

    In some cells, by numbers (N, 1, 6, 6), uniform in 0..1, there is product for ground, or ground for
    product. The layout GAN makes such mistakes, above all below handles.
    """
    is_mistaken = (F.interpolate(numbers, size=CELLS, mode="bilinear") > MISTAKEN_FROM).float()
    is_wrong = torch.maximum(is_mistaken, openings_of(F.avg_pool2d(layout[:, 3:], CELL_PX)))
    wrong = spread_out(layout, WRONG_PRODUCT_PX) * (layout[:, 3:] == 0)
    return torch.where(enlarged(is_wrong) > 0, wrong, layout)


def openings_of(mask: Tensor) -> Tensor:
    """Returns 1 for ground that product encloses, else 0, of masks (N, 1, H, H) in {0, 1}.

    Ground outside is what is connected with the border by sides of cells.
    """
    ground = F.pad(1 - mask, [1, 1, 1, 1], value=1.0)
    outside = F.pad(torch.zeros_like(mask), [1, 1, 1, 1], value=1.0)
    for _ in range(2 * mask.shape[-1]):
        beside = F.max_pool2d(outside, (1, 3), 1, (0, 1)), F.max_pool2d(outside, (3, 1), 1, (1, 0))
        outside = torch.maximum(*beside) * ground
    return (ground - outside)[..., 1:-1, 1:-1]


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


def _ink(part: Pictures) -> Tensor:
    return (1 - part.sketch) / 2


def _exactness(part: Pictures) -> Tensor:
    """Returns the weight (N,) of each pair in comparisons with its photo: rough strokes lie elsewhere."""
    return (1 - part.roughness) ** 2
