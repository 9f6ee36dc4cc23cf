"""A sketch of any size on the model's square, and the photo back on the page."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pix2pix.images.io import Placement, fit_sketch, restore_photo


def page(height: int, width: int, top: int, left: int, bottom: int, right: int, line: int = 2) -> np.ndarray:
    """A rectangle's outline from (top, left) to (bottom, right), exclusive."""
    sketch = np.full((height, width), 255, np.uint8)
    sketch[top:bottom, left:right] = 0
    sketch[top + line : bottom - line, left + line : right - line] = 255
    return sketch


def test_a_filled_square_passes_through_identical() -> None:
    sketch = page(256, 256, 20, 5, 250, 250)
    fitted, placement = fit_sketch(sketch, 256)
    assert (fitted == sketch).all()
    assert placement == Placement(256, 256, 0, 0, 256)


def test_a_wide_page_is_padded_above_and_below() -> None:
    _, placement = fit_sketch(page(100, 300, 5, 10, 95, 290), 256)
    assert placement == Placement(100, 300, -100, 0, 300)


def test_a_small_drawing_in_a_corner_gets_a_frame_with_a_small_margin() -> None:
    fitted, placement = fit_sketch(page(1000, 1000, 0, 0, 230, 100), 256)
    # by hand: 230 / 0.92 = 250, centred on (115, 50)
    assert placement == Placement(1000, 1000, -10, -75, 250)
    rows = np.flatnonzero((fitted < 128).any(axis=1))
    assert abs(rows[0] - 10.2) <= 2 and abs(rows[-1] - 245.8) <= 2


@pytest.mark.parametrize("fraction, moved", [(0.73, True), (0.77, False)])
def test_content_is_framed_anew_only_when_it_is_small(fraction: float, moved: bool) -> None:
    long = round(400 * fraction)
    _, placement = fit_sketch(page(400, 400, 0, 0, long, long), 256)
    assert (placement.side_px != 400) == moved


def test_a_dot_is_not_blown_up_to_a_blot() -> None:
    sketch = np.full((500, 500), 255, np.uint8)
    sketch[100, 100] = 0
    fitted, placement = fit_sketch(sketch, 256)
    assert placement.side_px == 64
    assert 0 < (fitted < 128).sum() < 40  # at most 6 x 6


@pytest.mark.parametrize("offset", range(0, 12, 3))
def test_a_hairline_on_a_huge_page_survives(offset: int) -> None:
    sketch = page(3000, 3000, 100 + offset, 100, 2900, 2900, line=1)
    fitted, _ = fit_sketch(sketch, 256)
    assert fitted[:, 128].min() < 100
    assert (fitted < 240).mean() < 0.05


def test_bold_lines_do_not_grow_when_shrunk() -> None:
    fitted, _ = fit_sketch(page(1024, 1024, 64, 64, 960, 960, line=8), 256)
    assert 1.5 <= (255.0 - fitted[:, 128]).sum() / 255 / 2 <= 2.5  # 8 px / 4


def test_a_thin_line_stays_thin_when_enlarged() -> None:
    fitted, _ = fit_sketch(page(64, 64, 4, 4, 60, 60, line=1), 256)
    width = (255.0 - fitted[:, 128]).sum() / 255 / 2
    assert 1 <= width <= 4
    assert fitted[:, 128].min() < 60


@pytest.mark.parametrize("side", [28, 64, 100, 200])
def test_a_diagonal_stays_whole_when_enlarged(side: int) -> None:
    """The first version cut between the pixels, and diagonals came out dotted."""
    fitted, _ = fit_sketch(np.where(np.eye(side, dtype=bool), 0, 255).astype(np.uint8), 256)
    assert all(row.min() < 128 for row in fitted[8:-8])


def test_a_blank_page_keeps_its_place() -> None:
    fitted, placement = fit_sketch(np.full((30, 50), 255, np.uint8), 128)
    assert (fitted == 255).all() and fitted.shape == (128, 128)
    assert restore_photo(np.full((128, 128, 3), 7, np.uint8), placement).shape == (30, 50, 3)


def test_a_long_thin_page_needs_no_square_of_its_length() -> None:
    sketch = np.full((4, 200_000), 255, np.uint8)
    sketch[2, 1000:190_000] = 0
    fitted, placement = fit_sketch(sketch, 256)
    assert fitted.min() < 128
    assert restore_photo(np.zeros((256, 256, 3), np.uint8), placement).shape == (4, 200_000, 3)


def test_the_photo_returns_to_the_drawing_and_white_stays_round_it() -> None:
    sketch = page(600, 900, 400, 700, 500, 800)
    _, placement = fit_sketch(sketch, 256)
    restored = restore_photo(np.full((256, 256, 3), 50, np.uint8), placement)
    covered = restored[:, :, 0] < 128
    assert restored.shape == (600, 900, 3)
    assert covered[400:500, 700:800].all()
    assert not covered[:300].any() and not covered[:, :600].any()


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    size_px=st.sampled_from([16, 64, 128]),
    seed=st.integers(0, 99),
)
def test_any_page_goes_to_the_square_and_back(height: int, width: int, size_px: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sketch = np.full((height, width), 255, np.uint8)
    sketch[rng.integers(height) :, rng.integers(width) :][:20, :20] = 0
    fitted, placement = fit_sketch(sketch, size_px)
    assert fitted.shape == (size_px, size_px)
    assert fitted.min() < 200
    restored = restore_photo(np.repeat(fitted[..., None], 3, axis=2), placement)
    assert restored.shape == (height, width, 3)
    assert (restored[sketch == 0] < 255).any()
