"""Ground and plain surfaces of made-up pictures, against figures worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pix2pix.errors import UsageError
from pix2pix.evaluate.surfaces import (
    MARGIN_PX,
    ROUNDING,
    Lines,
    ground_not_white,
    openings_not_white,
    plain_surface,
    texture,
    thin_lightness,
)

# A Hann window of 32 x 32 px has a sum of 16^2 and a sum of squares of 12^2. A wave of amplitude 1 has a
# Fourier coefficient of half of that sum, at a period of 2 px of all of it; one of the two axes has it.
ENERGY_OF_WAVE = (16**2 / 2) ** 2 / 12**2 / 2
ENERGY_AT_TWO_PX = 4 * ENERGY_OF_WAVE


def outline(gap: int = 0) -> np.ndarray:
    """A square from 64 to 191 whose right side has a gap of so many pixels, beginning at 100."""
    sketch = np.full((256, 256), 255, np.uint8)
    cv2.rectangle(sketch, (64, 64), (191, 191), 0, 1)
    sketch[100 : 100 + gap, 191] = 255
    return sketch


def filled(surface: np.ndarray | float) -> np.ndarray:
    """A photo of the outline, filled with grey values (128, 128) in [0, 1]; white round it."""
    photo = np.full((256, 256, 3), 255, np.uint8)
    photo[64:192, 64:192] = np.rint(255 * np.broadcast_to(surface, (128, 128)))[..., None]
    return photo


def wave(period: int, amplitude: float) -> np.ndarray:
    return 0.5 + amplitude * np.cos(2 * np.pi * np.arange(128) / period)


def test_a_flat_surface_has_no_energy_and_no_weave() -> None:
    seen = plain_surface(filled(0.4), Lines(outline()))
    assert seen
    np.testing.assert_allclose(seen.energies, np.log(ROUNDING))
    assert seen.weave == 0


def test_even_shading_is_no_texture() -> None:
    seen = plain_surface(filled(np.linspace(0.2, 0.8, 128)), Lines(outline()))
    assert seen and (np.exp(seen.energies) < 10 * ROUNDING).all(), "its rounding to 8 bits is left"


@pytest.mark.parametrize(
    "index, period, expected", [(0, 2, ENERGY_AT_TWO_PX), (1, 4, ENERGY_OF_WAVE), (2, 8, ENERGY_OF_WAVE)]
)
@pytest.mark.parametrize("turned", [False, True], ids=["across", "down"])
def test_energy_of_lines_by_hand(index: int, period: int, expected: float, turned: bool) -> None:
    surface = np.broadcast_to(wave(period, 0.1), (128, 128))
    seen = plain_surface(filled(surface.T if turned else surface), Lines(outline()))
    assert seen
    energies = np.exp(seen.energies)
    assert energies[index] == pytest.approx(0.1**2 * expected, rel=0.03)  # rounding to 8 bits
    assert np.delete(energies, index).max() < 1e-3 * energies[index]
    assert seen.weave > 2


def test_speckle_has_the_energy_of_its_variance_and_is_no_weave() -> None:
    surface = 0.5 + np.random.default_rng(0).normal(0, 0.05, (128, 128))
    seen = plain_surface(filled(surface), Lines(outline()))
    assert seen
    assert np.exp(seen.energies).mean() == pytest.approx(0.05**2, rel=0.2)
    assert abs(seen.weave) < 0.5


def test_what_lies_near_lines_on_the_ground_or_in_the_white_is_no_plain_surface() -> None:
    lines, weave = Lines(outline()), filled(wave(2, 0.1))
    flat = filled(0.4)
    flat[:60], flat[66:69, 66:190] = weave[100:160], 0  # clouds on the ground, a seam beside the outline
    seen = plain_surface(flat, lines)
    assert seen
    np.testing.assert_allclose(seen.energies, np.log(ROUNDING))
    assert plain_surface(filled(1.0), lines) is None
    assert plain_surface(flat, Lines(np.full((256, 256), 255, np.uint8))) is None


def test_ground_by_hand() -> None:
    lines, photo = Lines(outline()), filled(0.4)
    thick = 128 + 2 * MARGIN_PX
    assert lines.ground.sum() == pytest.approx(256**2 - thick**2, rel=0.002)  # the brush rounds the corners
    assert ground_not_white(photo, lines) == 0
    photo[:32, :128] = 200
    assert ground_not_white(photo, lines) == pytest.approx(100 * 32 * 128 / (256**2 - thick**2), rel=0.002)
    photo[:] = 242  # nearly white
    assert ground_not_white(photo, lines) == 0


def test_a_small_gap_in_an_outline_lets_nothing_in_and_a_large_one_a_strip() -> None:
    inside = np.s_[72:184, 72:184]
    assert not Lines(outline(gap=2 * MARGIN_PX)).ground[inside].any()
    leak = Lines(outline(gap=2 * MARGIN_PX + 20)).ground[inside]
    assert leak.any(axis=1).sum() == pytest.approx(20, abs=2)


def test_ground_under_an_arch_counts() -> None:
    sketch = np.full((256, 256), 255, np.uint8)
    cv2.ellipse(sketch, (128, 200), (60, 100), 0, 180, 360, 0, 2)
    assert Lines(sketch).ground[150, 128]


def test_a_sketch_that_fills_the_page_has_no_ground() -> None:
    sketch = np.full((256, 256), 255, np.uint8)
    cv2.rectangle(sketch, (1, 1), (254, 254), 0, 1)
    assert ground_not_white(np.zeros((256, 256, 3), np.uint8), Lines(sketch)) is None


def bag(handle: int, body: int = 60, opening: int = 255) -> tuple[np.ndarray, np.ndarray]:
    """A bag with a handle, each of one level, on white: its edge map and its photo."""
    photo, sketch = np.full((256, 256, 3), 255, np.uint8), np.full((256, 256), 255, np.uint8)
    cv2.ellipse(photo, (128, 110), (50, 70), 0, 180, 360, (opening,) * 3, -1)
    cv2.ellipse(photo, (128, 110), (50, 70), 0, 180, 360, (handle,) * 3, 10)
    cv2.rectangle(photo, (50, 110), (206, 220), (body,) * 3, -1)
    for axes in ((45, 65), (55, 75)):
        cv2.ellipse(sketch, (128, 110), axes, 0, 180, 360, 0, 1)
    cv2.rectangle(sketch, (50, 110), (206, 220), 0, 1)
    return sketch, photo


def test_thin_parts_are_compared_with_the_body_where_the_real_photo_has_them() -> None:
    lines = Lines(*bag(handle=60))
    assert thin_lightness(bag(handle=60)[1], lines) == pytest.approx(0, abs=0.01)
    lighter = thin_lightness(bag(handle=200)[1], lines)
    assert lighter == pytest.approx(80.6 - 25.3, abs=1.0)  # L* of sRGB levels 200 and 60
    assert thin_lightness(bag(handle=60, body=200)[1], lines) == pytest.approx(-lighter, abs=1.0)


def test_openings_are_white_or_not() -> None:
    lines = Lines(*bag(handle=60))
    assert openings_not_white(bag(handle=60)[1], lines) == 0
    assert openings_not_white(bag(handle=60, opening=90)[1], lines) == 100
    middle = bag(handle=60)[1]
    middle[:, 128:173] = np.minimum(middle[:, 128:173], 90)
    assert openings_not_white(middle, lines) == pytest.approx(50, abs=3)


def test_a_product_without_thin_parts_and_openings_has_neither_figure() -> None:
    sketch, photo = bag(handle=255)
    lines = Lines(sketch, photo)
    assert thin_lightness(photo, lines) is None and openings_not_white(photo, lines) is None


def test_thin_parts_and_openings_need_the_photo_that_the_sketch_was_traced_from() -> None:
    sketch, photo = bag(handle=60)
    for value_of in (thin_lightness, openings_not_white):
        with pytest.raises(UsageError, match="not traced"):
            value_of(photo, Lines(sketch))


def test_texture_is_of_the_inside_alone() -> None:
    """Stripes of 2 px: of two steps across one is 0.5, down there is none. A black square has none."""
    stripes = np.where(np.arange(128) % 4 < 2, 0.25, 0.75)
    assert texture(filled(stripes)) == pytest.approx(0.5 * 0.5**2, rel=0.02)
    assert texture(filled(0.0)) == 0
    assert texture(np.full((256, 256, 3), 255, np.uint8)) is None
