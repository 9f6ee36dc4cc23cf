"""The picture generator: what changes a picture, what does not, and how colour and alpha become one."""

import math
from dataclasses import replace

import pytest
import torch
from conftest import TINY
from torch import Tensor, nn

from pix2pix.model.constants import ALPHA_GAIN, CHROMA_MARGIN, GLINT_KEPT, GLINT_MARGIN, LAYOUT_PX, RIM_GAIN
from pix2pix.model.layouts import regions_of, with_gaps_closed
from pix2pix.model.picture_gan import (
    Joint,
    PictureGenerator,
    compose,
    decided,
    resized,
    with_chroma_of,
    with_smooth_outline,
    with_whole_regions,
    without_glints,
)

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


def boxes(*holes: int) -> tuple[Tensor, Tensor]:
    """Three closed boxes on open ground, with alpha 1 but for so many rows in the middle."""
    ink, alpha = torch.zeros(1, 1, 256, 256), torch.zeros(1, 1, 256, 256)
    for i, hole in enumerate(holes):
        left = 16 + 80 * i
        ink[..., 64:192, left : left + 64], ink[..., 68:188, left + 4 : left + 60] = 1, 0
        alpha[..., 64:192, left : left + 64] = 1
        alpha[..., 128 - hole // 2 : 128 + hole // 2, left : left + 64] = 0
    return ink, alpha


def test_closed_regions_are_product_or_ground_as_a_whole_and_those_in_doubt_stay() -> None:
    ink, alpha = boxes(20, 60, 110)
    whole, _ = with_whole_regions(alpha, regions_of(ink))
    middle = slice(100, 156)
    assert (whole[..., middle, 32:64] == 1).all(), "a hole is filled"
    assert torch.equal(whole[..., middle, 112:144], alpha[..., middle, 112:144]), "half and half"
    assert (whole[..., 84:172, 192:224] == 0).all(), "what is left in an opening goes"
    assert torch.equal(whole[..., :60, :], alpha[..., :60, :]), "ground outside"


@pytest.mark.parametrize(("gap", "is_closed"), [(6, True), (30, False)])
def test_a_hole_behind_an_outline_with_a_small_gap_is_filled(gap: int, is_closed: bool) -> None:
    """Behind a large gap, product and ground are one region, most of which is ground."""
    ink, alpha = boxes(20, 20, 20)
    ink[..., 90 : 90 + gap, 60:100] = 0
    whole, _ = with_whole_regions(alpha, with_gaps_closed(regions_of(ink)))
    assert (whole[..., 100:156, 32:64] == 1).all() == is_closed
    assert is_closed or torch.equal(whole[..., :140], alpha[..., :140])


@pytest.mark.parametrize(("width", "goes"), [(10, True), (60, False)])
def test_haze_outside_goes_unless_it_is_much_of_the_product(width: int, goes: bool) -> None:
    ink, alpha = boxes(0, 0, 0)
    haze = alpha[..., 200:250, 20 : 20 + width * 3]
    haze[:] = 0.8
    whole, _ = with_whole_regions(alpha, with_gaps_closed(regions_of(ink)))
    assert (whole[..., 200:250, :] == 0).all() == goes


def test_chroma_is_limited_to_that_of_the_layout_nearby_and_luma_stays() -> None:
    """The layout is red on the left, without product on the right; the picture has red, blue and grey."""
    layout = torch.zeros(1, 4, LAYOUT_PX, LAYOUT_PX)
    layout[0, :, :, :32] = torch.tensor([0.5, -0.5, -0.5, 1.0])[:, None, None]
    red, blue, grey = torch.tensor([1.0, -1, -1]), torch.tensor([-0.5, -0.5, 0.5]), torch.full((3,), 0.3)
    luma = torch.tensor([0.299, 0.587, 0.114])
    left, right = slice(0, 100), slice(160, 256)
    for colour in (red, blue, grey):
        given = colour[None, :, None, None].expand(1, 3, 256, 256)
        found = with_chroma_of(layout, given)[0]
        torch.testing.assert_close(
            (found * luma[:, None, None]).sum(0), (given[0] * luma[:, None, None]).sum(0)
        )
        spread = found.amax(0) - found.amin(0)
        assert spread[:, right].max() <= 2 * CHROMA_MARGIN + 1e-5
        if colour is red:
            assert spread[:, left].min() == pytest.approx(1 + 2 * CHROMA_MARGIN, abs=0.05)
        elif colour is blue:
            assert spread[:, left].max() < 0.2  # 1 before
        else:
            torch.testing.assert_close(found, given[0])


def test_specks_that_are_much_lighter_than_the_layout_nearby_are_darkened_and_nothing_else_is() -> None:
    """A black and a white half; a white speck in the black one, and another close to the white one."""
    layout = torch.ones(1, 4, LAYOUT_PX, LAYOUT_PX)
    layout[:, :3, :, :32] = -1
    colour = resized(layout[:, :3], 256)
    colour[..., 40, 40] = colour[..., 200, 126] = 1.0
    colour[..., 80, 40] = -1 + GLINT_MARGIN
    found = without_glints(layout, colour)
    darkened = -1 + GLINT_MARGIN + GLINT_KEPT * (2 - GLINT_MARGIN)
    torch.testing.assert_close(found[0, :, 40, 40], torch.full((3,), darkened))
    colour[..., 40, 40] = found[..., 40, 40]
    torch.testing.assert_close(found, colour)


def test_ground_does_not_count_as_light_and_far_from_the_product_nothing_is_darkened() -> None:
    """A black product on ground, whose colour in a layout is 0."""
    layout = torch.zeros(1, 4, LAYOUT_PX, LAYOUT_PX)
    layout[:, :, :, :32] = torch.tensor([-1.0, -1.0, -1.0, 1.0])[:, None, None]
    found = without_glints(layout, torch.ones(1, 3, 256, 256))
    assert (found[..., :128] < 0).all() and (found[..., 4 * 36 :] == 1).all()


def test_colours_next_to_the_product_of_a_layout_keep_their_chroma() -> None:
    """Within two pixels of the layout, as lines of a sketch do not follow them."""
    layout = torch.zeros(1, 4, LAYOUT_PX, LAYOUT_PX)
    layout[0, :, :, :32] = torch.tensor([0.5, -0.5, -0.5, 1.0])[:, None, None]
    given = torch.tensor([0.5, -0.5, -0.5])[None, :, None, None].expand(1, 3, 256, 256)
    found = with_chroma_of(layout, given)
    torch.testing.assert_close(found[..., : 4 * 33], given[..., : 4 * 33])
    assert (found[..., 4 * 36 :] - given[..., 4 * 36 :]).abs().max() > 0.3


def test_compose_shows_white_where_alpha_is_0_and_the_colour_where_it_is_1() -> None:
    rgba = torch.full((1, 4, 64, 64), 0.2)
    rgba[0, 3] = torch.tensor([-100.0, 100.0, 0.0, 0.0]).repeat_interleave(16)
    lines = torch.zeros(1, LAYOUT_PX**2, dtype=torch.long)
    photo, alpha = compose(rgba, torch.zeros(1, 4, LAYOUT_PX, LAYOUT_PX), lines)
    assert alpha[0, 0, 32, [8, 24, 48]].tolist() == pytest.approx([0, 1, 0.5])
    assert photo[0, 0, 32, [8, 24, 48]].tolist() == pytest.approx([1, 0.2, 0.6])


def test_outlines_are_smooth_and_keep_their_place() -> None:
    """A slanted outline in whole pixels becomes what it is on a finer grid, with as steep a rim."""
    y, x = torch.meshgrid(torch.arange(1024) / 4, torch.arange(1024) / 4, indexing="ij")
    fine = (y > 80 + 0.3 * x).float()[None, None]
    stairs = (nn.functional.avg_pool2d(fine, 4) > 0.5).float()
    smooth = with_smooth_outline(stairs, torch.zeros_like(stairs))
    wanted = nn.functional.avg_pool2d(fine, 4)
    inner = slice(20, 236)
    assert (smooth - wanted)[..., inner].abs().mean() < 0.7 * (stairs - wanted)[..., inner].abs().mean()
    assert ((smooth > 0) & (smooth < 1)).float().sum(-2)[..., inner].max() <= 3


def test_a_whisker_goes_and_a_handle_of_one_line_stays() -> None:
    """Both are of two pixels; the handle encloses an opening."""
    ink, alpha = torch.zeros(1, 1, 256, 256), torch.zeros(1, 1, 256, 256)
    alpha[..., 150:, :] = ink[..., 150:152, :] = 1
    for line in (slice(120, 150), slice(40, 42)), (slice(40, 42), slice(80, 160)):
        alpha[..., line[0], line[1]] = 1
    for column in (80, 158):
        alpha[..., 40:150, column : column + 2] = 1
    ink = torch.maximum(ink, alpha * (torch.arange(256) < 150).float()[:, None])
    smooth = with_smooth_outline(*with_whole_regions(alpha, regions_of(ink)))
    assert smooth[..., 120:145, 36:46].max() < 0.5
    assert (smooth[..., 50:140, 80] == 1).all()
    assert (smooth[..., 40, 85:155] == 1).all()


def test_alpha_is_soft_at_the_rim_and_clear_elsewhere() -> None:
    """Product on the left, a rim of logits of 1 in the middle, and doubtful ground on the right."""
    logit = torch.tensor([9.0, 9.0, 9.0, 1.0, -9.0, -9.0, -1.0, -1.0, -1.0]).expand(1, 1, 9, 9)
    alpha = decided(logit)[0, 0, 4]
    assert alpha[3] == pytest.approx(1 / (1 + math.exp(-RIM_GAIN)))
    assert alpha[7].item() == pytest.approx(1 / (1 + math.exp(ALPHA_GAIN)))  # not that of RIM_GAIN, 0.18
    assert alpha[:3].min() > 0.99 and alpha[4:6].max() < 0.01
