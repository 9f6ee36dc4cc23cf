"""One training step of the layout GAN.

Half of the layouts are generated with the latent that the encoder reads off the real layout, and compared
with it; the other half are generated from noise, and only the discriminator sees them (BicycleGAN, Zhu et al.
2017). All are layouts of the sketch's regions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.model.layout_gan import LayoutDiscriminator
from pix2pix.model.layouts import cells_of, enlarged, filled, regions_of
from pix2pix.model.networks import TwoStage
from pix2pix.training.config import LayoutConfig
from pix2pix.training.data.batch import Layouts
from pix2pix.training.steps import losses
from pix2pix.training.steps.losses import discriminator_statistics
from pix2pix.training.steps.optimiser import Optimiser, frozen

BETAS = (0.0, 0.99)
PENALTY_EVERY = 8  # steps (lazy regularisation, Karras et al. 2020, section 3.2)
KNOWN_OFTEN, KNOWN_SHARE = 0.4, 0.2  # share of layouts with known cells; the most of their cells
COLOUR_LIMIT = 1.05
RANGE_WEIGHT = 0.1  # of colours beyond it


class LayoutStep:
    """Updates the layout generator, its encoder and its discriminator."""

    def __init__(self, config: LayoutConfig, model: TwoStage, fabric: Fabric) -> None:
        """Call `set_up` next, after weights are loaded."""
        self.config, self.model, self.fabric = config, model, fabric
        self.discriminator = LayoutDiscriminator(config.discriminator_widths)

    def set_up(self) -> None:
        """Moves the discriminator to the device and makes the optimisers."""
        self.discriminator.to(self.fabric.device)
        generator = [*self.model.layout.parameters(), *self.model.encoder.parameters()]
        self._g = Optimiser(generator, self.config.generator_lr, BETAS, self.fabric)
        self._d = Optimiser(self.discriminator.parameters(), self.config.discriminator_lr, BETAS, self.fabric)

    def networks(self) -> dict[str, nn.Module]:
        """Networks that are trained beside the model, by name in a checkpoint."""
        return {"layout_discriminator": self.discriminator}

    def optimisers(self) -> dict[str, Optimiser]:
        """Optimisers by name in a checkpoint."""
        return {"layout_g": self._g, "layout_d": self._d}

    def run(self, step: int, batch: Layouts, rate: float) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Updates every network once; returns losses and statistics by name.

        `rate` is a factor of the learning rates.
        """
        ink, half = batch.ink, len(batch.ink) // 2
        regions = regions_of(ink)
        layout = filled(batch.coloured, regions)
        real, product = cells_of(layout), layout[:, 3:]
        known = _known(batch, real)
        with self.fabric.autocast():
            mean, log_variance = self.model.encoder(cells_of(batch.coloured[:half]))
            encoded = mean + torch.exp(0.5 * log_variance) * batch.z[:half]
            drawn = self.model.layout(ink, known, torch.cat([encoded, batch.z[half:]])).float()
        fake = cells_of(filled(torch.cat([enlarged(drawn[:, :3]) * product, product], 1), regions))
        d_losses, d_statistics = self._update_discriminator(step, fake[half:].detach(), ink, real, rate)

        with frozen(self.discriminator.parameters()), self.fabric.autocast():
            logits = self.discriminator(fake[half:], ink[half:]).float()
        with frozen(self.model.encoder.parameters()), self.fabric.autocast():
            recovered, _ = self.model.encoder(fake[half:])
        terms = {
            "layout_adversarial": F.softplus(-logits).mean(),
            "layout_reconstruction": self.config.reconstruction_weight
            * losses.l1_where(fake[:half, :3], real[:half]).mean(),
            "layout_divergence": self.config.divergence_weight * losses.kl_divergence(mean, log_variance),
            "layout_latent": self.config.latent_weight * F.l1_loss(recovered, batch.z[half:]),
            "layout_known": self.config.known_weight * losses.l1_where(drawn[:, :3], known).mean(),
            "layout_mask": F.binary_cross_entropy_with_logits(drawn[:, 3:], real[:, 3:]),
            "layout_range": RANGE_WEIGHT * losses.beyond(drawn[:, :3], COLOUR_LIMIT),
        }
        self._g.clear()
        self.fabric.backward(torch.stack(list(terms.values())).sum())
        norm = {"layout_g_gradient": self._g.step(rate)}
        g_losses = {name: value.detach() for name, value in terms.items()}
        return {**d_losses, **g_losses}, {**d_statistics, **norm}

    def _update_discriminator(
        self, step: int, fake: Tensor, ink: Tensor, real: Tensor, rate: float
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        with self.fabric.autocast():
            on_real = self.discriminator(real, ink).float()
            on_fake = self.discriminator(fake, ink[len(ink) // 2 :]).float()
        terms = {"layout_d": F.softplus(-on_real).mean() + F.softplus(on_fake).mean()}
        if step % PENALTY_EVERY == 0:
            x = real.detach().requires_grad_()
            penalty = losses.gradient_penalty(self.discriminator(x, ink), x)
            terms["layout_d_penalty"] = PENALTY_EVERY * self.config.penalty_weight * penalty
        self._d.clear()
        self.fabric.backward(torch.stack(list(terms.values())).sum())
        statistics = discriminator_statistics("layout", on_real, on_fake)
        statistics["layout_d_gradient"] = self._d.step(rate)
        return {name: value.detach() for name, value in terms.items()}, statistics


def _known(batch: Layouts, layout: Tensor) -> Tensor:
    """Returns the cells (K, 4, 16, 16) of layouts that are known beforehand: none for most layouts."""
    has_known, share = batch.choices[:, :1, None, None], batch.choices[:, 1:, None, None]
    known = (batch.cells < KNOWN_SHARE * share) & (has_known < KNOWN_OFTEN)
    return layout * known
