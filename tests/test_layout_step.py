"""A step of the layout GAN: the inputs and losses of its networks, and that they are updated."""

from collections.abc import Iterable

import pytest
import torch
from conftest import TINY
from torch import Tensor, nn

from pix2pix.errors import UsageError
from pix2pix.model.layout_gan import GROUP
from pix2pix.model.layouts import cells_of
from pix2pix.model.networks import TwoStage
from pix2pix.training.config import LayoutConfig, TrainConfig
from pix2pix.training.data.batch import Layouts
from pix2pix.training.distributed import make_fabric
from pix2pix.training.steps.layout_step import KNOWN_OFTEN, KNOWN_SHARE, PENALTY_EVERY, LayoutStep

COUNT, HALF = 8, 4
LOSSES = {"d", "adversarial", "reconstruction", "divergence", "latent", "known", "mask", "range"}
SHARES = {"p_real_layout", "p_fake_layout", "accuracy_layout"}


def batch(*, known: bool = False) -> Layouts:
    """Products of one colour each on the lower half, below a line."""
    torch.manual_seed(1)
    mask, ink = torch.zeros(COUNT, 1, 64, 64), torch.zeros(COUNT, 1, 64, 64)
    mask[:, :, 32:], ink[:, :, 32] = 1, torch.rand(COUNT, 1, 64) + 0.1
    colours = torch.linspace(-1, 1, COUNT)[:, None, None, None].expand(-1, 3, 64, 64)
    choices = torch.rand(COUNT, 2)
    choices[:, 0] = 0 if known else 1
    return Layouts(
        ink=ink,
        coloured=torch.cat([colours * mask, mask], 1),
        z=torch.randn(COUNT, TINY.latent_size),
        choices=choices,
        cells=torch.rand(COUNT, 1, 16, 16),
    )


def fresh() -> LayoutStep:
    torch.manual_seed(0)
    return LayoutStep(LayoutConfig(batch_size=COUNT), TwoStage(TINY), make_fabric("cpu", "32-true"))


def ready() -> LayoutStep:
    step = fresh()
    step.set_up()
    return step


def weights(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def test_a_step_updates_generator_encoder_and_discriminator_and_no_other() -> None:
    step = ready()
    networks = (step.model.layout, step.model.encoder, step.discriminator, step.model.picture)
    before = [weights(network.parameters()) for network in networks]
    losses, statistics = step.run(0, batch(), rate=1.0)
    updated = [
        any(not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True))
        for old, network in zip(before, networks, strict=True)
    ]
    assert updated == [True, True, True, False]
    assert losses.keys() == {f"layout_{name}" for name in LOSSES} | {"layout_d_penalty"}
    assert statistics.keys() == SHARES | {"layout_g_gradient", "layout_d_gradient"}
    assert all(value.ndim == 0 and value.isfinite() for value in (*losses.values(), *statistics.values()))
    assert all(parameter.requires_grad for parameter in step.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in step.model.encoder.parameters())


def test_at_rate_0_nothing_is_updated() -> None:
    step = ready()
    parameters = [*step.model.parameters(), *step.discriminator.parameters()]
    before = weights(parameters)
    step.run(0, batch(), rate=0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, parameters, strict=True))


class Recorder(nn.Module):
    """A discriminator of mean red, which records its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.inputs: list[tuple[Tensor, Tensor]] = []

    def forward(self, layout: Tensor, ink: Tensor) -> Tensor:
        self.inputs.append((layout.detach(), ink))
        return self.gain * layout[:, 0].mean((1, 2))


@pytest.fixture
def recorded() -> tuple[LayoutStep, Recorder]:
    step, recorder = fresh(), Recorder()
    step.discriminator = recorder  # type: ignore[assignment]
    step.set_up()
    return step, recorder


def test_the_discriminator_compares_real_layouts_with_free_ones(
    recorded: tuple[LayoutStep, Recorder],
) -> None:
    step, recorder = recorded
    given = batch()
    losses, _ = step.run(1, given, rate=0.0)
    (real, _), (free, free_ink), (judged, _) = recorder.inputs
    own = cells_of(given.coloured)
    torch.testing.assert_close(real, own)  # the product is one region
    assert torch.equal(free_ink, given.ink[HALF:]) and torch.equal(free[:, 3:], own[HALF:, 3:])
    assert free[:, :3, 9:].std((2, 3)).max() < 1e-5 < free[:, :3, 9:].std()
    assert torch.equal(judged, free)  # the generator is judged by these alone
    softplus = nn.functional.softplus
    expected = sum(softplus(sign * x[:, 0].mean((1, 2))).mean() for sign, x in ((-1, real), (1, free)))
    torch.testing.assert_close(losses["layout_d"], expected)
    torch.testing.assert_close(losses["layout_adversarial"], softplus(-free[:, 0].mean((1, 2))).mean())


def test_the_penalty_comes_every_few_steps_for_all_of_them(recorded: tuple[LayoutStep, Recorder]) -> None:
    """The gradient of mean red is 1/256 in each of 256 cells."""
    step, _ = recorded
    first, second, later = (step.run(at, batch(), rate=0.0)[0] for at in (0, 1, PENALTY_EVERY))
    penalty = PENALTY_EVERY * step.config.penalty_weight / 256
    assert float(first["layout_d_penalty"]) == pytest.approx(penalty, rel=0.02)
    assert "layout_d_penalty" not in second and later["layout_d_penalty"] == first["layout_d_penalty"]


def test_colours_of_the_half_from_noise_are_not_compared_with_the_photos() -> None:
    step = ready()
    given = batch()
    free, bound = given.coloured.clone(), given.coloured.clone()
    free[HALF:, :3] *= -1
    bound[:HALF, :3] *= -1
    all_losses = [
        step.run(1, Layouts(given.ink, coloured, given.z, given.choices, given.cells), rate=0.0)[0]
        for coloured in (given.coloured, free, bound)
    ]
    reconstruction = [losses["layout_reconstruction"] for losses in all_losses]
    assert torch.equal(reconstruction[0], reconstruction[1])
    assert not torch.equal(reconstruction[0], reconstruction[2])


def test_few_cells_of_some_layouts_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    step, known = ready(), []
    forward = step.model.layout.forward
    monkeypatch.setattr(step.model.layout, "forward", lambda *x: known.append(x[1]) or forward(*x))
    given, choices = batch(known=True), batch(known=True).choices
    choices[1, 0], choices[2, 0], choices[:, 1] = KNOWN_OFTEN, 0.99 * KNOWN_OFTEN, 1.0
    given = Layouts(given.ink, given.coloured, given.z, choices, given.cells)
    losses, _ = step.run(1, given, rate=0.0)
    (cells,) = known
    shares = cells[:, 3, 8:].mean((1, 2))
    assert shares[1] == 0 and all(
        0.5 * KNOWN_SHARE < share < 1.5 * KNOWN_SHARE for share in shares[[0, 2, 3]]
    )
    torch.testing.assert_close(cells, cells_of(given.coloured) * (cells[:, 3:] > 0))
    assert losses["layout_known"] > 0
    losses, _ = step.run(1, batch(known=False), rate=0.0)
    assert not known[1].any() and losses["layout_known"] == 0


def test_halves_that_are_no_whole_groups_of_the_discriminator_are_refused() -> None:
    """Each half is judged in groups of four."""
    assert LayoutConfig().batch_size % (2 * GROUP) == 0
    with pytest.raises(UsageError, match="20 is not a multiple of 8"):
        TrainConfig(layout=LayoutConfig(batch_size=20))
