"""Drawings with coloured strokes: colours become hints, dark and grey strokes stay ink."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import on_paper, printed, shoe
from PIL import Image
from products import recompressed

from pix2pix.errors import ImageError
from pix2pix.images.io import inspect_sketch, read_coloured_sketch, read_sketch

SIDE = 400
RED, BLUE = (215, 30, 40), (30, 60, 220)
Page = np.ndarray
BOX = {RED: (100, 140, 190, 230), BLUE: (230, 160, 320, 250)}  # x, y, x, y of each scribble


def scribble(page: Page, colour: tuple[int, int, int], width: int) -> Page:
    """Where a zigzag in its box is, (H, W) bool; drawn on the page."""
    left, top, right, bottom = BOX[colour]
    steps = range(8)
    points = [(left + (right - left) * i // 7, top if i % 2 else bottom) for i in steps]
    where = np.zeros(page.shape[:2], np.uint8)
    for canvas, value in ((page, colour), (where, (1,))):
        cv2.polylines(canvas, [np.array(points)], False, value, width, cv2.LINE_AA if canvas is page else 8)
    return where > 0


def drawing(
    paper: tuple[int, int, int] = (255, 255, 255), ink: int = 15, width: int = 7
) -> tuple[Page, Page, dict[tuple[int, int, int], Page]]:
    """A page (H, W, 3) with two scribbles and black lines across them; where lines and scribbles are."""
    page = np.full((SIDE, SIDE, 3), paper, np.uint8)
    colours = {colour: scribble(page, colour, width) for colour in (RED, BLUE)}
    lines = np.zeros((SIDE, SIDE), np.uint8)
    for canvas, value in ((page, (ink, ink, ink)), (lines, (1,))):
        cv2.rectangle(canvas, (30, 80), (370, 320), value, 3)
        cv2.line(canvas, (30, 190), (370, 210), value, 3)
    return page, lines > 0, colours


def grown(where: Page, px: int) -> Page:
    return cv2.dilate(where.astype(np.uint8), np.ones((2 * px + 1, 2 * px + 1), np.uint8)) > 0


def check(page: Page, lines: Page, colours: dict[tuple[int, int, int], Page], exact: int = 12) -> None:
    sketch, hints, _ = read_coloured_sketch(page)
    assert (sketch[~grown(lines, 2)] > 128).all(), "a colour stroke is a line"
    assert (sketch[lines] < 128).mean() > 0.85, "lines are lost"
    for colour, where in colours.items():
        inside = cv2.erode((where & ~grown(lines, 3)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert (hints[inside][:, 3] == 255).mean() > 0.9
        assert np.abs(np.median(hints[inside][:, :3].astype(int), axis=0) - colour).max() <= exact
    elsewhere = ~grown(np.any([*colours.values()], axis=0), 3)
    assert not hints[elsewhere][:, 3].any(), "a hint where no colour is"


@pytest.mark.parametrize("ink", [0, 60, 115])
def test_black_and_grey_are_ink_and_red_and_blue_are_hints(ink: int) -> None:
    check(*drawing(ink=ink))


@pytest.mark.parametrize("quality", [90, 70, 50])
@pytest.mark.parametrize("paper", [(255, 255, 255), (250, 244, 228), (228, 226, 220)])
def test_jpeg_and_off_white_paper(quality: int, paper: tuple[int, int, int]) -> None:
    page, lines, colours = drawing(paper)
    check(recompressed(page, quality), lines, colours, exact=45)


def test_strokes_on_transparency_and_on_black_paper() -> None:
    page, lines, colours = drawing()
    rgba = np.dstack([page, np.uint8(255) * (lines | np.any([*colours.values()], axis=0))])
    check(rgba, lines, colours)
    chalk, lines, colours = drawing((10, 12, 10), 245)
    check(chalk, lines, colours)


def test_a_photographed_page() -> None:
    page, lines, colours = drawing()
    light = np.linspace(1.0, 0.55, SIDE)[None, :, None] * np.array([0.97, 0.93, 0.85])
    grain = np.random.default_rng(0).normal(0, 2.5, page.shape)
    photo = np.clip(page * light + grain, 0, 255).astype(np.uint8)
    sketch, hints, _ = read_coloured_sketch(photo)
    assert (sketch[~grown(lines, 3)] > 200).mean() > 0.999
    assert (sketch[lines] < 128).mean() > 0.8
    for colour, where in colours.items():
        inside = where & ~grown(lines, 3)
        off = np.abs(hints[inside][:, :3].astype(int) - colour)[hints[inside][:, 3] > 0]
        assert (hints[inside][:, 3] == 255).mean() > 0.7 and np.median(off) < 30


@pytest.mark.parametrize(
    "colour", [(250, 220, 40), (130, 75, 35), (40, 130, 60), (255, 190, 200), (20, 25, 110)]
)
def test_light_and_dark_colours_are_no_ink(colour: tuple[int, int, int]) -> None:
    for quality in (None, 75):
        page = np.full((SIDE, SIDE, 3), 255, np.uint8)
        cv2.polylines(page, [np.array([(120, 200), (200, 130), (280, 220)])], False, colour, 9, cv2.LINE_AA)
        alone = read_coloured_sketch(np.where(np.indices((SIDE, SIDE))[1][..., None] < 20, np.uint8(0), page))
        assert (alone[0][:, 30:] > 200).all()
        cv2.circle(page, (200, 200), 150, (20, 20, 20), 3)
        page = page if quality is None else recompressed(page, quality)
        sketch, hints, _ = read_coloured_sketch(page)
        assert (sketch[100:300, 100:300] > 128).all() and sketch[200, 50] < 100
        solid = hints[hints[..., 3] > 0]
        assert len(solid) > 1000 and np.abs(np.median(solid[:, :3], axis=0) - colour).max() <= 25


def test_a_drawing_without_colour_is_read_as_ever() -> None:
    page = np.repeat(255 * (1 - shoe(300, 300, 3))[..., None], 3, axis=2)
    sketch, hints, notices = read_coloured_sketch(recompressed(page, 80))
    assert hints is None and notices == ()
    assert (sketch == read_sketch(recompressed(page, 80))).all()


def test_printed_rules_are_no_hints() -> None:
    ink = shoe(600, 600, 5)
    page = on_paper(ink, printed("ruled", 600, 600, 24, 1))
    cv2.line(page, (200, 330), (320, 345), RED, 14)
    _, hints, notices = read_coloured_sketch(page)
    assert [notice.name for notice in notices] == ["ruled-paper"]
    assert hints is not None
    near = np.zeros((600, 600), np.uint8)
    cv2.line(near, (200, 330), (320, 345), (1,), 26)
    assert not hints[near == 0][:, 3].any() and (hints[..., 3] > 0).sum() > 1200


def test_that_colours_were_taken_for_ink_is_told_of_strokes_alone() -> None:
    """Blue rules of a photographed page, which are left out, were told to be such strokes."""
    plain = np.full((900, 700, 3), (235, 225, 200), np.float32) * np.linspace(0.75, 1, 700)[:, None]
    cv2.polylines(plain, [np.array([(100, 200), (500, 250), (600, 700), (120, 650)])], True, (40, 38, 36), 5)
    coloured, ruled = plain.copy(), plain.copy()
    cv2.line(coloured, (200, 330), (320, 345), RED, 14)
    for y in range(60, 900, 32):
        cv2.line(ruled, (0, y), (700, y), (150, 180, 230), 2)
    for page, told in ((coloured, ["colours"]), (plain, []), (ruled, ["ruled-paper"])):
        notices = inspect_sketch(recompressed(page.astype(np.uint8), 70), tell_colours=True)[1]
        assert [notice.name for notice in notices] == told
    assert inspect_sketch(coloured.astype(np.uint8))[1] == ()


def test_a_page_of_colours_alone_is_refused() -> None:
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    scribble(page, RED, 9)
    with pytest.raises(ImageError, match="no dark or grey lines"):
        read_coloured_sketch(Image.fromarray(page))
