"""Both sides of a pair move together; the sketch's lines change as a hand would change them."""

import albumentations as A
import cv2
import numpy as np
import pytest
from conftest import draw_pair

from pix2pix.images.framing import UInt8, resized
from pix2pix.training.data.augment import HandDrawn, PairAugment, with_single_lines

OFF = {"flip": False, "shift_scale": False, "strokes": False, "line_width": False}


def draw_triple(seed: int) -> tuple[UInt8, UInt8, UInt8]:
    """`draw_pair` and the mask of its box."""
    sketch, photo = draw_pair(seed, 64)
    return sketch, photo, (photo < 255).any(axis=2) * np.uint8(255)


def test_with_everything_off_a_pair_passes_unchanged() -> None:
    sketch, photo, mask = draw_triple(0)
    drawn = PairAugment(**OFF)(sketch, photo, mask, 64, seed=1)
    assert np.array_equal(drawn.sketch, sketch) and np.array_equal(drawn.photo, photo)
    assert np.array_equal(drawn.alpha, mask) and drawn.roughness == 0


@pytest.mark.parametrize("seed", range(12))
def test_sketch_photo_and_mask_move_together(seed: int) -> None:
    """The photo is the sketch itself in colour, the mask its ink: after any geometry they still agree."""
    sketch = draw_pair(3, 64)[0]
    sketch = cv2.erode(sketch, np.ones((3, 3)))
    photo = np.repeat(sketch[:, :, None], 3, axis=2)
    augment = PairAugment(**{**OFF, "flip": True, "shift_scale": True})
    moved, shown, _, alpha, _ = augment(sketch, photo, 255 - sketch, 64, seed)
    assert np.abs(moved.astype(int) - shown[:, :, 1]).max() <= 1
    assert np.abs(moved.astype(int) - (255 - alpha)).max() <= 32  # matting is approximate
    augment.geometry.set_random_seed(seed)
    together = augment.geometry(image=sketch, photo=photo, ground=sketch)
    assert np.array_equal(together["image"], together["ground"])
    assert np.array_equal(together["image"], together["photo"][:, :, 1])


def test_what_comes_in_from_outside_is_ground() -> None:
    sketch, photo = np.full((64, 64), 255, np.uint8), np.zeros((64, 64, 3), np.uint8)
    augment = PairAugment(**{**OFF, "shift_scale": True})
    draws = [augment(sketch, photo, np.full((64, 64), 255, np.uint8), 64, seed) for seed in range(10)]
    assert min(drawn.alpha.min() for drawn in draws) == 0
    for drawn in draws:
        level = drawn.photo[..., 0]
        assert (drawn.alpha[level == 0] == 255).all() and not drawn.alpha[level == 255].any()


def test_a_large_pair_is_drawn_at_the_size_asked_for() -> None:
    large = [cv2.resize(x, (160, 160), interpolation=cv2.INTER_NEAREST) for x in draw_triple(0)]
    drawn = PairAugment(flip=True, shift_scale=True, strokes=True, line_width=True)(*large, 64, seed=2)
    assert drawn.sketch.shape == drawn.alpha.shape == (64, 64) and drawn.photo.shape == (64, 64, 3)


def test_a_draw_is_a_function_of_its_seed() -> None:
    augment = PairAugment(flip=True, shift_scale=True, strokes=True, line_width=True)
    pair = draw_triple(0)
    first = augment(*pair, 64, seed=5)
    others = [augment(*pair, 64, seed=seed).sketch for seed in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(first, augment(*pair, 64, seed=5), strict=True))
    assert len({other.tobytes() for other in others}) > 2


def test_lines_get_thicker_and_photo_and_mask_do_not() -> None:
    sketch, photo, mask = draw_triple(0)
    augment = PairAugment(**{**OFF, "line_width": True})
    draws = [augment(sketch, photo, mask, 64, seed) for seed in range(10)]
    ink = [(drawn.sketch < 128).sum() for drawn in draws]
    assert min(ink) == (sketch < 128).sum() and max(ink) > 1.8 * min(ink)
    assert all(np.array_equal(drawn.photo, photo) and np.array_equal(drawn.alpha, mask) for drawn in draws)


def test_hands_draw_with_every_roughness_and_some_sketches_stay_edge_maps() -> None:
    pair = draw_triple(0)
    augment = PairAugment(**{**OFF, "strokes": True})
    draws = [augment(*pair, 64, seed) for seed in range(200)]
    roughness = np.array([drawn.roughness for drawn in draws])
    untouched = np.array([np.array_equal(drawn.sketch, pair[0]) for drawn in draws])
    assert (untouched == (roughness == 0)).all()
    assert 0.2 < untouched.mean() < 0.4
    rough = roughness[~untouched]
    assert rough.min() < 0.1 and rough.max() > 0.9 and 0.4 < rough.mean() < 0.6


