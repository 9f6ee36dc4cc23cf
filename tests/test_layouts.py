"""Layouts: regions of a sketch, their colours, and colour strokes in them."""

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_pair
from onnx import TensorProto
from onnxruntime import InferenceSession
from torch import Tensor

from pix2pix.model import onnx_layouts
from pix2pix.model.layouts import (
    cells_of,
    coloured_by,
    complete,
    enlarged,
    evened,
    filled,
    known_cells,
    known_colours,
    layout_of,
    regions_of,
    spread_out,
)
from pix2pix.model.onnx_layers import Graph

RED, BLUE = torch.tensor([1.0, -1.0, -1.0]), torch.tensor([-1.0, -1.0, 1.0])


def frame() -> Tensor:
    """Ink of 64 px: a frame from 16 to 47, divided by a line at 32."""
    ink = torch.zeros(1, 1, 64, 64)
    ink[..., 16:48, 16] = ink[..., 16:48, 32] = ink[..., 16:48, 47] = 1
    ink[..., 16, 16:48] = ink[..., 47, 16:48] = 1
    return ink


def one_colour(colour: Tensor) -> Tensor:
    """A product everywhere, (1, 4, 64, 64)."""
    return torch.tensor([*colour, 1.0])[None, :, None, None].repeat(1, 1, 64, 64)


