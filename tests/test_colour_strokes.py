"""Strokes for training: inside the product, in its colours, the same for the same seed."""

import numpy as np
import pytest

from pix2pix.images.framing import UInt8
from pix2pix.training.augment import draw_colour_strokes

SIDE = 64
NOISE = 0.15  # five deviations of what is added to a colour
SEEDS = range(60)


def pair() -> tuple[UInt8, UInt8]:
    """A photo of a product whose upper half is red, its lower half blue, and its mask."""
    photo, mask = np.full((SIDE, SIDE, 3), 255, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    photo[12:32, 8:56], photo[32:52, 8:56] = (220, 20, 20), (20, 20, 220)
    mask[12:52, 8:56] = 255
    return photo, mask


def drawn(seed: int) -> np.ndarray:
    return draw_colour_strokes(*pair(), np.random.default_rng(seed))


def test_strokes_lie_inside_the_mask_and_are_0_elsewhere() -> None:
    mask = pair()[1] > 0
    for seed in SEEDS:
        strokes = drawn(seed)
        assert strokes.shape == (SIDE, SIDE, 4) and strokes.dtype == np.float32
        assert set(np.unique(strokes[..., 3])) <= {0, 1}
        assert not strokes[~mask].any() and not strokes[strokes[..., 3] == 0].any()


def test_strokes_have_a_colour_that_the_photo_has() -> None:
    """That of most pixels under them: red, blue, or where both are as many, their mean."""
    covered = np.concatenate([strokes[strokes[..., 3] > 0] for strokes in map(drawn, SEEDS)])[:, :3]
    red, blue = (np.array(c) / 127.5 - 1 for c in ((220, 20, 20), (20, 20, 220)))
    near = [np.abs(covered - colour).max(axis=1) < NOISE for colour in (red, blue)]
    assert (near[0] | near[1]).mean() > 0.97 and all(0.3 < one.mean() < 0.7 for one in near)


def test_a_stroke_in_a_plain_product_has_its_colour_under_it() -> None:
    photo, mask = pair()
    upper = mask.copy()
    upper[32:] = 0
    for seed in SEEDS:
        strokes = draw_colour_strokes(photo, upper, np.random.default_rng(seed))
        covered = strokes[strokes[..., 3] > 0]
        assert (np.abs(covered[:, :3] - (np.array([220, 20, 20]) / 127.5 - 1)) < NOISE).all()


def test_some_pictures_have_none_some_few_and_some_many() -> None:
    """Each stroke has a colour of its own, by noise; few lie wholly under others."""
    counts = np.array(
        [len(np.unique(strokes[strokes[..., 3] > 0], axis=0)) for strokes in map(drawn, range(300))]
    )
    assert 0.35 < (counts == 0).mean() < 0.55
    assert 0.2 < ((counts > 0) & (counts < 4)).mean() < 0.4
    assert 0.15 < (counts > 3).mean() < 0.35 and 8 <= counts.max() <= 11


def test_strokes_are_a_function_of_the_seed() -> None:
    seed = next(seed for seed in SEEDS if drawn(seed).any())
    assert np.array_equal(drawn(seed), drawn(seed))
    assert len({drawn(seed).tobytes() for seed in SEEDS}) > 20


@pytest.mark.parametrize("pixels", [0, 49])
def test_a_product_of_hardly_any_pixels_has_none(pixels: int) -> None:
    photo, _ = pair()
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20, 4 : 4 + pixels] = 255
    assert not any(draw_colour_strokes(photo, mask, np.random.default_rng(seed)).any() for seed in SEEDS)
