"""What a hand makes of an edge map: lines found whole, and drawn again more or less roughly."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from pix2pix.training.data.strokes import Strokes, redraw, trace

SIDE = 128


def page() -> np.ndarray:
    return np.full((SIDE, SIDE), 255, np.uint8)


@pytest.fixture
def bag() -> np.ndarray:
    """A box with a handle, and inside of it a seam, a clasp and some specks."""
    sketch = page()
    cv2.rectangle(sketch, (24, 50), (104, 110), 0, 1)
    cv2.ellipse(sketch, (64, 50), (22, 26), 0, 180, 360, 0, 1)
    cv2.line(sketch, (26, 70), (102, 70), 0, 1)
    cv2.rectangle(sketch, (60, 66), (68, 76), 0, 1)
    for x in (40, 50, 80):
        cv2.line(sketch, (x, 90), (x + 4, 92), 0, 1)
    return sketch


def hand(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def inked(sketch: np.ndarray) -> np.ndarray:
    return sketch < 128


def off_the_lines(drawn: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """How far each inked pixel of one sketch lies from the ink of another, in pixels."""
    return cv2.distanceTransform((~inked(lines)).astype(np.uint8), cv2.DIST_L2, 5)[inked(drawn)]


def test_tracing_and_drawing_without_roughness_gives_the_edge_map_back(bag: np.ndarray) -> None:
    drawn = redraw(trace(bag), 0.0, hand(0), line_width_px=1)
    assert off_the_lines(drawn, bag).max() <= 2
    assert np.quantile(off_the_lines(bag, drawn), 0.99) <= 2


def test_a_line_is_one_stroke_through_crossings_and_over_breaks() -> None:
    cross = page()
    cv2.line(cross, (10, 60), (110, 60), 0, 1)
    cv2.line(cross, (60, 10), (60, 110), 0, 1)
    broken = page()
    for start in range(10, 110, 20):
        cv2.line(broken, (start, 60), (start + 16, 60), 0, 1)
    assert sorted(len(line) > 40 for line in trace(cross).lines)[-2:] == [True, True]
    assert max(np.ptp(line[:, 0]) for line in trace(cross).lines) > 95
    (only,) = trace(broken).lines
    assert np.ptp(only[:, 0]) > 90


def test_no_line_leaves_the_page_at_one_side_to_come_back_at_the_other() -> None:
    sketch = page()
    cv2.line(sketch, (60, 40), (SIDE - 1, 40), 0, 1)
    cv2.line(sketch, (0, 41), (50, 41), 0, 1)
    assert max(np.abs(np.diff(line[:, 0])).max() for line in trace(sketch).lines) <= 8


def test_the_outline_is_known_from_what_lies_inside(bag: np.ndarray) -> None:
    strokes = trace(bag)
    middle = {
        (*line.mean(axis=0).round(),): outer for line, outer in zip(strokes.lines, strokes.outer, strict=True)
    }
    inside = [outer for (x, y), outer in middle.items() if 85 < y < 97 and 35 < x < 90]
    assert len(inside) == 3 and max(inside) == 0
    longest = max(range(len(strokes.lines)), key=lambda i: len(strokes.lines[i]))
    assert strokes.outer[longest] > 0.6


@pytest.mark.parametrize("seed", range(20))
def test_every_draw_shows_something_on_white_paper(bag: np.ndarray, seed: int) -> None:
    drawn = redraw(trace(bag), seed / 19, hand(seed))
    assert drawn.shape == bag.shape and drawn.dtype == np.uint8
    assert 60 < inked(drawn).sum() < 0.35 * drawn.size


def test_rougher_hands_stray_further_and_leave_more_out(bag: np.ndarray) -> None:
    strokes = trace(bag)
    strays, missing = [], []
    for roughness in (0.0, 0.5, 1.0):
        draws = [redraw(strokes, roughness, hand(seed), line_width_px=1) for seed in range(30)]
        strays.append(np.mean([off_the_lines(drawn, bag).mean() for drawn in draws]))
        missing.append(np.mean([(off_the_lines(bag, drawn) > 10).mean() for drawn in draws]))
    assert strays[0] < 0.5 < strays[1] < 0.7 * strays[2]
    assert missing[0] == 0 and 0.02 < missing[1] < missing[2] < 0.6


def test_a_hasty_hand_that_is_not_rough_leaves_out_but_does_not_stray(bag: np.ndarray) -> None:
    strokes = trace(bag)
    hasty, rough = (
        [redraw(strokes, roughness, hand(seed), haste=1 - roughness, line_width_px=1) for seed in range(30)]
        for roughness in (0.0, 1.0)
    )
    strays = [np.mean([off_the_lines(drawn, bag).mean() for drawn in draws]) for draws in (hasty, rough)]
    assert strays[0] < 1 < 2 < strays[1]
    assert np.mean([(off_the_lines(bag, drawn) > 3).mean() for drawn in hasty]) > 0.05


def test_inner_detail_goes_before_the_silhouette(bag: np.ndarray) -> None:
    """Over many rough draws the specks inside are there less often than the outline is."""
    strokes = trace(bag)
    draws = np.mean([inked(redraw(strokes, 0.3, hand(seed), line_width_px=5)) for seed in range(40)], axis=0)
    outline = page()
    cv2.rectangle(outline, (24, 50), (104, 110), 0, 1)
    specks = page()
    for x in (40, 50, 80):
        cv2.line(specks, (x, 90), (x + 4, 92), 0, 1)
    assert draws[inked(outline)].mean() > 1.5 * draws[inked(specks)].mean()


def test_a_draw_is_a_function_of_the_hand(bag: np.ndarray) -> None:
    strokes = trace(bag)
    first = redraw(strokes, 0.7, hand(1))
    assert np.array_equal(first, redraw(strokes, 0.7, hand(1)))
    assert not np.array_equal(first, redraw(strokes, 0.7, hand(2)))


def test_lines_are_as_wide_as_told(bag: np.ndarray) -> None:
    drawn = [redraw(trace(bag), 0.0, hand(0), line_width_px=width) for width in range(1, 7)]
    ink = [(255 - sketch.astype(int)).sum() for sketch in drawn]
    assert all(wider > 1.1 * thinner for thinner, wider in pairwise(ink))


def test_blank_paper_and_dots_make_no_trouble() -> None:
    assert trace(page()) == Strokes((SIDE, SIDE), (), ())
    dot = page()
    dot[5, 5] = 0
    for sketch in (page(), dot, np.zeros((SIDE, SIDE), np.uint8), np.full((3, 40), 255, np.uint8)):
        for roughness in (0.0, 1.0):
            assert redraw(trace(sketch), roughness, hand(0)).shape == sketch.shape
