"""A training step of the picture GAN: discriminators learn to tell, then the generator climbs their gradient.

The layout is the photo's own, so that L1 and the perceptual term do not average over colours that the sketch
leaves open; mostly it is moved a little, as guessed layouts are not exact. There are two contests: over whole
pictures at half of the side, and, every few steps, over windows at the full side, for the last stage alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.model.layout_gan import layout_of, moved_layout_of
from pix2pix.model.picture_gan import PictureGenerator, compose
from pix2pix.training import losses
from pix2pix.training.batch import Pictures
from pix2pix.training.config import TrainConfig
from pix2pix.training.discriminators import PictureDiscriminators
from pix2pix.training.losses import means, standing
from pix2pix.training.optimiser import Optimiser, frozen
from pix2pix.training.projected import Backbone, Projection, perceptual_distance

PENALTY_EVERY = 8  # steps (lazy regularisation, Karras et al. 2020, section 3.2)
MOVED, WHOLE = 0.67, 0.9  # shares of layouts that are moved, and that have all cells
MOST_CELLS = 0.5  # share of the cells that others have, at most
COLOUR_NOISE = 0.04
SHIFT = 0.1  # of the side, at most: what discriminators see (Zhao et al. 2020)
LIMIT = 1.1  # of values that they see
ROUGHEST = 0.2  # weight of a pair whose strokes lie anywhere, against 1 of an exact one
STROKES_LEAST = 60.0  # values under a picture's strokes, below which their term fades

Named = dict[str, Tensor]


@dataclass(frozen=True)
class Seen:
    """A picture as discriminators see it: shifted, beside its ink, with features."""

    photo: Tensor  # (N, 3, s, s)
    ink: Tensor  # (N, 1, s, s) in 0..1
    maps: list[Tensor]  # of `Backbone`
    projected: list[Tensor]

    def detach(self) -> Seen:
        """The same without gradients."""
        parts = ([x.detach() for x in some] for some in (self.maps, self.projected))
        return Seen(self.photo.detach(), self.ink, *parts)


@dataclass(frozen=True)
class Shown:
    """What was drawn for some pairs, and what it should be."""

    rgba: Tensor  # (N, 4, s, s): colour and the logit of alpha
    made: Tensor  # (N, 3, s, s)
    photo: Tensor  # (N, 3, s, s)
    real_seen: Seen
    made_seen: Seen


class Eyes(nn.Module):
    """What all discriminators look through. Nothing in it is trained."""

    def __init__(self) -> None:
        """The projection is drawn from torch's global generator: seed it first."""
        super().__init__()
        self.projection = Projection()
        self.backbone = Backbone()

    def show(self, rgba: Tensor, photo: Tensor, ink: Tensor, shifts: Tensor) -> Shown:
        """Drawn (N, 4, s, s) beside photos (N, 3, s, s) and ink (N, 1, s, s), shifted alike."""
        made, _ = compose(rgba)
        with torch.no_grad():
            real_seen = self._see(photo, ink, shifts)
        return Shown(rgba, made, photo, real_seen, self._see(made.clamp(-LIMIT, LIMIT), ink, shifts))

    def _see(self, photo: Tensor, ink: Tensor, shifts: Tensor) -> Seen:
        photo, ink = shifted(photo, shifts, 1.0), shifted(ink, shifts, 0.0)
        maps = self.backbone(photo)
        return Seen(photo, ink, maps, self.projection(maps))


