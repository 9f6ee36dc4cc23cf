"""A training step of Isola et al. 2017: one discriminator on patches, and L1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.model.networks import Paper
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.training import losses
from pix2pix.training.batch import Pictures
from pix2pix.training.config import TrainConfig
from pix2pix.training.losses import means, standing
from pix2pix.training.optimiser import Optimiser, frozen

Named = dict[str, Tensor]


class PaperStep:
    """Both players of the paper's architecture."""

    def __init__(self, config: TrainConfig, model: Paper, fabric: Fabric) -> None:
        """`set_up` comes next, once the weights to begin with are there."""
        self.config, self.model, self.fabric = config, model, fabric
        self.discriminator = PatchDiscriminator(config.discriminator)
        self._kept: Tensor | None = None  # the generator's answers, from one move for the next

    def set_up(self) -> None:
        """Go to the device, and make the optimisers."""
        config, generator = self.config, self.model.generator
        self.discriminator.to(self.fabric.device)
        self._g = Optimiser(generator.parameters(), config.generator_lr, config.betas, self.fabric)
        self._d = Optimiser(
            self.discriminator.parameters(), config.discriminator_lr, config.betas, self.fabric
        )

    def networks(self) -> dict[str, nn.Module]:
        """What is trained beside the model, by its name in a checkpoint."""
        return {"discriminator": self.discriminator}

    def optimisers(self) -> dict[str, Optimiser]:
        """By name in a checkpoint."""
        return {"g": self._g, "d": self._d}

    def play(
        self, step: int, batch: Pictures, rate: float, in_memory: Callable[..., Any], *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        """One step of both players, as `PictureStep.play`."""
        d_losses, d_standing = in_memory(lambda n: self._move_d(batch, n, rate))
        g_losses, g_standing, errors = in_memory(lambda n: self._move_g(batch, n, rate, measure=measure))
        return {**d_losses, **g_losses}, {**d_standing, **g_standing}, errors

    def _answer(self, part: Pictures) -> Tensor:
        with self.fabric.autocast():
            photo: Tensor = self.model.generator(part.sketch)
        return photo

    def _look(self, part: Pictures, photo: Tensor) -> Tensor:
        with self.fabric.autocast():
            logits: Tensor = self.discriminator(part.sketch, photo)
        return logits.float()

    def _move_d(self, batch: Pictures, parts: int, rate: float) -> tuple[Named, Named]:
        loss_parts, standing_parts = [], []
        self._kept = None  # of a move that ran out of memory
        self._d.clear()
        for part in batch.parts(parts):
            with torch.set_grad_enabled(parts == 1):
                made = self._answer(part)
            self._kept = made if parts == 1 else None
            real_logits, made_logits = self._look(part, part.photo), self._look(part, made.detach())
            loss = losses.DISCRIMINATOR_LOSSES[self.config.adversarial](real_logits, made_logits).mean()
            self.fabric.backward(loss / parts)
            loss_parts.append({"d": loss.detach()})
            standing_parts.append(standing("pixels", [real_logits], [made_logits]))
        return means(loss_parts), {**means(standing_parts), "d_gradient": self._d.step(rate)}

    def _move_g(
        self, batch: Pictures, parts: int, rate: float, *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        loss_parts, gradients = [], {}
        errors = torch.empty(len(batch), device=self.fabric.device)
        kept, self._kept = self._kept if parts == 1 else None, None
        self._g.clear()
        with frozen(self.discriminator.parameters()):
            for i, part in enumerate(batch.parts(parts)):
                made = self._answer(part) if kept is None else kept
                adversarial = losses.GENERATOR_LOSSES[self.config.adversarial](self._look(part, made)).mean()
                error = losses.l1(made, part.photo)
                terms = {
                    "g_pixels": self.config.pixels_weight * adversarial,
                    "g_reconstruction": self.config.reconstruction_weight * error.mean(),
                }
                if measure and i == 0:
                    gradients = losses.gradients_at(made, terms)
                self.fabric.backward(torch.stack(list(terms.values())).sum() / parts)
                loss_parts.append({name: value.detach() for name, value in terms.items()})
                errors[i::parts] = error.detach()
        return means(loss_parts), {**gradients, "g_gradient": self._g.step(rate)}, errors
