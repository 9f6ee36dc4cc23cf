"""The picture generator: what changes a picture, and what does not."""

from dataclasses import replace

import pytest
import torch
from conftest import TINY
from torch import Tensor, nn

from pix2pix.model.constants import LAYOUT_PX
from pix2pix.model.picture_gan import Joint, PictureGenerator

SIDE = TINY.size_px


def generator(size_px: int = SIDE) -> PictureGenerator:
    """Its weights are larger than initial ones, so that everything has an effect."""
    torch.manual_seed(0)
    built = PictureGenerator(replace(TINY, size_px=size_px)).eval()
    for parameter in built.parameters():
        nn.init.normal_(parameter, 0.0, 0.3)
    return built


def given(count: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    ink = (torch.rand(count, 1, SIDE, SIDE, generator=random) < 0.1).float()
    mask = (torch.rand(count, 1, LAYOUT_PX, LAYOUT_PX, generator=random) < 0.5).float()
    colour = torch.randn(count, 3, LAYOUT_PX, LAYOUT_PX, generator=random)
    return {"ink": ink, "layout": torch.cat([colour * mask, mask], 1)}


def test_rows_give_what_separate_calls_give() -> None:
    network, taken = generator(), given(3)
    sketch_of = torch.tensor([1, 0, 1])
    taken |= {"ink": taken["ink"][:2]}
    together = network(**taken, sketch_of=sketch_of)
    assert together.shape == (3, 4, SIDE, SIDE)
    for answer, layout, row in zip(together, taken["layout"], sketch_of, strict=True):
        alone = network(taken["ink"][row][None], layout[None])[0]
        torch.testing.assert_close(answer, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["ink", "layout"])
def test_ink_and_layout_change_the_picture(name: str) -> None:
    network, taken = generator(), given(1)
    before = network(**taken)
    taken[name] = torch.zeros_like(taken[name])
    assert (network(**taken) - before).abs().max() > 0.01


def test_a_line_between_two_pixels_of_half_the_side_is_seen() -> None:
    """Ink is folded, not averaged: lines half a pixel apart there are two sketches."""
    network, layout = generator(), given(1)["layout"]
    line = torch.zeros(1, 1, SIDE, SIDE)
    line[..., 20, :] = 1
    drawn = [network.stem(nn.functional.pixel_unshuffle(ink, 2)) for ink in (line, line.roll(1, 2))]
    assert (drawn[0] - drawn[1]).abs().max() > 0.01
    assert not torch.equal(network(line, layout), network(line.roll(1, 2), layout))


@pytest.mark.parametrize("size_px", [64, 128, 256])
def test_where_a_colour_lies_is_known_at_every_size(size_px: int) -> None:
    """Two areas change places, so that mean and deviation of the layout stay."""
    network = generator(size_px)
    layout = torch.zeros(1, 4, LAYOUT_PX, LAYOUT_PX)
    layout[0, :, 12:16, 12:16] = torch.tensor([1.0, -1, -1, 1])[:, None, None]
    layout[0, :, 48:52, 48:52] = torch.tensor([-1.0, -1, 1, 1])[:, None, None]
    with torch.no_grad():
        one, other = (network(torch.zeros(1, 1, size_px, size_px), x) for x in (layout, layout.flip(2, 3)))
    assert one.shape == (1, 4, size_px, size_px) and (one - other).abs().max() > 0.01


@pytest.mark.parametrize("stage", ["up.0", "up.1", "head"])
def test_the_layout_enters_at_every_side(stage: str) -> None:
    network, taken = generator(), given(1)
    weight = network.get_submodule(stage if stage == "head" else f"{stage}.join").layout.weight
    weight.requires_grad_(False).mul_(3)  # enlarging evens out what the innermost stage adds
    before = network(**taken)
    nn.init.zeros_(weight)
    assert (network(**taken) - before).abs().max() > 0.01


def test_doubling_is_nearest_neighbour_a_convolution_and_a_blur() -> None:
    joint = Joint(3, 2, 5)
    for parameter in joint.parameters():
        nn.init.normal_(parameter)
    x, skip, layout = torch.randn(2, 3, 8, 8), torch.randn(1, 2, 16, 16), torch.randn(2, 4, 64, 64)
    found = joint(x, skip, layout, torch.tensor([0, 0]))
    doubled = nn.functional.interpolate(x, scale_factor=2)
    kernel = joint.weight.flip(2, 3)  # that of a transposed convolution
    blur = torch.tensor([0.25, 0.5, 0.25])
    blurs = (blur[:, None] * blur).expand(5, 1, 3, 3)
    expected = nn.functional.conv2d(
        nn.functional.conv2d(doubled, kernel, padding=1), blurs, padding=1, groups=5
    )
    expected = expected + joint.skip(skip) + joint.layout(nn.functional.avg_pool2d(layout, 4))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
