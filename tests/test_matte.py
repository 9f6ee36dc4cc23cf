"""Foreground and alpha of pictures that are composed of known ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pix2pix.images.framing import UInt8
from pix2pix.images.matte import estimate_foreground

SIDE, SCALE = 64, 8
NAVY, WHITE = (20, 30, 70), (250, 250, 250)


def strap(width: int, colour: tuple[int, int, int]) -> tuple[UInt8, UInt8, UInt8]:
    """The photo of a slanting strap on white, a mask that is too wide, and its true alpha."""
    large = np.zeros((SIDE * SCALE, SIDE * SCALE), np.uint8)
    cv2.line(large, (100, 110), (420, 400), 255, width * SCALE)
    alpha = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    share = alpha[..., None] / 255
    photo = (share * np.array(colour) + (1 - share) * 255).round().astype(np.uint8)
    mask = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) * np.uint8(255)
    return photo, mask, alpha


@pytest.mark.parametrize("width", [3, 4, 12])
def test_a_strap_gets_its_colour_to_its_rim_and_a_soft_edge(width: int) -> None:
    photo, mask, true = strap(width, NAVY)
    foreground, alpha = estimate_foreground(photo, mask)
    assert np.abs(foreground[true > 25].astype(int) - NAVY).max() <= 12
    assert np.abs(alpha.astype(int) - true).max() <= 32 and (alpha[true == 0] == 0).all()


def test_both_compose_the_photo() -> None:
    photo, mask, _ = strap(5, NAVY)
    foreground, alpha = estimate_foreground(photo, mask)
    share = alpha[..., None] / 255
    assert np.abs(share * foreground + (1 - share) * 255 - photo).max() < 12


def test_a_white_product_keeps_its_mask() -> None:
    photo, mask, _ = strap(12, WHITE)
    assert np.array_equal(estimate_foreground(photo, mask)[1], mask)


def test_the_inside_stays_as_it_is() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:50, 10:50] = 255
    foreground, alpha = estimate_foreground(photo, mask)
    assert np.array_equal(foreground[13:47, 13:47], photo[13:47, 13:47])
    assert (alpha[13:47, 13:47] == 255).all() and not alpha[:9].any() and not alpha[:, 51:].any()


def test_a_picture_of_nothing_has_no_foreground() -> None:
    blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
    assert not estimate_foreground(blank, np.zeros((SIDE, SIDE), np.uint8))[1].any()
