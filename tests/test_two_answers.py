"""One sketch, two equally right layouts: are answers one of them, each half of the time, or a blur?"""

import copy

import pytest
import torch
from torch import Tensor

from pix2pix.model.config import ModelConfig
from pix2pix.model.layouts import cells_of
from pix2pix.model.networks import TwoStage
from pix2pix.training.config import LayoutConfig
from pix2pix.training.data.batch import Layouts
from pix2pix.training.distributed import make_fabric
from pix2pix.training.steps.layout_step import LayoutStep

RED, BLUE = torch.tensor([0.6, -0.8, -0.8]), torch.tensor([-0.8, -0.8, 0.6])
MODEL = ModelConfig(size_px=64, widths=(8, 8, 8), latent_size=4, layout_widths=(16, 16, 16))
BATCH, STEPS = 16, 200


def square(colour: Tensor) -> Tensor:
    """A photo (4, 64, 64) of a square of a colour: colour times mask, and mask."""
    coloured = torch.zeros(4, 64, 64)
    coloured[:3, 16:48, 16:48] = colour[:, None, None]
    coloured[3, 16:48, 16:48] = 1
    return coloured


def ink() -> Tensor:
    """The outline of the square, (1, 64, 64)."""
    drawn = torch.zeros(1, 64, 64)
    drawn[:, 16:48, 16:48] = 1
    drawn[:, 18:46, 18:46] = 0
    return drawn


def batch(step: int) -> Layouts:
    random = torch.Generator().manual_seed(step)
    which = torch.randint(2, (BATCH,), generator=random)
    squares = torch.stack([square(RED), square(BLUE)])[which]
    z = torch.randn(BATCH, MODEL.latent_size, generator=random)
    never = torch.ones(BATCH, 2)  # no cells are known
    return Layouts(ink().expand(BATCH, -1, -1, -1), squares, z, never, torch.ones(BATCH, 1, 16, 16))


@torch.no_grad()
def colours(model: TwoStage) -> Tensor:
    """(64, 3): the middle of the square in cells drawn for 64 random z."""
    z = torch.randn(64, MODEL.latent_size, generator=torch.Generator().manual_seed(0))
    known = torch.zeros(64, 4, 16, 16)
    drawn: Tensor = model.layout(ink().expand(64, -1, -1, -1), known, z)
    return drawn[:, :3, 6:10, 6:10].mean(dim=(2, 3))


def share_near(answers: Tensor, colour: Tensor) -> float:
    return float(((answers - colour).abs().mean(dim=1) < 0.3).float().mean())


@pytest.fixture
def model() -> TwoStage:
    torch.manual_seed(1)
    return TwoStage(MODEL)


def test_the_layout_gan_gives_each_answer_about_half_of_the_time(model: TwoStage) -> None:
    rates = {"generator_lr": 2e-2, "discriminator_lr": 5e-3}  # some seconds must do
    config = LayoutConfig(batch_size=BATCH, discriminator_widths=(16, 16, 16), **rates)
    layout_step = LayoutStep(config, model, make_fabric("cpu", "32-true"))
    layout_step.set_up()
    average = copy.deepcopy(model)  # as a run has one: from step to step the shares swing
    for step in range(STEPS):
        layout_step.run(step, batch(step), rate=min(1.0, 2 - 2 * step / STEPS))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 0.03)
    answers = colours(average)
    red, blue = share_near(answers, RED), share_near(answers, BLUE)
    assert 0.25 < red < 0.75 and 0.25 < blue < 0.75 and red + blue > 0.8


def test_squared_error_alone_gives_the_average_of_both(model: TwoStage) -> None:
    adam = torch.optim.Adam(model.layout.parameters(), 1e-2)
    for step in range(150):
        given = batch(step)
        drawn = model.layout(given.ink, torch.zeros(BATCH, 4, 16, 16), given.z)
        cells = cells_of(given.coloured)
        apart = (drawn[:, :3] - cells[:, :3]) * cells[:, 3:]
        adam.zero_grad()
        apart.square().mean().backward()
        adam.step()
    answers = colours(model)
    assert share_near(answers, RED) == share_near(answers, BLUE) == 0
    assert share_near(answers, (RED + BLUE) / 2) > 0.9
