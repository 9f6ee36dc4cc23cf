"""Colours of a product, against published CIELAB values (D65) of pure colours."""

from __future__ import annotations

import numpy as np
import pytest

from pix2pix.evaluate.colours import FAMILIES, GREY_BELOW, colours, stains

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
LAB_RED, LAB_BLUE = (53.24, 80.09, 67.20), (32.30, 79.19, -107.86)


def page(*stripes: tuple[int, int, int]) -> np.ndarray:
    """Stripes of 64 px on white, side by side."""
    photo = np.full((256, 256, 3), 255, np.uint8)
    for index, colour in enumerate(stripes):
        photo[64:192, 64 * index : 64 * (index + 1)] = colour
    return photo


def family(*colour: int) -> str:
    return [*FAMILIES, "grey"][colours(page(colour)).family]  # type: ignore[arg-type]


def test_a_red_square_has_the_chroma_of_red_and_no_spread() -> None:
    seen = colours(page(RED))
    np.testing.assert_allclose(seen.mean, LAB_RED, atol=0.2)
    assert seen.chroma == pytest.approx(np.hypot(*LAB_RED[1:]), abs=0.2)
    assert seen.spread == pytest.approx(0, abs=1e-3) and seen.lightness_spread == pytest.approx(0, abs=1e-3)


def test_half_red_half_blue_spreads_by_half_of_their_distance() -> None:
    seen = colours(page(RED, BLUE))
    apart = np.subtract(LAB_RED, LAB_BLUE)
    assert seen.spread == pytest.approx(np.hypot(*apart[1:]) / 2, abs=0.2)
    assert seen.lightness_spread == pytest.approx(apart[0] / 2, abs=0.2)
    np.testing.assert_allclose(seen.mean, np.add(LAB_RED, LAB_BLUE) / 2, atol=0.2)


def test_white_is_no_part_of_the_product() -> None:
    """Neither the page round it nor a white stripe in it, the compression's noise included."""
    seen, noisy = colours(page(RED, WHITE, RED)), colours(page(RED, (243, 244, 242), RED))
    np.testing.assert_allclose(seen.mean, LAB_RED, atol=0.2)
    np.testing.assert_array_equal(noisy.mean, seen.mean)
    assert noisy.spread == pytest.approx(0, abs=1e-3)


def test_black_and_white_grey_and_a_blank_page_are_grey() -> None:
    assert family(0, 0, 0) == family(128, 128, 128) == family(120, 125, 130) == "grey"
    blank = colours(page())
    assert blank.family == len(FAMILIES) and blank.chroma == blank.spread == blank.lightness_spread == 0


@pytest.mark.parametrize(
    "colour, name",
    [
        ((255, 105, 180), "pink"),  # hue 356 degrees: the family lies on both sides of 0
        ((220, 40, 110), "pink"),
        ((139, 69, 19), "red"),  # saddle brown
        ((210, 180, 140), "yellow"),  # tan
        ((0, 128, 0), "green"),
        ((0, 128, 128), "teal"),
        ((0, 150, 200), "sky"),
        ((60, 80, 120), "blue"),  # denim
        ((128, 0, 128), "violet"),
    ],
)
def test_a_product_is_of_the_family_of_its_hue(colour: tuple[int, int, int], name: str) -> None:
    assert family(*colour) == name


def test_red_and_its_complement_are_grey_together() -> None:
    """It is the mean colour that counts, not the mean chroma."""
    seen = colours(page((170, 90, 90), (0, 150, 150)))
    assert seen.chroma > 2 * GREY_BELOW and seen.family == len(FAMILIES)


def test_a_fringe_is_a_stain_and_a_part_a_shade_and_a_rim_are_not() -> None:
    photo = page((120, 80, 60), (40, 60, 150))
    photo[64:192, 30:33] = 96, 64, 48  # a shade of the first
    assert stains(photo) < 0.1  # corners
    photo[100:140, 40:44] = 230, 160, 40
    assert stains(photo) == pytest.approx(100 * 40 * 4 / (122 * 125), abs=0.1)
    photo[64:66, :128] = 255, 0, 0
    assert stains(photo) == pytest.approx(100 * 40 * 4 / (122 * 125), abs=0.1), "the rim does not count"


def test_a_blank_page_has_no_share_of_stains() -> None:
    assert stains(page()) is None