class Contest:
    """A part of the picture generator against its discriminators."""

    def __init__(
        self,
        config: TrainConfig,
        fabric: Fabric,
        discriminators: PictureDiscriminators,
        generator: Iterable[nn.Parameter],
        draw: Callable[[Pictures], Shown],
        *,
        prefix: str = "",
    ) -> None:
        """`draw` makes pictures of pairs; `prefix` goes before the names of losses."""
        self.config, self.fabric, self.draw, self.prefix = config, fabric, draw, prefix
        self.discriminators = discriminators
        self.g = Optimiser(generator, config.generator_lr, config.betas, fabric)
        self.d = Optimiser(discriminators.parameters(), config.discriminator_lr, config.betas, fabric)
        self._kept: Shown | None = None  # from the discriminators' move for the generator's

    def move_d(self, batch: Pictures, parts: int, rate: float, *, penalise: bool) -> tuple[Named, Named]:
        """Discriminators learn to tell real from made: losses and standing."""
        loss_parts: list[Named] = []
        standing_parts: list[Named] = []
        self._kept = None  # of a move that ran out of memory
        shares = self._shares(batch)
        self.d.clear()
        for i, part in enumerate(batch.parts(parts)):
            with torch.set_grad_enabled(parts == 1), self.fabric.autocast():
                shown = self.draw(part)
            self._kept = shown if parts == 1 else None
            with self.fabric.autocast():
                real, made = (self._look(seen) for seen in (shown.real_seen, shown.made_seen.detach()))
            lose = losses.DISCRIMINATOR_LOSSES[self.config.adversarial]
            kinds = [
                losses.mean_over([lose(r, m) for r, m in zip(real[kind], made[kind], strict=True)])
                for kind in real
            ]
            values = {"d": losses.mean_under(losses.mean_over(kinds), shares[i::parts])}
            if penalise and self.discriminators.coarse is not None:
                penalty = self.discriminators.coarse.penalty(shown.real_seen.photo, shown.real_seen.ink)
                values["d_penalty"] = PENALTY_EVERY * self.config.coarse_penalty_weight * penalty
            self.fabric.backward(torch.stack(list(values.values())).sum() / parts)
            loss_parts.append({name: value.detach() for name, value in values.items()})
            standing_parts.append(
                {k: v for kind in real for k, v in standing(kind, real[kind], made[kind]).items()}
            )
        norm = {"d_gradient": self.d.step(rate)}
        return self._named(means(loss_parts)), self._named({**means(standing_parts), **norm})

    def move_g(
        self,
        batch: Pictures,
        parts: int,
        rate: float,
        terms: Callable[[Pictures, Shown], Named],
        *,
        measure: bool,
    ) -> tuple[Named, Named, Tensor]:
        """The generator lowers the adversarial, perceptual and L1 terms and `terms`.

        Returns losses, standing, and the L1 (N,) of each picture. With `measure` the standing holds the norm
        of each term's gradient at the picture.
        """
        loss_parts: list[Named] = []
        gradients: Named = {}
        errors = torch.empty(len(batch), device=self.fabric.device)
        kept, self._kept = self._kept if parts == 1 else None, None
        shares = self._shares(batch)
        self.g.clear()
        with frozen(self.discriminators.parameters()):
            for i, part in enumerate(batch.parts(parts)):
                with self.fabric.autocast():
                    shown = kept or self.draw(part)
                    values = self._adversarial(shown, shares[i::parts])
                exact = shares[i::parts] * _exactness(part)  # else L1 asks for a blur
                error = losses.l1(shown.made, shown.photo)
                distance = perceptual_distance(shown.made_seen.maps, shown.real_seen.maps)
                values["g_reconstruction"] = self.config.reconstruction_weight * losses.mean_under(
                    error, exact
                )
                values["g_perceptual"] = self.config.perceptual_weight * losses.mean_under(distance, exact)
                values["g_range"] = losses.beyond(shown.rgba[:, :3])
                values |= terms(part, shown)
                if measure and i == 0:
                    gradients = losses.gradients_at(shown.rgba, values)
                self.fabric.backward(torch.stack(list(values.values())).sum() / parts)
                loss_parts.append({name: value.detach() for name, value in values.items()})
                errors[i::parts] = error.detach()
        norm = {"g_gradient": self.g.step(rate)}
        return self._named(means(loss_parts)), self._named({**gradients, **norm}), errors

    def _look(self, seen: Seen) -> dict[str, list[Tensor]]:
        logits: dict[str, list[Tensor]] = self.discriminators(seen.photo, seen.ink, seen.projected)
        return logits

    def _adversarial(self, shown: Shown, shares: Tensor) -> Named:
        config = self.config
        lose = losses.GENERATOR_LOSSES[config.adversarial]
        of_kind = {
            "features": config.features_weight,
            "pixels": config.pixels_weight,
            "coarse": config.coarse_weight,
        }
        return {
            f"g_{kind}": of_kind[kind]
            * losses.mean_under(losses.mean_over([lose(x) for x in logits]), shares)
            for kind, logits in self._look(shown.made_seen).items()
        }

    def _shares(self, batch: Pictures) -> Tensor:
        """Weights of pictures (N,), 1 on average over all processes, so that parts and processes add up.

        Windows of photos without detail have none.
        """
        weights = batch.detailed if self.prefix else torch.ones_like(batch.detailed)
        mean = torch.as_tensor(self.fabric.all_reduce(weights.mean(), reduce_op="mean"))
        return weights / mean.clamp(min=1e-6)

    def _named(self, values: Named) -> Named:
        return {f"{self.prefix}{name}": value for name, value in values.items()}


