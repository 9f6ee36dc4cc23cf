"""Composition of answers: alpha, chroma and light."""

import math

import pytest
import torch
from torch import Tensor, nn

from pix2pix.model.composition import (
    compose,
    decided,
    with_chroma_of,
    with_smooth_outline,
    with_whole_regions,
    without_glints,
)
from pix2pix.model.constants import ALPHA_GAIN, CHROMA_MARGIN, GLINT_KEPT, GLINT_MARGIN, LAYOUT_PX, RIM_GAIN
from pix2pix.model.layers import resized
from pix2pix.model.layouts import regions_of, with_gaps_closed


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
    """The height of a slanted outline that has steps of a pixel is nearly as on a finer grid."""
    y, x = torch.meshgrid(torch.arange(1024) / 4, torch.arange(1024) / 4, indexing="ij")
    fine = (y > 80 + 0.3 * x).float()[None, None]
    stairs = (nn.functional.avg_pool2d(fine, 4) > 0.5).float()
    smooth = with_smooth_outline(stairs, torch.zeros_like(stairs))
    wanted = nn.functional.avg_pool2d(fine, 4)
    inner = slice(20, 236)
    off, before = ((x.sum(-2) - wanted.sum(-2))[..., inner].abs() for x in (smooth, stairs))
    assert before.max() > 0.4
    assert off.max() < 0.2
    assert ((smooth > 0) & (smooth < 1)).float().sum(-2)[..., inner].max() <= 5


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
