"""The palette of a pairs folder: colours of its products, far apart."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pix2pix.pairs import list_pairs
from pix2pix.training.palette import find_palette

USUAL = ((20, 20, 25), (200, 30, 40), (40, 60, 150), (240, 235, 230))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Products of four colours on a green ground, each with a shade of it, and one with an orange dot."""
    for part in ("sketches", "photos", "masks"):
        (tmp_path / "train" / part).mkdir(parents=True)
    for i in range(12):
        photo, mask = np.full((64, 64, 3), (0, 255, 0), np.uint8), np.zeros((64, 64), np.uint8)
        photo[16:48, 16:48], photo[16:48, 16:32] = USUAL[i % 4], np.array(USUAL[i % 4]) - 4
        mask[16:48, 16:48] = 255
        if i == 0:
            photo[20:22, 20:22] = (255, 128, 0)
        for part, pixels in (("sketches", 255 - mask), ("photos", photo), ("masks", mask)):
            Image.fromarray(pixels).save(tmp_path / "train" / part / f"{i}.png")
    return tmp_path


def test_the_palette_has_the_colours_of_the_products_alone_dark_ones_first(folder: Path) -> None:
    palette = find_palette(list_pairs(folder, "train"))
    found = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in palette]
    lightness = [sum(colour) for colour in found]
    assert len(palette) == 8 and lightness == sorted(lightness)
    off = [min(np.abs(np.array(colour) - usual).max() for usual in USUAL) for colour in found]
    assert max(off) <= 12
    assert {min(range(4), key=lambda i: np.abs(np.array(c) - USUAL[i]).max()) for c in found} == {0, 1, 2, 3}


def test_pairs_that_cannot_be_read_are_left_out(folder: Path) -> None:
    pairs = list_pairs(folder, "train")
    whole = find_palette(pairs[:4])
    pairs[0].photo.write_bytes(b"no picture")
    assert find_palette(pairs[:4]) != whole and len(find_palette(pairs[:4])) > 0
    assert find_palette(pairs[:1]) == ()