class PictureStep:
    """The picture generator and its discriminators: of whole pictures, and of windows at full size."""

    def __init__(self, config: TrainConfig, picture: PictureGenerator, fabric: Fabric) -> None:
        """`set_up` comes next, once the weights to begin with are there."""
        self.config, self.picture, self.fabric = config, picture, fabric
        self.whole = PictureDiscriminators(config.discriminator, coarse=True)
        self.windows = PictureDiscriminators(config.discriminator, coarse=False)
        self.eyes = Eyes()

    def set_up(self) -> None:
        """Go to the device, and make the optimisers."""
        for part in (self.whole, self.windows, self.eyes):
            part.to(self.fabric.device).to(memory_format=torch.channels_last)
            part.eval()  # spectral norms move in `follow_norms` alone
        detail = list(self.picture.detail.parameters())
        base = [p for name, p in self.picture.named_parameters() if not name.startswith("detail.")]
        self._wholes = Contest(self.config, self.fabric, self.whole, base, self._draw_whole)
        self._details = Contest(
            self.config, self.fabric, self.windows, detail, self._draw_windows, prefix="detail_"
        )

    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint holds beside the model, by name: discriminators, and what they look through."""
        return {
            "whole_discriminators": self.whole,
            "window_discriminators": self.windows,
            "projection": self.eyes.projection,
        }

    def optimisers(self) -> dict[str, Optimiser]:
        """By name in a checkpoint."""
        return {
            "picture_g": self._wholes.g,
            "picture_d": self._wholes.d,
            "detail_g": self._details.g,
            "detail_d": self._details.d,
        }

    def play(
        self, step: int, batch: Pictures, rate: float, in_memory: Callable[..., Any], *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        """One step of all players: losses and standing by name, and the L1 error (N,) of each picture.

        `rate` is a factor of the learning rates. `in_memory(move)` calls a move with as many parts as it
        takes to fit into memory. With `measure` the gradient of each term at the picture is measured as well.
        """
        penalise = step % PENALTY_EVERY == 0
        self.whole.follow_norms()
        d_losses, d_standing = in_memory(lambda n: self._wholes.move_d(batch, n, rate, penalise=penalise))
        g_losses, g_standing, errors = in_memory(
            lambda n: self._wholes.move_g(batch, n, rate, self._whole_terms, measure=measure)
        )
        all_losses, all_standing = {**d_losses, **g_losses}, {**d_standing, **g_standing}
        every = self.config.detail_every
        if every and step % every == every - 1:
            self.windows.follow_norms()
            d_losses, d_standing = in_memory(lambda n: self._details.move_d(batch, n, rate, penalise=False))
            g_losses, g_standing, _ = in_memory(
                lambda n: self._details.move_g(batch, n, rate, lambda *_: {}, measure=False)
            )
            all_losses |= d_losses | g_losses
            all_standing |= d_standing | g_standing
        return all_losses, all_standing, errors

    def _draw_whole(self, part: Pictures) -> Shown:
        ink = _ink(part)
        rgba, *_ = self.picture.draw(ink, part.strokes, training_layout(part))
        side = rgba.shape[-1]
        photo, small = F.adaptive_avg_pool2d(part.photo, side), F.adaptive_avg_pool2d(ink, side)
        return self.eyes.show(rgba, photo, small, part.shifts)

    def _draw_windows(self, part: Pictures) -> Shown:
        ink = _ink(part)
        with torch.no_grad():
            base = self.picture.draw(ink, part.strokes, training_layout(part))
        rgba = self.picture.detail(*base, ink)
        side = self.config.model.seen_px
        made, photo, near = (windows(x, ink, part.corners, side) for x in (rgba, part.photo, ink))
        return self.eyes.show(made, photo, near, part.shifts)

    def _whole_terms(self, part: Pictures, shown: Shown) -> Named:
        """What only whole pictures are held to: the product's mask, and colour strokes."""
        mask = F.adaptive_avg_pool2d(part.mask, shown.rgba.shape[-1])
        alpha = losses.alpha_error(shown.rgba[:, 3:], mask)
        strokes = losses.l1_where(shown.made, part.strokes, STROKES_LEAST).mean()
        return {
            "g_alpha": self.config.alpha_weight * losses.mean_under(alpha, _exactness(part)),
            "g_strokes": self.config.strokes_weight * strokes,
        }


