"""The picture generator: what changes a picture, what does not, and how colour and alpha become one."""

from dataclasses import replace

import pytest
import torch
from conftest import TINY
from torch import Tensor, nn

from pix2pix.model.constants import LAYOUT_PX
from pix2pix.model.layers import doubled
from pix2pix.model.picture_gan import PictureGenerator, compose, recoloured

SIDE = TINY.size_px


def generator(*, trained: bool = True) -> PictureGenerator:
    """`trained`: gains and the last stage, which begin at 0, take part."""
    torch.manual_seed(0)
    built = PictureGenerator(TINY).eval()
    if trained:
        parts = [p for name, p in built.named_parameters() if "gain" in name]
        for parameter in (*parts, built.detail.to_rgba.weight):
            nn.init.normal_(parameter)
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
    network, taken = generator(trained=False), given(1)
    line = torch.zeros(1, 1, SIDE, SIDE)
    line[..., 20, :] = 1
    drawn = [network.draw(ink, taken["layout"])[0] for ink in (line, line.roll(1, 2))]
    assert (drawn[0] - drawn[1]).abs().max() > 0.01


def test_the_last_stage_adds_nothing_at_first() -> None:
    network, taken = generator(trained=False), given(2)
    rgba, x, style = network.draw(**taken)
    assert rgba.shape == (2, 4, SIDE // 2, SIDE // 2)
    assert x.shape == (2, TINY.widths[0], SIDE // 2, SIDE // 2) and style.shape == (2, TINY.style_size)
    assert torch.equal(network(**taken), doubled(rgba))
    assert not torch.equal(generator()(**taken), doubled(generator().draw(**taken)[0]))


def test_the_last_stage_sees_ink_at_the_full_side() -> None:
    network, taken = generator(), given(1)
    base = network.draw(**taken)
    dot = taken["ink"].clone()
    dot[0, 0, 10, 11] = 1 - dot[0, 0, 10, 11]
    changed = (network.detail(*base, dot) - network.detail(*base, taken["ink"])).abs().amax((0, 1)) > 1e-6
    rows, columns = changed.nonzero().T
    assert changed[10, 11] and len(rows) <= 25  # two 3x3
    assert (rows - 10).abs().max() <= 2 and (columns - 11).abs().max() <= 2


@pytest.mark.parametrize("gain", ["cells_gain", "regions_gain"])
@pytest.mark.parametrize("size_px, depth", [(64, 1), (128, 2), (256, 3)])
def test_where_a_colour_lies_is_known_at_every_size(size_px: int, depth: int, gain: str) -> None:
    """Two areas change places, so that mean and deviation of the layout, which the style sees, stay."""
    torch.manual_seed(0)
    network = PictureGenerator(replace(TINY, size_px=size_px, widths=(4,) * max(3, depth + 1)))
    layout = torch.zeros(1, 4, LAYOUT_PX, LAYOUT_PX)
    layout[0, :, 12:16, 12:16] = torch.tensor([1.0, -1, -1, 1])[:, None, None]
    layout[0, :, 48:52, 48:52] = torch.tensor([-1.0, -1, 1, 1])[:, None, None]
    ink = torch.zeros(1, 1, size_px, size_px)
    with torch.no_grad():
        apart = []
        for _ in range(2):
            one, other = (network(ink, x) for x in (layout, layout.flip(2, 3)))
            assert one.shape == (1, 4, size_px, size_px)
            apart.append(float((one - other).abs().max()))
            nn.init.normal_(getattr(network, gain))  # at first the layout does not join
    assert apart[0] < 1e-5 and apart[1] > 0.01


def test_compose_shows_white_where_alpha_is_0_and_the_colour_where_it_is_1() -> None:
    rgba = torch.full((1, 4, 1, 3), 0.2)
    rgba[0, 3, 0] = torch.tensor([-100.0, 100.0, 0.0])
    photo, alpha = compose(rgba)
    assert alpha[0, 0, 0].tolist() == pytest.approx([0, 1, 0.5])
    assert photo[0, 0, 0].tolist() == pytest.approx([1, 0.2, 0.6])


def layout_of_colour(*colour: float) -> Tensor:
    """A product of one colour (3,) in [-1, 1] in the left half, (1, 4, 64, 64)."""
    layout = torch.zeros(1, 4, LAYOUT_PX, LAYOUT_PX)
    layout[0, :3, :, :32] = torch.tensor(colour)[:, None, None]
    layout[0, 3, :, :32] = 1
    return layout


def luma(colour: Tensor) -> Tensor:
    return (colour[:, :3] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)


def test_recolouring_keeps_luma_and_alpha_and_takes_most_of_the_chroma_from_the_layout() -> None:
    """A grey picture on a layout of a brown of the same luma gets 85 % of its chroma."""
    brown = torch.tensor([0.3, -0.1, -0.27])
    grey = float(luma(brown[None, :, None, None]))
    rgba = torch.full((1, 4, 64, 64), grey)
    rgba[:, 3] = torch.randn(64, 64)
    found = recoloured(rgba, layout_of_colour(*brown.tolist()))
    torch.testing.assert_close(luma(found), luma(rgba), atol=1e-4, rtol=0)
    assert torch.equal(found[:, 3], rgba[:, 3])
    expected = (grey + 0.85 * (brown - grey))[:, None, None].expand(3, 64, 30)
    torch.testing.assert_close(found[0, :3, :, :30], expected, atol=2e-3, rtol=0)


def test_recolouring_leaves_a_picture_in_the_colour_of_its_layout_as_it_is() -> None:
    rgba = torch.tensor([0.3, -0.1, -0.27, 5.0])[None, :, None, None].expand(1, 4, 64, 64)
    found = recoloured(rgba, layout_of_colour(0.3, -0.1, -0.27))
    torch.testing.assert_close(found, rgba, atol=1e-3, rtol=0)  # beside the product, too


def test_coloured_speckle_becomes_faint_and_black_and_white_stay() -> None:
    rgba = torch.zeros(1, 4, 64, 64)
    rgba[0, :3, 10, 10] = torch.tensor([1.0, -0.5, -1.0])  # orange on grey
    rgba[0, :3, 20, 20], rgba[0, :3, 30, 20] = -1.0, 1.0
    found = recoloured(rgba, layout_of_colour(0.0, 0.0, 0.0))
    speck, before = found[0, :3, 10, 10], rgba[0, :3, 10, 10]
    assert (speck - speck.mean()).norm() < 0.2 * (before - before.mean()).norm()
    red = recoloured(rgba, layout_of_colour(0.8, -0.5, -0.5))
    torch.testing.assert_close(red[0, :3, 20, 20], torch.full((3,), -1.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(red[0, :3, 30, 20], torch.full((3,), 1.0), atol=1e-4, rtol=0)
