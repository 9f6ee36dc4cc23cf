"""The optimiser of one network, with gradients in float16."""

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from torch import nn

from pix2pix.training.steps.optimiser import Optimiser

RATE = 0.125


def test_a_step_that_overflows_float16_is_left_out_and_the_next_is_taken() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=0.5)
    fabric = Fabric(accelerator="cpu", plugins=[MixedPrecision("16-mixed", "cpu", scaler=scaler)])
    fabric.launch()
    parameter = nn.Parameter(torch.ones(4))
    optimiser = Optimiser([parameter], RATE, (0.5, 0.9), fabric)
    norms = []
    for _ in range(3):
        optimiser.clear()
        fabric.backward((3 * parameter).sum())
        norms.append(optimiser.step(1.0).item())
        if len(norms) == 1:
            assert torch.equal(parameter.data, torch.ones(4))
    assert norms == [0, 6, 6]  # |(3, 3, 3, 3)|
    torch.testing.assert_close(parameter.data, torch.full((4,), 1 - 2 * RATE))
