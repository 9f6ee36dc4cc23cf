"""One training step of Isola et al. 2017: one discriminator on patches, and L1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.model.networks import Paper
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.training.config import TrainConfig
from pix2pix.training.data.batch import Pictures
from pix2pix.training.steps import losses
from pix2pix.training.steps.losses import discriminator_statistics, means
from pix2pix.training.steps.optimiser import Optimiser, frozen

Named = dict[str, Tensor]


class PaperStep:
    """Updates the generator and the discriminator of the paper's architecture."""

    def __init__(self, config: TrainConfig, model: Paper, fabric: Fabric) -> None:
        """Call `set_up` next, after weights are loaded."""
        self.config, self.model, self.fabric = config, model, fabric
        self.discriminator = PatchDiscriminator(config.discriminator)
        self._cached: Tensor | None = None  # generated photos, from D's update for G's

    def set_up(self) -> None:
        """Moves the discriminator to the device and makes the optimisers."""
        config, generator = self.config, self.model.generator
        self.discriminator.to(self.fabric.device)
        self._g = Optimiser(generator.parameters(), config.generator_lr, config.betas, self.fabric)
        self._d = Optimiser(
            self.discriminator.parameters(), config.discriminator_lr, config.betas, self.fabric
        )

    def networks(self) -> dict[str, nn.Module]:
        """Networks that are trained beside the model, by name in a checkpoint."""
        return {"discriminator": self.discriminator}

    def optimisers(self) -> dict[str, Optimiser]:
        """Optimisers by name in a checkpoint."""
        return {"g": self._g, "d": self._d}

    def run(
        self, step: int, batch: Pictures, rate: float, in_parts: Callable[..., Any], *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        """Updates both networks once, as `PictureStep.run`."""
        d_losses, d_statistics = in_parts(lambda n: self._update_discriminator(batch, n, rate))
        g_losses, g_statistics, errors = in_parts(
            lambda n: self._update_generator(batch, n, rate, measure=measure)
        )
        return {**d_losses, **g_losses}, {**d_statistics, **g_statistics}, errors

    def _generate(self, part: Pictures) -> Tensor:
        with self.fabric.autocast():
            photo: Tensor = self.model.generator(part.sketch)
        return photo

    def _logits(self, part: Pictures, photo: Tensor) -> Tensor:
        with self.fabric.autocast():
            logits: Tensor = self.discriminator(part.sketch, photo)
        return logits.float()

    def _update_discriminator(self, batch: Pictures, parts: int, rate: float) -> tuple[Named, Named]:
        loss_parts, statistics_parts = [], []
        self._cached = None  # of an update that ran out of memory
        self._d.clear()
        for part in batch.parts(parts):
            with torch.set_grad_enabled(parts == 1):
                fake = self._generate(part)
            self._cached = fake if parts == 1 else None
            on_real, on_fake = self._logits(part, part.photo), self._logits(part, fake.detach())
            loss = losses.discriminator_bce(on_real, on_fake).mean()
            self.fabric.backward(loss / parts)
            loss_parts.append({"d": loss.detach()})
            statistics_parts.append(discriminator_statistics("pixels", on_real, on_fake))
        return means(loss_parts), {**means(statistics_parts), "d_gradient": self._d.step(rate)}

    def _update_generator(
        self, batch: Pictures, parts: int, rate: float, *, measure: bool
    ) -> tuple[Named, Named, Tensor]:
        loss_parts, gradients = [], {}
        errors = torch.empty(len(batch), device=self.fabric.device)
        cached, self._cached = self._cached if parts == 1 else None, None
        self._g.clear()
        with frozen(self.discriminator.parameters()):
            for i, part in enumerate(batch.parts(parts)):
                fake = self._generate(part) if cached is None else cached
                adversarial = losses.generator_bce(self._logits(part, fake)).mean()
                error = losses.l1(fake, part.photo)
                terms = {
                    "g_pixels": self.config.pixels_weight * adversarial,
                    "g_reconstruction": self.config.reconstruction_weight * error.mean(),
                }
                if measure and i == 0:
                    gradients = losses.gradients_at(fake, terms)
                self.fabric.backward(torch.stack(list(terms.values())).sum() / parts)
                loss_parts.append({name: value.detach() for name, value in terms.items()})
                errors[i::parts] = error.detach()
        return means(loss_parts), {**gradients, "g_gradient": self._g.step(rate)}, errors
