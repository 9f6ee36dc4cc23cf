"""Product masks of synthetic pairs whose true mask is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pix2pix.errors import PairsError
from pix2pix.images.framing import UInt8
from pix2pix.images.io import encode_jpeg, read_photo, save_image
from pix2pix.images.mask import product_mask
from pix2pix.pairs import Pair, load_mask

SIZE_PX = 256
BODY = slice(100, 220), slice(40, 216)
BROWN, LEATHER = (120, 70, 40), (246, 245, 243)


def blank() -> tuple[UInt8, UInt8]:
    return np.full((SIZE_PX, SIZE_PX), 255, np.uint8), np.full((SIZE_PX, SIZE_PX, 3), 255, np.uint8)


def box(colour: tuple[int, int, int] = BROWN) -> tuple[UInt8, UInt8, UInt8]:
    """A box on white: its sketch, its photo as JPEG gives it back, and its true mask."""
    sketch, photo = blank()
    photo[BODY] = colour
    cv2.rectangle(sketch, (40, 100), (215, 219), 0, 1)
    true = np.zeros_like(sketch)
    true[BODY] = 255
    return sketch, read_photo(encode_jpeg(photo)).copy(), true


def wrong(mask: UInt8, true: UInt8) -> float:
    """Share of the pixels, more than two off the true outline, where the masks differ."""
    band = cv2.morphologyEx(true, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    return float(np.mean((mask != true) & ~band))


def test_a_dark_product_on_white_is_found() -> None:
    sketch, photo, true = box()
    mask = product_mask(sketch, photo)
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    assert wrong(mask, true) == 0


def test_a_white_product_on_white_is_filled_inside_of_its_lines() -> None:
    sketch, photo, true = box(LEATHER)
    assert wrong(product_mask(sketch, photo), true) == 0


def test_a_gap_in_the_outline_lets_nothing_in() -> None:
    sketch, photo, true = box((251, 251, 251))
    sketch[98:102, 120:130] = 255
    assert wrong(product_mask(sketch, photo), true) < 0.001


def test_the_opening_under_a_handle_is_ground() -> None:
    sketch, photo, true = box()
    for picture, colour in ((photo, BROWN), (true, 255)):
        cv2.ellipse(picture, (128, 99), (50, 70), 0, 180, 360, colour, 10)
    for axes in ((45, 65), (55, 75)):
        cv2.ellipse(sketch, (128, 99), axes, 0, 180, 360, 0, 1)
    mask = product_mask(sketch, read_photo(encode_jpeg(photo)))
    assert mask[70, 128] == 0 and mask[32, 128] == 255
    assert wrong(mask, true) < 0.001


@pytest.mark.parametrize(
    ("left", "level", "is_open"), [(198, 255, True), (198, 252, True), (198, 247, False), (120, 255, False)]
)
def test_a_small_opening_behind_a_strap_is_ground(left: int, level: int, is_open: bool) -> None:
    """The same white inside of the product is a print, and anywhere what is darker."""
    sketch, photo, true = box()
    hole = slice(140, 160), slice(left, left + 8)
    photo[hole] = level
    true[hole] = 0 if is_open else 255
    cv2.rectangle(sketch, (left, 140), (left + 7, 159), 0, 1)
    assert wrong(product_mask(sketch, photo), true) == 0


def test_the_sharply_white_inside_of_a_bare_outline_is_product() -> None:
    """An opening has a rim of the product; white leather that the light burnt out has only its line."""
    sketch, photo, true = box((255, 255, 255))
    photo[180:220, 40:216] = BROWN
    assert wrong(product_mask(sketch, photo), true) == 0


def test_a_white_print_is_product() -> None:
    sketch, photo, true = box()
    photo[150:158, 60:76] = 255
    assert wrong(product_mask(sketch, photo), true) == 0


def test_a_soft_shadow_below_the_product_is_ground() -> None:
    sketch, photo, true = box()
    rows = np.arange(220, 250)
    photo[rows, 60:196] = (195 + 2 * (rows - 220))[:, None, None]
    assert wrong(product_mask(sketch, photo), true) < 0.005


def test_noise_and_dust_on_the_ground_are_ground() -> None:
    sketch, photo, true = box()
    noise = np.random.default_rng(0).integers(-5, 6, photo.shape)
    photo = np.clip(photo.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    photo[20:24, 20:24] = 90
    assert wrong(product_mask(sketch, photo), true) == 0


def test_the_ground_may_have_another_colour() -> None:
    sketch, photo, true = box()
    photo[(photo > 250).all(axis=2)] = (90, 120, 160)
    assert wrong(product_mask(sketch, photo), true) == 0


def test_two_products_are_both_kept() -> None:
    sketch, photo = blank()
    for left in (20, 150):
        photo[100:200, left : left + 80] = BROWN
        cv2.rectangle(sketch, (left, 100), (left + 79, 199), 0, 1)
    mask = product_mask(sketch, photo)
    assert mask[150, 60] == mask[150, 190] == 255 and mask[150, 125] == 0


def test_a_picture_of_nothing_is_all_ground() -> None:
    assert not product_mask(*blank()).any()


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 48)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert product_mask(np.full(size, 255, np.uint8), photo).shape == size


def test_a_stored_mask_is_read_at_the_size_of_the_sketch(tmp_path: Path) -> None:
    sketch, photo, true = box()
    file = tmp_path / "mask.png"
    save_image(file, 255 - true)  # unlike what would be found
    pair = Pair("1", tmp_path / "1.png", tmp_path / "1.jpg", file)
    assert (load_mask(pair, sketch, photo) == 255 - true).all()
    small = load_mask(pair, sketch[::2, ::2], photo[::2, ::2])
    assert (small == 255 - true[::2, ::2]).all()


def test_a_mask_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    sketch, photo, _ = box()
    (tmp_path / "mask.png").write_bytes(b"torn")
    with pytest.raises(PairsError, match=r"pair 1: mask\.png is not a picture"):
        load_mask(Pair("1", tmp_path / "1.png", tmp_path / "1.jpg", tmp_path / "mask.png"), sketch, photo)
