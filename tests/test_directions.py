"""What z does, found by looking: a painter whose z is known is read off exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import LITERAL, TINY
from torch import Tensor, nn

from pix2pix.training.directions import ATTRIBUTES, find_directions


class Painter(nn.Module):
    """A soft-edged square on white, of a grey that follows `weights`."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))
        self.config = replace(TINY, latent_size=3) if weights else LITERAL

    def forward(self, given: Tensor, z: Tensor, sketch_of: Tensor) -> tuple[Tensor, Tensor]:
        grey = torch.tanh(0.2 * (z @ self.weights))[:, None, None, None] * 0.5 - 0.3
        square = torch.zeros(1, 1, *given.shape[2:])
        square[..., 8:24, 8:24] = 1
        cover = F.avg_pool2d(square, 3, stride=1, padding=1)  # a rim of two pixels, as photos have one
        photo = (cover * grey + 1 - cover).expand(-1, 3, -1, -1)
        return photo, cover.expand(len(z), -1, -1, -1)


def test_the_strongest_direction_comes_first_and_points_to_more_light() -> None:
    first, *rest = find_directions(Painter(0.0, -1.0, 0.0), torch.ones(2, 1, 32, 32))  # type: ignore[arg-type]
    assert first.attribute == "lightness" and first.share > 0.99 and not rest
    assert first.vector == pytest.approx((0, -1, 0), abs=0.05)
    assert first.effect == pytest.approx(1, abs=0.35)  # one step of z is one deviation of what random z do


def test_a_direction_tells_the_colours_at_its_ends() -> None:
    (only,) = find_directions(Painter(1.0, 0.0, 0.0), torch.ones(1, 1, 32, 32))  # type: ignore[arg-type]
    expected = [torch.tanh(torch.tensor(0.2 * step)) * 0.5 - 0.3 for step in (-2, 2)]
    for colour, value in zip(only.colours, expected, strict=True):
        level = round(255 * (float(value) + 1) / 2)
        assert [int(colour[i : i + 2], 16) for i in (1, 3, 5)] == pytest.approx([level] * 3, abs=2)


def test_a_mixture_is_one_direction() -> None:
    (only,) = find_directions(Painter(0.6, 0.8, 0.0), torch.ones(1, 1, 32, 32))  # type: ignore[arg-type]
    assert only.vector == pytest.approx((0.6, 0.8, 0), abs=0.05)


def test_a_z_that_changes_nothing_has_no_directions() -> None:
    assert find_directions(Painter(0.0, 0.0, 0.0), torch.ones(1, 1, 32, 32)) == ()  # type: ignore[arg-type]
    assert find_directions(Painter(), torch.ones(1, 1, 32, 32)) == ()  # type: ignore[arg-type]


def test_attributes_of_known_pixels() -> None:
    """CIELAB by hand: a dark red and a lighter one, and a green of the same lightness."""
    red = np.array([[30, 40, 0], [30, 40, 0], [50, 40, 0]], np.float32)
    green = red * [1, -1, 1]
    assert ATTRIBUTES["lightness"](red) == pytest.approx(110 / 3)
    assert ATTRIBUTES["saturation"](red) == ATTRIBUTES["saturation"](green) == pytest.approx(40)
    assert ATTRIBUTES["warmth"](red) == pytest.approx(40 / 2**0.5) == -ATTRIBUTES["warmth"](green)
    assert ATTRIBUTES["hue"](red) == 0 and ATTRIBUTES["hue"](green) == pytest.approx(np.pi)
    assert ATTRIBUTES["gloss"](red) == pytest.approx(18)  # 95 % lies 0.9 of the way from 30 to 50
