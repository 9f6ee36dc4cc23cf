"""Finding the subject of a photo and squaring it: against boxes that are known."""

from __future__ import annotations

import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from products import product, recompressed

from data_prep.edges import edge_method
from pix2pix.errors import NoSubject
from pix2pix.images.io import read_photo
from pix2pix.images.subject import MARGIN, Box, background, plain_ground, squared, subject_box

RED = (200, 40, 30)


def page(height: int, width: int, level: int = 255) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def with_box(photo: np.ndarray, box: Box) -> np.ndarray:
    photo = photo.copy()
    photo[box.top : box.bottom, box.left : box.right] = RED
    return photo


def assert_close(found: Box | None, box: Box, px: int) -> None:
    assert found is not None
    for side in ("top", "left", "bottom", "right"):
        assert abs(getattr(found, side) - getattr(box, side)) <= px, (found, box)


@pytest.mark.parametrize("scale", [1, 4, 12])
def test_the_subject_of_a_portrait_is_found_at_any_size(scale: int) -> None:
    box = Box(60 * scale, 10 * scale, 110 * scale, 90 * scale)
    assert_close(subject_box(with_box(page(160 * scale, 120 * scale), box)), box, scale)


@pytest.mark.parametrize("level", [255, 245, 225])
def test_a_light_background_with_noise_is_background(level: int) -> None:
    box = Box(60, 50, 140, 170)
    photo = with_box(page(200, 220, level), box)
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 2.5, photo.shape), 0, 255).astype(np.uint8)
    assert_close(subject_box(noisy), box, 1)
    assert_close(subject_box(recompressed(noisy, 60)), box, 8)  # the subject rings as far as a JPEG block


def test_a_faint_shadow_is_no_part_of_the_subject() -> None:
    box = Box(60, 60, 140, 180)
    shadow = page(240, 240)
    shadow[130:200, 20:220] = 247
    shadow = cv2.GaussianBlur(shadow, (0, 0), 8)
    assert_close(subject_box(with_box(shadow, box)), box, 1)


def test_dust_is_no_subject_and_parts_of_one_are_kept_together() -> None:
    photo = page(200, 200)
    photo[5, 5] = 0
    photo[50:60, 40:160] = 30
    photo[140:150, 80:120] = 30  # a heel, with a white strap between
    assert_close(subject_box(photo), Box(50, 40, 150, 160), 0)


def test_a_subject_that_reaches_over_two_edges_is_found() -> None:
    box = Box(0, 30, 100, 136)
    assert_close(subject_box(with_box(page(102, 136), box)), box, 0)


def test_pad_keeps_the_shape_and_leaves_a_white_margin() -> None:
    square = squared(with_box(page(800, 600), Box(300, 100, 400, 500)), "pad", 256)
    ink = (
        np.flatnonzero((square < 200).any(axis=2).any(axis=1)),
        np.flatnonzero((square < 200).any(axis=2).any(axis=0)),
    )
    height, width = (int(lines[-1] - lines[0]) + 1 for lines in ink)
    assert abs(width - 256 * (1 - 2 * MARGIN)) <= 4 and abs(width / height - 4) < 0.15
    assert (square[:, :8] == 255).all() and (square[:64] == 255).all() and (square[-64:] == 255).all()


def test_stretch_takes_the_whole_photo_to_the_square_as_it_is() -> None:
    photo = with_box(page(102, 136, 240), Box(51, 0, 102, 68))
    square = squared(photo, "stretch", 256)
    assert np.abs(square[150:, :110].astype(int) - RED).max() <= 2
    assert (square[:110] == 240).all() and (square[:, 150:] == 240).all()


def test_a_grey_background_is_levelled_to_white_so_that_the_margin_has_no_seam() -> None:
    square = squared(with_box(page(100, 200, 238), Box(20, 20, 80, 180)), "pad", 128)
    outside = square[(square > 225).all(axis=2)]
    assert (outside == 255).all()
    assert np.abs(square[64, 64].astype(int) - np.round(np.array(RED) * 255 / 238)).max() <= 1


def test_a_photo_without_a_plain_ground_is_kept_whole_and_its_rim_drawn_out() -> None:
    scene = np.random.default_rng(3).integers(0, 160, (90, 180, 3)).astype(np.uint8)
    assert background(scene) is None and plain_ground(scene) is None
    assert subject_box(scene) == Box(0, 0, 90, 180)
    square = squared(scene, "pad", 180)
    assert (
        (square[45:135] == scene).all()
        and (square[:45] == scene[0]).all()
        and (square[135:] == scene[-1]).all()
    )


@pytest.mark.parametrize(
    "ground", [(0, 0, 0), (180, 180, 180), (245, 235, 190), (135, 190, 235), (20, 30, 90)]
)
def test_a_plain_ground_of_any_colour_gives_no_edge_but_the_subjects(ground: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(-4, 5, (100, 220, 3))
    photo = np.clip(np.full((100, 220, 3), ground) + noise, 0, 255).astype(np.uint8)
    box = Box(20, 60, 80, 160)
    assert subject_box(with_box(photo, box)) == box
    square = squared(with_box(photo, box), "pad", 256)
    rows, columns = np.nonzero(edge_method("canny")(square) == 0)
    height, width = np.ptp(rows), np.ptp(columns)
    assert abs(width - 256 * (1 - 2 * MARGIN)) <= 6 and abs(height - 0.6 * width) <= 6


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize(
    "photo, words",
    [
        (page(80, 60), "no subject found"),
        (page(80, 60, 17), "no subject found"),
        (page(1, 1, 0), "no subject found"),
        (with_box(page(200, 200), Box(100, 100, 109, 110)), "10x9 px"),
        (with_box(page(40, 2000), Box(10, 10, 16, 1990)), "at most 16 times"),
    ],
)
def test_too_little_to_see_is_refused(photo: np.ndarray, words: str, fit: str) -> None:
    with pytest.raises(NoSubject, match=words):
        squared(photo, fit, 64)


def test_a_very_wide_picture_is_squared_without_the_memory_of_its_square() -> None:
    photo = with_box(page(60, 20_000), Box(5, 9_700, 55, 10_300))
    square = squared(photo, "pad", 64)
    assert square.shape == (64, 64, 3) and square.min() < 60


def test_made_up_products_fill_the_square_but_for_the_margin() -> None:
    for seed in range(10):
        square = squared(product(seed), "pad", 256)
        rows, columns = (np.flatnonzero((square < 230).any(axis=(2, axis))) for axis in (1, 0))
        longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
        assert abs(longest - 256 * (1 - 2 * MARGIN)) <= 6


def test_real_portraits_are_cut_to_the_shoe(real_data: Path, tmp_path: Path) -> None:
    with tarfile.open(real_data / "shoe-photos.tar") as tar:
        for _ in range(40):
            member = tar.next()
            if member is None or not member.isfile() or "myntra" not in member.name:
                continue
            tar.extract(member, tmp_path, filter="data")
            photo = read_photo(tmp_path / member.name)
            box = subject_box(photo)
            assert box is not None and photo.shape[0] > photo.shape[1]
            assert box.width > 0.5 * photo.shape[1] and box.height < 0.75 * photo.shape[0], member.name
            outside = squared(photo, "pad", 256)
            assert (outside[:10] > 245).all() and (outside[-10:] > 245).all(), member.name