def test_haste_tells_roughness_half_of_the_time_only() -> None:
    draws = []
    for seed in range(200):
        drawing = HandDrawn()
        drawing.set_random_seed(seed)
        draws.append(drawing.get_params())
    apart = np.array([draw["haste"] - draw["roughness"] for draw in draws])
    assert 0.4 < (apart == 0).mean() < 0.6
    free = [(draw["haste"], draw["roughness"]) for draw in draws if draw["haste"] != draw["roughness"]]
    assert abs(np.corrcoef(np.transpose(free))[0, 1]) < 0.25


def test_the_families_are_drawn_independently() -> None:
    """A corner mark tells flips, its place moves, ink in the middle thick lines: each as often with each."""
    sketch, photo = np.full((64, 64), 255, np.uint8), np.full((64, 64, 3), 255, np.uint8)
    cv2.line(sketch, (20, 20), (44, 20), 0, 1)
    photo[16:48, 8:16] = 0
    plain = {**OFF, "flip": True, "line_width": True, "strokes": True}
    mask = 255 - photo[..., 0]
    draws = [PairAugment(**plain)(sketch, photo, mask, 64, seed) for seed in range(400)]
    flipped = np.array([drawn.photo[32, 12].min() > 128 for drawn in draws])
    by_hand = np.array([drawn.roughness > 0 for drawn in draws])
    thick = np.array([(drawn.sketch < 128).sum() > 40 for drawn in draws])
    assert 0.4 < flipped[by_hand].mean() < 0.6 and 0.35 < flipped[~by_hand].mean() < 0.65
    assert 0.4 < thick[~by_hand].mean() < 0.8
    assert 0.3 < thick[~by_hand & flipped].mean() < 0.9


def test_the_transform_is_one_of_albumentations() -> None:
    """Inside a Compose of others it draws, tells its roughness, and repeats itself by seed."""
    sketch = draw_pair(1, 64)[0]
    pipeline = A.Compose([HandDrawn(roughness=(0.3, 0.4)), A.HorizontalFlip(p=0.5)], save_applied_params=True)
    results = []
    for seed in (3, 3, 4):
        pipeline.set_random_seed(seed)
        results.append(pipeline(image=sketch))
    name, parameters = results[0]["applied_transforms"][0]
    assert name == "HandDrawn" and 0.3 <= parameters["roughness"] <= 0.4
    assert np.array_equal(results[0]["image"], results[1]["image"])
    assert not np.array_equal(results[0]["image"], results[2]["image"])


def test_a_blank_sketch_stays_blank() -> None:
    blank = np.full((32, 32), 255, np.uint8)
    assert (HandDrawn()(image=blank)["image"] == 255).all()


def test_a_thin_line_survives_shrinking() -> None:
    sketch = np.full((64, 64), 255, np.uint8)
    sketch[:, 31] = 0
    assert resized(sketch, (32, 32)).min() < 140


def bag(handle_px: int) -> tuple[UInt8, UInt8]:
    """The edges and the mask (128, 128) of a box with a handle of that width."""
    mask = np.zeros((128, 128), np.uint8)
    cv2.ellipse(mask, (64, 60), (30, 40), 0, 180, 360, 255, handle_px)
    cv2.rectangle(mask, (20, 60), (108, 110), 255, -1)
    edges = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return np.where(edges & (mask > 0), 0, 255).astype(np.uint8), mask


def test_a_handle_becomes_one_line_along_its_middle() -> None:
    sketch, mask = bag(6)
    single = with_single_lines(sketch, mask)
    above = slice(0, 45)
    assert np.count_nonzero(single[30] == 0) == 2 and np.count_nonzero(sketch[30] == 0) >= 4
    drawn = np.argwhere(single[above] == 0)
    away = np.abs(np.hypot((drawn[:, 1] - 64) / 30, (drawn[:, 0] - 60) / 40) - 1)
    assert away.max() < 0.06, "in its middle"
    assert np.array_equal(single[70:], sketch[70:]), "the body stays"


def test_broad_parts_and_products_without_thin_ones_stay() -> None:
    for sketch, mask in (bag(14), draw_triple(0)[::2]):
        assert np.array_equal(with_single_lines(sketch, mask), sketch)


@pytest.mark.parametrize(("share", "usual"), [(0.0, 4), (1.0, 2)])
def test_a_share_of_the_redrawn_sketches_has_single_lines(
    monkeypatch: pytest.MonkeyPatch, share: float, usual: int
) -> None:
    monkeypatch.setattr("pix2pix.training.data.augment.SINGLE_SHARE", share)
    sketch, mask = bag(6)
    photo = np.repeat(mask[..., None], 3, axis=2)
    augment = PairAugment(**{**OFF, "strokes": True})
    drawn = [augment(sketch, photo, mask, 128, seed) for seed in range(60)]
    strict = [one for one in drawn if 0 < one.roughness < 0.2]
    lines = [np.count_nonzero(np.diff((one.sketch[30] < 128).astype(int)) > 0) for one in strict]
    assert np.median(lines) == usual, "on both sides of the handle"
    assert all(np.array_equal(one.alpha, mask) for one in drawn)
