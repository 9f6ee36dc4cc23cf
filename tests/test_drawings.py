"""Drawings on printed paper, filled drawings, and areas of colour: what counts as a stroke."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawings import PENCIL, clip_art, filled, label_map, on_paper, printed, shoe
from PIL import Image

from pix2pix.images.io import inspect_sketch, read_sketch

FOLDERS = [Path(__file__).parent.parent / "docs/sketches" / name for name in ("shoes", "handbags")]
SKETCHES = sorted(path for folder in FOLDERS for path in folder.glob("*.png"))


def names(notices: tuple) -> list[str]:
    return [notice.name for notice in notices]


def near(ink: np.ndarray, px: int) -> np.ndarray:
    return cv2.dilate(ink, np.ones((2 * px + 1, 2 * px + 1), np.uint8)) > 0


def assert_only(sketch: np.ndarray, ink: np.ndarray, left: float = 0.003) -> None:
    """The strokes of `ink` (H, W) are there, and hardly anything else."""
    assert (sketch[~near(ink, 4)] < 240).mean() <= left
    assert (sketch[ink > 0] < 160).mean() > 0.95


@pytest.mark.parametrize("filling", [(255, 255, 255), (250, 243, 225)], ids=["white", "cream"])
@pytest.mark.parametrize("line_px", [1, 3, 12])
def test_a_light_filling_is_paper_however_thin_its_lines(line_px: int, filling: tuple) -> None:
    """Regression: below 3 % of the opaque pixels, lines were lost in a dark silhouette."""
    sketch = read_sketch(filled(1024, line_px, filling))
    assert_only(sketch, shoe(1024, 1024, line_px), left=0)


@pytest.mark.parametrize("line_px", [2, 12])
def test_white_strokes_on_transparency_are_strokes(line_px: int) -> None:
    ink = shoe(512, 512, line_px)
    rgba = np.dstack([np.full((512, 512, 3), 255, np.uint8), 255 * ink])
    assert (read_sketch(rgba) == 255 - 255 * ink).all()


def test_a_white_silhouette_on_transparency_is_not_blank() -> None:
    ink = cv2.dilate(shoe(256, 256, 3), np.ones((41, 41), np.uint8))
    rgba = np.dstack([np.full((256, 256, 3), 255, np.uint8), 255 * ink])
    assert (read_sketch(rgba)[ink > 0] == 0).all()


@pytest.mark.parametrize("is_photo", [False, True], ids=["scan", "photo"])
@pytest.mark.parametrize("degrees", [0, -2.5, 5])
@pytest.mark.parametrize("kind", ["ruled", "squared", "dotted"])
def test_rules_of_paper_are_no_strokes(kind: str, degrees: float, is_photo: bool) -> None:
    ink = shoe(720, 600, 5)
    page = on_paper(ink, printed(kind, 720, 600, 24, degrees), is_photo=is_photo)
    sketch, notices = inspect_sketch(page)
    assert_only(sketch, ink)
    assert names(notices) == ["ruled-paper"]


@pytest.mark.parametrize("kind", ["ruled", "squared"])
def test_pencil_on_printed_paper_keeps_its_strokes(kind: str) -> None:
    ink = shoe(720, 600, 5, scale=0.6)
    page = on_paper(ink, printed(kind, 720, 600, 24, 1), PENCIL, is_photo=True)
    sketch, notices = inspect_sketch(page)
    assert_only(sketch, ink)
    assert names(notices) == ["ruled-paper"]


def test_the_line_of_the_margin_goes_with_the_rules() -> None:
    rules = printed("ruled", 720, 600, 24, 0)
    rules[:, 60:62] = 1
    ink = shoe(720, 600, 5)
    assert_only(read_sketch(on_paper(ink, rules)), ink)


def test_rules_as_strong_as_the_strokes_stay_and_are_told() -> None:
    rules = printed("ruled", 720, 600, 24, 0)
    page = on_paper(shoe(720, 600, 4), rules, colour=(90, 90, 90), rule_colour=(90, 90, 90))
    sketch, notices = inspect_sketch(page)
    assert (sketch[rules > 0.9] < 128).mean() > 0.9
    assert names(notices) == ["ruled-paper-kept"]


def striped(side_px: int, colour: int, across: bool) -> np.ndarray:
    """A bag that fills its page, with stripes of a grey level from seam to seam."""
    page = np.full((side_px, side_px), 255, np.uint8)
    margin = side_px // 25
    stripes = slice(margin, -margin, side_px // 16)
    if across:
        page[stripes, margin:-margin] = colour
    else:
        page[margin:-margin, stripes] = colour
    cv2.rectangle(
        page, (margin, margin), (side_px - margin, side_px - margin), (0.0,), max(2, side_px // 100)
    )
    return page


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("colour", [0, 150, 200])
def test_stripes_of_a_product_are_ink(colour: int, across: bool) -> None:
    page = striped(400, colour, across)
    sketch, notices = inspect_sketch(page)
    assert (sketch == page).all() and not notices


@pytest.mark.parametrize("path", SKETCHES, ids=lambda path: path.stem)
def test_a_drawing_on_blank_paper_is_read_as_ever(path: Path) -> None:
    page = np.asarray(Image.open(path).convert("L"))
    sketch, notices = inspect_sketch(path)
    assert (sketch == np.where(page > 224, 255, page)).all() and not notices  # noise is below 12 % of the ink


def outline_of(picture: Image.Image) -> np.ndarray:
    """The pixels at which the colour changes, (H, W) of {0, 1}."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    change = np.zeros(pixels.shape[:2], np.uint8)
    change[:, 1:] |= np.abs(np.diff(pixels, axis=1)).max(axis=2) > 30
    change[1:] |= np.abs(np.diff(pixels, axis=0)).max(axis=2) > 30
    return change


AREAS = {
    "label map": label_map(),
    "label map of numbers": Image.fromarray(
        np.kron(np.uint8([[0, 1, 2], [3, 4, 5]]), np.ones((90, 90), np.uint8))
    ),
    "clip art": clip_art(None),
    "coloured drawing": clip_art((0, 0, 0)),
}


@pytest.mark.parametrize("kind", AREAS)
def test_areas_of_colour_are_outlined_and_told(kind: str) -> None:
    """Regression: label maps were blank, and coloured drawings silhouettes."""
    picture = AREAS[kind]
    sketch, notices = inspect_sketch(picture)
    assert names(notices) == ["areas"]
    assert (sketch < 128).mean() < 0.15
    if kind != "label map of numbers":
        edges = outline_of(picture)
        assert (sketch[~near(edges, 5)] == 255).all()
        assert (cv2.erode(sketch, np.ones((7, 7), np.uint8))[edges > 0] < 128).mean() > 0.95


def test_a_large_black_filling_is_ink_and_no_area() -> None:
    page = 255 - 255 * shoe(256, 256, 3)
    cv2.rectangle(page, (60, 120), (180, 160), (0.0,), cv2.FILLED)
    sketch, notices = inspect_sketch(page)
    assert (sketch == page).all() and not notices