def test_regions_are_those_of_opencv() -> None:
    """A spiral, which no short path crosses, lines that touch at corners, drawings, noise, and no ink."""
    sketches = [
        255 - 255 * spiral(),
        255 - 255 * np.eye(64, dtype=np.uint8),
        np.full((64, 64), 255, np.uint8),
    ]
    sketches += [cv2.resize(draw_pair(i, 256)[0], (64, 64), interpolation=cv2.INTER_AREA) for i in range(4)]
    rng = np.random.default_rng(0)
    sketches += [np.where(rng.random((64, 64)) < share, 0, 255).astype(np.uint8) for share in (0.2, 0.4)]
    found = regions_of(torch.from_numpy(1 - np.stack(sketches) / 255)[:, None])
    for sketch, regions in zip(sketches, found.reshape(-1, 64, 64).numpy(), strict=True):
        count, expected = cv2.connectedComponents((sketch > 247).astype(np.uint8), connectivity=4)
        pairs = set(zip(expected.ravel().tolist(), regions.ravel().tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) <= count
        assert ((expected == 0) == (regions == 0)).all()


def spiral() -> np.ndarray:
    """1 on a line of 1 px that winds inwards, 4 px apart, (64, 64)."""
    ink, low, high = np.zeros((64, 64), np.uint8), 0, 63
    while low + 4 < high:
        ink[low, max(low - 4, 0) : high + 1] = ink[low : high + 1, high] = ink[high, low : high + 1] = 1
        ink[low + 4 : high + 1, low] = 1
        low, high = low + 4, high - 4
    return ink


def test_the_product_of_a_region_gets_its_mean_colour_and_lines_get_those_beside_them() -> None:
    coloured = torch.zeros(1, 4, 64, 64)
    coloured[0, :, 16:48, 16:24] = torch.tensor([*RED, 1.0])[:, None, None]
    coloured[0, :, 16:40, 24:32] = torch.tensor([*BLUE, 1.0])[:, None, None]
    coloured[0, :, 16:48, 32:48] = torch.tensor([*BLUE, 1.0])[:, None, None]
    layout = filled(coloured, regions_of(frame()))
    left = (26 * 5 * RED + 21 * 6 * BLUE) / (26 * 5 + 21 * 6)  # rows 19 to 44 and 39, columns 19 to 29
    torch.testing.assert_close(
        layout[0, :3, 17:40, 17:32], left[:, None, None].expand(-1, 23, 15), atol=0.02, rtol=0
    )
    left = layout[0, :3, 20, 20]
    torch.testing.assert_close(layout[0, :3, 17:47, 33:47], BLUE[:, None, None].expand(-1, 30, 14))
    torch.testing.assert_close(layout[0, :3, 20, 16], left)
    torch.testing.assert_close(layout[0, :3, 20, 32], (left + BLUE) / 2)
    torch.testing.assert_close(layout[:, 3], coloured[:, 3])
    assert not layout[0, :, 40:48, 24:31].any()


def test_the_rim_in_mostly_empty_regions_gets_the_colours_beside_it() -> None:
    """Two pixels outside of the frame are pale, as where a photo's edge is mixed with its white ground."""
    coloured, inner = torch.zeros(1, 4, 64, 64), (slice(None), slice(17, 47), slice(17, 47))
    coloured[0, :, 14:50, 14:50] = torch.tensor([0.9, 0.9, 0.9, 1.0])[:, None, None]
    coloured[0][inner] = torch.tensor([*RED, 1.0])[:, None, None]
    layout = filled(coloured, regions_of(frame()))
    torch.testing.assert_close(layout[0, :3, 14:50, 14:50], RED[:, None, None].expand(-1, 36, 36))
    torch.testing.assert_close(layout[:, 3], coloured[:, 3])


def test_the_inside_of_a_broad_line_keeps_its_colour() -> None:
    ink = torch.zeros(1, 1, 64, 64)
    ink[..., 20:40] = 1
    coloured = one_colour(RED)
    coloured[..., 30] = torch.tensor([*BLUE, 1.0])[:, None]
    layout = filled(coloured, regions_of(ink))
    torch.testing.assert_close(layout[0, :3, :, 30], BLUE[:, None].expand(-1, 64))
    assert layout[0, 3].min() == 1


def test_the_layout_of_a_photo_covers_whole_cells_and_ignores_what_is_outside_of_its_mask() -> None:
    """The product is in the frame but for its first two columns of 64; they are half a cell."""
    photo, mask = torch.ones(1, 3, 256, 256), torch.zeros(1, 1, 256, 256)
    photo[0, :, 64:192, 72:192], mask[..., 64:192, 72:192] = RED[:, None, None], 1
    ink = torch.nn.functional.interpolate(frame(), 256)
    regions = regions_of(ink)
    layout = layout_of(coloured_by(photo, mask), regions)
    torch.testing.assert_close(layout, layout_of(coloured_by(2 * photo * mask - photo, mask), regions))
    torch.testing.assert_close(layout[0, :3, 16:48, 16:48], RED[:, None, None].expand(-1, 32, 32))
    assert layout[0, 3].sum() == 32 * 32


def test_a_cell_has_the_colour_of_its_product_alone_from_a_tenth_of_it_on() -> None:
    coloured = torch.zeros(1, 4, 64, 64)
    coloured[0, :, 0, :2] = torch.tensor([*RED, 1.0])[:, None]  # 2 of 16 pixels of the first cell
    coloured[0, :, 0, 4] = torch.tensor([*RED, 1.0])  # 1 of 16 of the second
    cells = cells_of(coloured)
    torch.testing.assert_close(cells[0, :3, 0, 0], RED)
    assert cells[0, 3].sum() == 1 and not cells[0, :, 0, 1].any()


def strokes_at(rows: slice, columns: slice, colour: Tensor) -> Tensor:
    strokes = torch.zeros(1, 4, 128, 128)
    strokes[0, :, rows, columns] = torch.tensor([*colour, 1.0])[:, None, None]
    return strokes


def test_colour_strokes_spread_to_the_lines_around_them() -> None:
    ink = torch.nn.functional.interpolate(frame(), 256)
    strokes = strokes_at(slice(50, 80), slice(46, 50), RED)
    known = known_colours(strokes, ink)
    assert known.shape == (1, 4, 32, 32)
    inside = known[0, 3, 9:23, 9:16]
    assert inside.mean() > 0.85 and known[0, 3].sum() == inside.sum()  # it crosses no line
    torch.testing.assert_close(known[0, :3, 16, 12], RED)
    assert not known_colours(torch.zeros_like(strokes), ink).any()
    assert known_cells(known)[0, 3, 5:11, 5:8].min() == 1


def test_colour_strokes_reach_a_quarter_of_the_side_and_share_what_lies_between_them() -> None:
    blank = torch.zeros(1, 1, 256, 256)
    strokes = strokes_at(slice(60, 68), slice(0, 4), RED)
    known = known_colours(strokes, blank)
    assert known[0, 3, 16].tolist() == [1.0] * 9 + [0.0] * 23  # its own pixel, and 8 more
    known = known_colours(strokes + strokes_at(slice(60, 68), slice(28, 32), BLUE), blank)
    torch.testing.assert_close(known[0, :3, 16, 1], RED)
    torch.testing.assert_close(known[0, :3, 16, 6], BLUE)


@pytest.fixture
def drawn() -> dict[str, Tensor]:
    """Grey product in the frame, and in no other cell."""
    mask = torch.full((1, 1, 16, 16), -1.0)
    mask[..., 4:12, 4:12] = 1
    return {"colour": torch.zeros(1, 3, 16, 16), "mask": mask, "regions": regions_of(frame())}


def test_a_known_colour_fills_its_region(drawn: dict[str, Tensor]) -> None:
    known = torch.zeros(1, 4, 32, 32)
    known[0, :, 10:16, 10:14] = torch.tensor([*RED, 1.0])[:, None, None]
    layout = complete(**drawn, known=known)
    torch.testing.assert_close(layout[0, :3, 17:47, 17:31], RED[:, None, None].expand(-1, 30, 14))
    assert not layout[0, :3, :, 34:].any() and layout[0, 3].sum() == 32 * 32


def test_two_known_colours_of_a_region_keep_their_places(drawn: dict[str, Tensor]) -> None:
    known = torch.zeros(1, 4, 32, 32)
    known[0, :, 9:16, 9:15] = torch.tensor([*RED, 1.0])[:, None, None]
    known[0, :, 16:23, 9:15] = torch.tensor([*BLUE, 1.0])[:, None, None]
    layout = complete(**drawn, known=known)
    torch.testing.assert_close(layout[0, :3, 20, 20], RED)
    torch.testing.assert_close(layout[0, :3, 40, 20], BLUE)


def test_few_known_pixels_colour_only_themselves_and_none_outside_of_the_product(
    drawn: dict[str, Tensor],
) -> None:
    known = torch.zeros(1, 4, 32, 32)
    known[0, :, 10, 10] = known[0, :, 2, 2] = torch.tensor([*RED, 1.0])
    layout = complete(**drawn, known=known)
    torch.testing.assert_close(layout[0, :3, 20:22, 20:22], RED[:, None, None].expand(-1, 2, 2))
    assert not layout[0, :3, 30].any() and not layout[0, :, 4:6, 4:6].any()


def test_drawn_cells_are_filled_by_region_and_even() -> None:
    """Each side of the line gets the mean of its cells, and both of them one colour, as they are alike."""
    random = torch.Generator().manual_seed(0)
    colour, mask = torch.randn(1, 3, 16, 16, generator=random), torch.ones(1, 1, 16, 16)
    regions, nothing = regions_of(frame()), torch.zeros(1, 4, 32, 32)
    layout = complete(colour, mask, nothing, regions)
    left, right = layout[0, :3, 18:46, 18:31], layout[0, :3, 18:46, 34:46]
    for part in (left, right):
        assert part.std((1, 2)).max() < 1e-4
    assert (left[:, 0, 0] - right[:, 0, 0]).abs().max() < 0.1
    colour[..., 8:] += 3  # now they are far apart
    layout = complete(colour, mask, nothing, regions)
    expected = enlarged(colour)[0, :, 19:45, 19:30].mean((1, 2))
    torch.testing.assert_close(layout[0, :3, 20, 20], expected, atol=0.1, rtol=0)
    assert (layout[0, :3, 20, 40] - layout[0, :3, 20, 20]).min() > 2


def test_colours_grow_into_empty_cells_and_leave_the_others() -> None:
    layout = torch.zeros(1, 4, 16, 16)
    layout[0, :, 4, 2] = torch.tensor([*RED, 1])
    layout[0, :, 4, 12] = torch.tensor([*BLUE, 1])
    once, often = spread_out(layout, 1), spread_out(layout, 16)
    assert once[0, 3].sum() == 2 * 9 and often[0, 3].min() == 1
    assert torch.equal(often[..., 4, [2, 12]], layout[..., 4, [2, 12]])
    torch.testing.assert_close(often[0, :3, 15, 0], RED)
    torch.testing.assert_close(often[0, :3, 0, 15], BLUE)


def test_evening_gives_each_part_one_colour() -> None:
    """Two colours with shades, and cells without product."""
    cells, shades = torch.zeros(1, 4, 16, 16), 0.1 * torch.linspace(-1, 1, 16)
    cells[0, :3, :6], cells[0, :3, 6:14] = 0.7 + shades, -0.7 + shades
    cells[0, 3, :14] = 1
    even = evened(cells)
    assert torch.equal(even[:, 3], cells[:, 3]) and not even[0, :, 14:].any()
    torch.testing.assert_close(even[0, :3, :6], torch.full((3, 6, 16), 0.7), atol=0.01, rtol=0)
    torch.testing.assert_close(even[0, :3, 6:14], torch.full((3, 8, 16), -0.7), atol=0.01, rtol=0)


@pytest.mark.parametrize(("count", "colour"), [(3, -0.7), (4, -0.7), (5, 0.0), (8, 0.0)])
def test_a_rare_colour_becomes_the_closest_frequent_one(count: int, colour: float) -> None:
    """Of 50 cells, 4 are 8 %. The others are nearer to the ground's colour, which is no product's."""
    cells = torch.zeros(1, 4, 16, 16)
    cells[0, 3, :5, :10], cells[0, 0, :5, :10] = 1, -0.7
    cells[0, 0, 2:5, :10] = 0.9
    cells[0, 0, 0, :count] = 0.0
    even = evened(cells)[0]
    torch.testing.assert_close(even[0, 0, :count], torch.full((count,), colour), atol=0.02, rtol=0)
    torch.testing.assert_close(even[0, 4, :10], torch.full((10,), 0.9), atol=0.02, rtol=0)


def test_colours_that_are_all_rare_stay() -> None:
    """A product of fourteen stripes, each a colour of its own, above ground."""
    cells = torch.zeros(1, 4, 16, 16)
    cells[0, 3, :14], cells[0, :3, :14] = 1, torch.linspace(-14, 14, 14)[:, None]
    torch.testing.assert_close(evened(cells), cells)


def test_evening_is_the_same_in_onnx() -> None:
    """Two frequent colours, a rare one, and ground."""
    cells = torch.zeros(2, 4, 16, 16)
    cells[:, 3, 2:14], cells[:, :3, 2:14] = 1, 0.03 * torch.randn(2, 3, 12, 16).cumsum(3)
    cells[:, :3, 8:14] += 0.8
    cells[:, :3, 4, 3:9] = -0.9
    graph = Graph({})
    given = graph.input("cells", TensorProto.FLOAT, ["n", 4, 16, 16])
    graph.output("even", onnx_layouts.evened(graph, given), TensorProto.FLOAT, ["n", 4, 16, 16])
    session = InferenceSession(graph.model().SerializeToString(), providers=["CPUExecutionProvider"])
    (even,) = session.run(None, {"cells": cells.numpy()})
    torch.testing.assert_close(torch.from_numpy(even), evened(cells), atol=1e-5, rtol=0)
