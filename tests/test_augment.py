"""Both sides of a pair move together; the sketch's lines change as a hand would change them."""

import cv2
import numpy as np
import pytest
from conftest import draw_pair

from pix2pix.augment import DropStrokes, PairAugment
from pix2pix.framing import resized

OFF = {"flip": False, "shift_scale": False, "drop_strokes": False, "line_width": False}


def test_with_everything_off_a_pair_passes_unchanged() -> None:
    sketch, photo = draw_pair(0, 64)
    moved, shown = PairAugment(**OFF)(sketch, photo, 64, seed=1)
    assert np.array_equal(moved, sketch) and np.array_equal(shown, photo)


@pytest.mark.parametrize("seed", range(12))
def test_sketch_and_photo_move_together(seed: int) -> None:
    """The photo is the sketch itself in colour: after any geometry they still agree."""
    sketch = draw_pair(3, 64)[0]
    sketch = cv2.erode(sketch, np.ones((3, 3)))
    photo = np.repeat(sketch[:, :, None], 3, axis=2)
    moved, shown = PairAugment(**{**OFF, "flip": True, "shift_scale": True})(sketch, photo, 64, seed)
    assert np.abs(moved.astype(int) - shown[:, :, 1]).max() <= 1


def test_a_draw_is_a_function_of_its_seed() -> None:
    augment = PairAugment(flip=True, shift_scale=True, drop_strokes=True, line_width=True)
    pair = draw_pair(0, 64)
    first = augment(*pair, 64, seed=5)
    others = [augment(*pair, 64, seed=seed)[0] for seed in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(first, augment(*pair, 64, seed=5), strict=True))
    assert len({other.tobytes() for other in others}) > 2


def test_lines_get_thicker_and_the_photo_does_not() -> None:
    sketch, photo = draw_pair(0, 64)
    augment = PairAugment(**{**OFF, "line_width": True})
    ink = [(augment(sketch, photo, 64, seed)[0] < 128).sum() for seed in range(10)]
    assert min(ink) == (sketch < 128).sum() and max(ink) > 1.8 * min(ink)
    assert all(np.array_equal(augment(sketch, photo, 64, seed)[1], photo) for seed in range(10))


def test_short_strokes_go_first_and_the_longest_stays() -> None:
    sketch = np.full((100, 100), 255, np.uint8)
    for row, length in ((10, 5), (30, 20), (50, 34), (70, 90)):
        cv2.line(sketch, (2, row), (2 + length - 1, row), 0, 1)
    for shortest, rows in ((0.0, [10, 30, 50, 70]), (0.1, [30, 50, 70]), (0.25, [50, 70]), (0.95, [70])):
        kept = DropStrokes().apply(sketch, shortest=shortest)
        assert np.flatnonzero((kept < 255).any(axis=1)).tolist() == rows


def test_a_blank_sketch_stays_blank() -> None:
    blank = np.full((32, 32), 255, np.uint8)
    assert (DropStrokes(p=1.0)(image=blank)["image"] == 255).all()


def test_a_thin_line_survives_shrinking() -> None:
    sketch = np.full((64, 64), 255, np.uint8)
    sketch[:, 31] = 0
    assert resized(sketch, (32, 32)).min() < 140
