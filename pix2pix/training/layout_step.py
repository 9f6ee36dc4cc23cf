"""A training step of the layout GAN.

Half of the layouts are drawn with the latent that the encoder reads off the real one, and held to it; the
other half with noise, and only the discriminator judges them (BicycleGAN, Zhu et al. 2017). It must also
refuse real colours laid under another sketch, so that layouts follow the sketch (Reed et al. 2016).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.model.layout_gan import LayoutDiscriminator, smoothed, spread_out
from pix2pix.model.networks import TwoStage
from pix2pix.training import losses
from pix2pix.training.batch import Layouts
from pix2pix.training.config import LayoutConfig
from pix2pix.training.losses import standing
from pix2pix.training.optimiser import Optimiser, frozen

BETAS = (0.0, 0.99)
PENALTY_EVERY = 8  # steps (lazy regularisation, Karras et al. 2020, section 3.2)
KNOWN_OFTEN, KNOWN_SHARE = 0.4, 0.2  # how often cells are known, and at most which share of them
COLOUR_LIMIT = 1.05
MADE_SHARE = 0.7  # of what the discriminator refuses; the rest is of other sketches


class LayoutStep:
    """Both players of the layout GAN."""

    def __init__(self, config: LayoutConfig, model: TwoStage, fabric: Fabric) -> None:
        """`set_up` comes next, once the weights to begin with are there."""
        self.config, self.model, self.fabric = config, model, fabric
        self.discriminator = LayoutDiscriminator(config.discriminator_widths)

    def set_up(self) -> None:
        """Go to the device, and make the optimisers."""
        self.discriminator.to(self.fabric.device)
        generator = [*self.model.layout.parameters(), *self.model.encoder.parameters()]
        self._g = Optimiser(generator, self.config.generator_lr, BETAS, self.fabric)
        self._d = Optimiser(self.discriminator.parameters(), self.config.discriminator_lr, BETAS, self.fabric)

    def networks(self) -> dict[str, nn.Module]:
        """What is trained beside the model, by its name in a checkpoint."""
        return {"layout_discriminator": self.discriminator}

    def optimisers(self) -> dict[str, Optimiser]:
        """By name in a checkpoint."""
        return {"layout_g": self._g, "layout_d": self._d}

    def play(self, step: int, batch: Layouts, rate: float) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One step of both players: losses and standing by name. `rate` is a factor of the learning rates."""
        ink, real, half = batch.ink, batch.layout, len(batch.ink) // 2
        mask, known = real[:, 3:], _known(batch)
        with self.fabric.autocast():
            mean, log_variance = self.model.encoder(real[:half])
            own = mean + torch.exp(0.5 * log_variance) * batch.z[:half]
            drawn = self.model.layout(ink, known, torch.cat([own, batch.z[half:]])).float()
        made = smoothed(torch.cat([drawn[:, :3] * mask, mask], 1))
        d_loss, standing_of_d = self._move_d(step, made.detach(), batch, rate)

        with frozen(self.discriminator.parameters()), self.fabric.autocast():
            free = self.discriminator(made[half:], ink[half:]).float()
        with frozen(self.model.encoder.parameters()), self.fabric.autocast():
            recovered, _ = self.model.encoder(made[half:])
        terms = {
            "layout_adversarial": F.softplus(-free).mean(),
            "layout_reconstruction": self.config.reconstruction_weight
            * losses.l1_where(made[:half, :3], real[:half]).mean(),
            "layout_divergence": self.config.divergence_weight * losses.divergence(mean, log_variance),
            "layout_latent": self.config.latent_weight * F.l1_loss(recovered, batch.z[half:]),
            "layout_known": self.config.known_weight * losses.l1_where(drawn[:, :3], known).mean(),
            "layout_mask": F.binary_cross_entropy_with_logits(drawn[:, 3:], mask),
            "layout_range": 0.1 * losses.beyond(drawn[:, :3], COLOUR_LIMIT),
        }
        self._g.clear()
        self.fabric.backward(torch.stack(list(terms.values())).sum())
        norm = {"layout_g_gradient": self._g.step(rate)}
        g_losses = {name: value.detach() for name, value in terms.items()}
        return {"layout_d": d_loss, **g_losses}, {**standing_of_d, **norm}

    def _move_d(
        self, step: int, made: Tensor, batch: Layouts, rate: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        ink, real, half = batch.ink, batch.layout, len(batch.ink) // 2
        # Shared out among processes in strides, each layout keeps the neighbour whose colours it gets.
        colours = spread_out(real.roll(len(real) // 4, 0))[:half, :3]
        other = torch.cat([colours * real[:half, 3:], real[:half, 3:]], 1)
        with self.fabric.autocast():
            right = self.discriminator(real, ink).float()
            free = self.discriminator(made[half:], ink[half:]).float()
            wrong = self.discriminator(other, ink[:half]).float()
        refused = MADE_SHARE * F.softplus(free).mean() + (1 - MADE_SHARE) * F.softplus(wrong).mean()
        loss = F.softplus(-right).mean() + refused
        if step % PENALTY_EVERY == 0:
            at = real.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.discriminator(at, ink).sum(), at, create_graph=True)
            penalty = gradient.square().sum((1, 2, 3)).mean()
            loss = loss + PENALTY_EVERY * self.config.penalty_weight * penalty
        self._d.clear()
        self.fabric.backward(loss)
        norm = self._d.step(rate)
        return loss.detach(), {**standing("layout", [right], [free]), "layout_d_gradient": norm}


def _known(batch: Layouts) -> Tensor:
    """The cells (K, 4, 16, 16) that are known beforehand: none of most layouts."""
    often, share = batch.choices[:, :1, None, None], batch.choices[:, 1:, None, None]
    known = (batch.cells < KNOWN_SHARE * share) & (often < KNOWN_OFTEN)
    return batch.layout * known
