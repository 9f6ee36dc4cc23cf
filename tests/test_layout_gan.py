"""Layouts: from photos, moved, completed and grown; and the networks that draw and judge them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.model.layout_gan import (
    LayoutDiscriminator,
    LayoutEncoder,
    LayoutGenerator,
    complete,
    evened,
    known_cells,
    layout_of,
    moved_layout_of,
    spread_out,
)

RED, BLUE = torch.tensor([1.0, -1.0, -1.0]), torch.tensor([-1.0, -1.0, 1.0])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def square() -> tuple[Tensor, Tensor]:
    """A photo of 64 px of a square of 32 px, its left half red, its right half blue; and its mask."""
    photo, mask = torch.ones(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    photo[0, :, 16:48, 16:32] = RED[:, None, None]
    photo[0, :, 16:48, 32:48] = BLUE[:, None, None]
    mask[..., 16:48, 16:48] = 1
    return photo, mask


def test_the_layout_of_a_half_red_half_blue_square() -> None:
    expected = torch.zeros(1, 4, 16, 16)
    expected[0, :3, 4:12, 4:7] = RED[:, None, None]
    expected[0, :3, 4:12, 7] = (2 * RED + BLUE)[:, None] / 3  # the mean of 3 x 3 cells
    expected[0, :3, 4:12, 8] = (RED + 2 * BLUE)[:, None] / 3
    expected[0, :3, 4:12, 9:12] = BLUE[:, None, None]
    expected[0, 3, 4:12, 4:12] = 1
    torch.testing.assert_close(layout_of(*square()), expected)


def test_a_cell_has_the_colour_of_its_product_alone_from_a_tenth_of_it_on() -> None:
    photo, mask = torch.ones(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    photo[0, :, 0, :2], mask[0, 0, 0, :2] = RED[:, None], 1  # 2 of 16 pixels of the first cell
    photo[0, :, 0, 4], mask[0, 0, 0, 4] = RED, 1  # 1 of 16 of the second
    layout = layout_of(photo, mask)
    torch.testing.assert_close(layout[0, :3, 0, 0], RED)
    assert layout[0, 3].sum() == 1 and not layout[0, :, 0, 1].any()


def test_a_layout_moved_by_nothing_is_the_layout() -> None:
    photo, mask = square()
    noise = torch.zeros(1, 5)
    torch.testing.assert_close(moved_layout_of(photo, mask, noise), layout_of(photo, mask), atol=1e-4, rtol=0)


def test_a_moved_layout_keeps_its_colours_and_loses_its_place() -> None:
    photos, masks = (x.expand(2, -1, -1, -1) for x in square())
    noise = torch.zeros(2, 5)
    noise[0, 3], noise[1, 0] = 2.5, 5.0  # shifted by an eighth of half a side, that is a cell; turned
    shifted, turned = moved_layout_of(photos, masks, noise)
    expected = layout_of(*square())[0].roll(-1, 2)  # the picture goes against the grid
    torch.testing.assert_close(shifted, expected, atol=1e-4, rtol=0)
    assert not torch.equal(turned[3], expected[3])
    product = turned[3] > 0
    colours = turned[:3, product]
    assert 50 < product.sum() < 90 and (colours[1] + 1).abs().max() < 1e-4
    assert not turned[:3, ~product].any()


def test_colour_strokes_spread_to_the_lines_around_them() -> None:
    """A frame of ink, divided by a line; a red stroke in its left part, and one outside of it, not near."""
    ink, strokes = torch.zeros(1, 1, 256, 256), torch.zeros(1, 4, 128, 128)
    ink[..., 64:192, 64:66] = ink[..., 64:192, 126:128] = ink[..., 64:192, 190:192] = 1
    ink[..., 64:66, 64:192] = ink[..., 190:192, 64:192] = 1
    strokes[0, :, 50:80, 46:50] = torch.tensor([*RED, 1.0])[:, None, None]
    known = known_cells(strokes, ink)
    assert known.shape == (1, 4, 16, 16)
    inside = known[0, 3, 4:12, 4:8]
    assert inside.mean() > 0.85 and known[0, 3].sum() == inside.sum()  # it crosses no line
    torch.testing.assert_close(known[0, :3, 8, 6], RED)
    assert not known_cells(torch.zeros_like(strokes), ink).any()


def test_colour_strokes_reach_a_quarter_of_the_side_and_share_what_lies_between_them() -> None:
    strokes = torch.zeros(1, 4, 128, 128)
    strokes[0, :, 60:68, :4] = torch.tensor([*RED, 1.0])[:, None, None]
    known = known_cells(strokes, torch.zeros(1, 1, 256, 256))
    assert known[0, 3, 8].tolist() == [1.0] * 5 + [0.0] * 11  # its own pixel of 32, and 8 more
    strokes[0, :, 60:68, 28:32] = torch.tensor([*BLUE, 1.0])[:, None, None]
    known = known_cells(strokes, torch.zeros(1, 1, 256, 256))
    torch.testing.assert_close(known[0, :3, 8, 0], RED)
    torch.testing.assert_close(known[0, :3, 8, 3], BLUE)


def test_known_colours_replace_drawn_ones_within_the_drawn_product() -> None:
    drawn, known = torch.full((1, 4, 16, 16), 0.5), torch.zeros(1, 4, 16, 16)
    drawn[0, 3, 8:] = -0.5
    known[0, :, 7:9, 0] = 1
    layout = complete(drawn[:, :3], drawn[:, 3:], known)
    assert layout[0, :, 7, 0].tolist() == [1, 1, 1, 1] and layout[0, :, 7, 1].tolist() == [0.5, 0.5, 0.5, 1]
    assert not layout[0, :, 8:].any()


def test_a_light_cell_is_smoothed_into_the_product_around_it_and_evened_away() -> None:
    drawn, known = torch.zeros(1, 4, 16, 16), torch.zeros(1, 4, 16, 16)
    drawn[0, 3] = -1
    drawn[0, 3, 4:12, 4:12] = 1
    drawn[0, :3, 8, 8] = 0.9  # one light cell
    drawn[0, :3, 8, 2] = 9.0  # no product
    layout = complete(drawn[:, :3], drawn[:, 3:], known)
    smooth = torch.zeros(1, 4, 16, 16)
    smooth[0, 3, 4:12, 4:12] = 1
    smooth[0, :3, 7:10, 7:10] = 0.1  # the mean of 3 x 3 cells
    torch.testing.assert_close(layout, evened(smooth))
    assert layout[0, :3].max() < 0.02 and not layout[0, :3, :4].any()


def test_evening_gives_each_part_one_colour() -> None:
    """Two colours with shades, one cell far from both, and cells without product."""
    layout, shades = torch.zeros(1, 4, 16, 16), 0.1 * torch.linspace(-1, 1, 16)
    layout[0, :3, :6], layout[0, :3, 6:14] = 0.5 + shades, -0.5 + shades
    layout[0, :3, 3, 3] = 3.0
    layout[0, 3, :14] = 1
    even = evened(layout)
    assert torch.equal(even[:, 3], layout[:, 3]) and not even[0, :, 14:].any()
    assert even[0, 0, 3, 3] == pytest.approx(3.0)
    even[0, :3, 3, 3] = 0.5
    torch.testing.assert_close(even[0, :3, :6], torch.full((3, 6, 16), 0.5), atol=0.01, rtol=0)
    torch.testing.assert_close(even[0, :3, 6:14], torch.full((3, 8, 16), -0.5), atol=0.01, rtol=0)


def test_colours_grow_into_empty_cells_and_leave_the_others() -> None:
    layout = torch.zeros(1, 4, 16, 16)
    layout[0, :, 4, 2] = torch.tensor([*RED, 1])
    layout[0, :, 4, 12] = torch.tensor([*BLUE, 1])
    once, often = spread_out(layout, 1), spread_out(layout, 16)
    assert once[0, 3].sum() == 2 * 9 and often[0, 3].min() == 1
    assert torch.equal(often[..., 4, [2, 12]], layout[..., 4, [2, 12]])
    torch.testing.assert_close(often[0, :3, 15, 0], RED)
    torch.testing.assert_close(often[0, :3, 0, 15], BLUE)


@pytest.fixture
def generator() -> LayoutGenerator:
    return LayoutGenerator(4, style_size=8, widths=(8, 12, 16)).eval()


def some_cells(count: int) -> Tensor:
    mask = (torch.rand(count, 1, 16, 16) < 0.1).float()
    return torch.cat([torch.randn(count, 3, 16, 16) * mask, mask], 1)


def test_rows_give_what_separate_calls_give(generator: LayoutGenerator) -> None:
    ink, known, z, sketch_of = (
        torch.rand(2, 1, 64, 64),
        some_cells(2),
        torch.randn(3, 4),
        torch.tensor([1, 0, 1]),
    )
    together = generator(ink, known, z, sketch_of)
    assert together.shape == (3, 4, 16, 16)
    for answer, own, row in zip(together, z, sketch_of, strict=True):
        alone = generator(ink[row][None], known[row][None], own[None])[0]
        torch.testing.assert_close(answer, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("given", ["ink", "known", "z"])
def test_ink_known_cells_and_z_all_change_the_layout(generator: LayoutGenerator, given: str) -> None:
    taken = {"ink": torch.rand(1, 1, 64, 64), "known": some_cells(1), "z": torch.randn(1, 4)}
    before = generator(**taken)
    taken[given] = torch.zeros_like(taken[given])
    assert (generator(**taken) - before).abs().max() > 0.01


def test_the_encoder_tells_colours_apart_and_sees_no_batch_mates() -> None:
    encoder = LayoutEncoder(4, 8)
    layout = layout_of(*square())
    swapped = layout.flip(3)
    mean, log_variance = encoder(torch.cat([layout, swapped]))
    assert mean.shape == log_variance.shape == (2, 4)
    assert (mean[0] - mean[1]).abs().max() > 0.05
    torch.testing.assert_close(encoder(layout)[0], mean[:1])


def test_log_variances_are_bounded() -> None:
    encoder = LayoutEncoder(2, 8)
    _, log_variance = encoder(1e6 * torch.randn(8, 4, 16, 16))
    assert log_variance.min() == -8 and log_variance.max() == 4


def test_the_discriminator_sees_the_deviation_of_four_layouts_and_of_no_others() -> None:
    discriminator = LayoutDiscriminator((8, 8, 8))
    ink = torch.rand(1, 1, 64, 64).expand(8, -1, -1, -1)
    same = torch.randn(1, 4, 16, 16).repeat(8, 1, 1, 1)
    logits = discriminator(same, ink)
    assert logits.shape == (8,)
    same[7] += 1
    after = discriminator(same, ink)
    torch.testing.assert_close(after[::2], logits[::2])  # members of a group are two apart
    assert ((after[1:7:2] - logits[1:7:2]).abs() > 1e-4).all()


def test_the_discriminator_sees_whose_sketch_a_layout_is() -> None:
    discriminator, layout = LayoutDiscriminator((8, 8, 8)), torch.randn(4, 4, 16, 16)
    ink = torch.rand(4, 1, 64, 64)
    assert not torch.allclose(discriminator(layout, ink), discriminator(layout, ink.roll(1, 0)))


def test_the_discriminator_sees_ink_finer_than_a_cell() -> None:
    """Lines at two places of one cell are two sketches."""
    discriminator, layout = LayoutDiscriminator((8, 8, 8)), torch.randn(4, 4, 16, 16)
    line = torch.zeros(4, 1, 64, 64)
    line[..., 20, :] = 1
    torch.testing.assert_close(F.avg_pool2d(line, 4), F.avg_pool2d(line.roll(1, 2), 4))
    assert not torch.allclose(discriminator(layout, line), discriminator(layout, line.roll(1, 2)))
