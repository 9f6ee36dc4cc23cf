"""The optimiser of one network, in one process or in several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import get_total_norm


class Optimiser:
    """Adam over some parameters; it averages the gradients of all processes."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float], fabric: Fabric
    ) -> None:
        """`rate` is the learning rate before any schedule."""
        self.parameters, self.rate, self.fabric = list(parameters), rate, fabric
        adam = torch.optim.Adam(self.parameters, lr=rate, betas=betas, fused=True)
        self._adam: Any = fabric.setup_optimizers(adam)

    def clear(self) -> None:
        """Deletes the gradients."""
        self._adam.zero_grad()

    def step(self, factor: float) -> Tensor:
        """Takes a step at `factor` of the learning rate; returns the norm of the gradient, a scalar.

        Where float16 overflowed it takes no step and returns 0; the scale of the loss is then lowered.
        """
        for group in self._adam.param_groups:
            group["lr"] = self.rate * factor
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if self.fabric.world_size > 1:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            mean = torch.as_tensor(self.fabric.all_reduce(flat, reduce_op="mean"))
            sizes = [gradient.numel() for gradient in gradients]
            for gradient, piece in zip(gradients, torch.split(mean, sizes), strict=True):
                gradient.copy_(piece.view_as(gradient))
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)  # of float16
        if scaler is not None:  # Fabric refuses to unscale for a fused optimiser
            scaler.unscale_(self._adam.optimizer)
        norm = get_total_norm(gradients)
        self._adam.step()
        return norm if scaler is None else torch.where(norm.isfinite(), norm, 0.0)

    def state_dict(self) -> dict[str, Any]:
        """Returns Adam's state."""
        state: dict[str, Any] = self._adam.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Loads Adam's state. Raises KeyError or ValueError if it is of other parameters."""
        self._adam.load_state_dict(state)


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Computes no gradients for some parameters: `with frozen(discriminator.parameters()):`.

    All must require gradients; they do again after the block.
    """
    listed = list(parameters)
    for parameter in listed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in listed:
            parameter.requires_grad_(True)