def training_layout(part: Pictures) -> Tensor:
    """The photos' own layouts (N, 4, 16, 16): most moved, some with cells missing, all with noise."""
    side = part.strokes.shape[-1]
    photo, mask = (F.adaptive_avg_pool2d(x, side) for x in (part.photo, part.mask))
    is_moved, is_whole, share = (part.choices[:, i, None, None, None] for i in range(3))
    with torch.autocast(photo.device.type, enabled=False):  # places are finer than bfloat16
        near = moved_layout_of(photo, mask, part.moves)
    layout = torch.where(is_moved < MOVED, near, layout_of(photo, mask))
    layout = layout * ((is_whole < WHOLE) | (part.cells < MOST_CELLS * share))
    noise = COLOUR_NOISE * part.colours * layout[:, 3:]
    return layout + F.pad(noise, [0, 0, 0, 0, 0, 1])


def shifted(x: Tensor, shifts: Tensor, paper: float) -> Tensor:
    """Pictures (N, C, S, S), each moved by `shifts` (N, 2), uniform in 0..1; what comes in is `paper`.

    Shifts are on the CPU: they say where to cut.
    """
    side = x.shape[-1]
    reach = int(SHIFT * side)
    corners = ((2 * reach + 1) * shifts).int().clamp(max=2 * reach).tolist()
    padded = F.pad(x, [reach] * 4, value=paper)
    cut = [one[:, y : y + side, left : left + side] for one, (y, left) in zip(padded, corners, strict=True)]
    return torch.stack(cut).contiguous(memory_format=torch.channels_last)


def windows(x: Tensor, ink: Tensor, corners: Tensor, side_px: int) -> Tensor:
    """Pictures (N, C, S, S) -> a window (N, C, side, side) of each, about some of their ink.

    `corners` (N, 2), uniform in 0..1, say where between the first and the last ink (N, 1, S, S) its middle
    lies. They are on the CPU, as what is found of the ink is.
    """
    room = x.shape[-1] - side_px
    inked = [(ink[:, 0].amax(axis) > 0.5).cpu() for axis in (2, 1)]  # rows and columns, (N, S) each
    cut = []
    for picture, *lines, shares in zip(x, *inked, corners.tolist(), strict=True):
        top, left = (_corner(*axis, side_px, room) for axis in zip(lines, shares, strict=True))
        cut.append(picture[:, top : top + side_px, left : left + side_px])
    return torch.stack(cut)


def _corner(inked: Tensor, share: float, side_px: int, room: int) -> int:
    """Where a window begins along one axis: its middle falls on some place between the first and last ink.

    `inked` (S,) says which rows or columns hold ink.
    """
    places: list[int] = torch.nonzero(inked).flatten().tolist()
    if not places:
        return room // 2
    first, last = places[0], places[-1]
    return min(max(round(first + share * (last - first)) - side_px // 2, 0), room)


def _ink(part: Pictures) -> Tensor:
    return (1 - part.sketch) / 2


def _exactness(part: Pictures) -> Tensor:
    """How much each pair (N,) counts where made pictures are held to photos: rough strokes lie elsewhere."""
    return 1 - (1 - ROUGHEST) * part.roughness
