"""Latent vectors: drawn, walked between, added."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2pix.errors import UsageError
from pix2pix.model.latents import MAX_SEED, combine, draw, seeds_from, slerp, spread, walk

vectors = st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4).map(lambda x: np.array(x, np.float32))


def test_seed_0_is_the_middle_and_every_other_seed_a_draw_of_its_own() -> None:
    assert (draw(0, 8) == 0).all()
    many = np.stack([draw(seed, 8) for seed in range(1, 2001)])
    assert np.array_equal(draw(7, 8), draw(7, 8))
    assert abs(many.mean()) < 0.05 and abs(many.std() - 1) < 0.05
    assert np.abs(np.corrcoef(many.T) - np.eye(8)).max() < 0.1


def test_a_quarter_circle_is_halved_at_45_degrees() -> None:
    a, b = np.array([2, 0], np.float32), np.array([0, 2], np.float32)
    assert slerp(a, b, 0.5) == pytest.approx([2**0.5, 2**0.5])
    assert slerp(a, 2 * b, 0.5) == pytest.approx([1.5 * 2**0.5, 1.5 * 2**0.5])  # lengths 2 and 4: 3 between


@given(vectors, vectors)
def test_a_walk_ends_where_it_should_and_never_leaves_the_shell(a: np.ndarray, b: np.ndarray) -> None:
    path = walk([a, b], 9)
    assert np.allclose(path[0], a, atol=1e-4) and np.allclose(path[-1], b, atol=1e-4)
    lengths = np.linalg.norm(path, axis=1)
    assert lengths.max() <= max(np.linalg.norm(a), np.linalg.norm(b)) + 1e-3


def test_steps_on_an_arc_are_even() -> None:
    path = walk([draw(3, 8), draw(4, 8)], 17)
    unit = path / np.linalg.norm(path, axis=1, keepdims=True)
    angles = np.arccos(np.clip((unit[1:] * unit[:-1]).sum(axis=1), -1, 1))
    assert angles.max() / angles.min() == pytest.approx(1, abs=0.01)


def test_a_walk_passes_through_every_stop() -> None:
    stops = [draw(seed, 4) for seed in (1, 2, 3)]
    path = walk(stops, 5)
    assert np.allclose(path[[0, 2, 4]], stops, atol=1e-5)


def test_opposite_and_zero_vectors_are_joined_by_the_line() -> None:
    a = np.array([1, 1], np.float32)
    assert slerp(a, -a, 0.5) == pytest.approx([0, 0]) and slerp(a * 0, a, 0.5) == pytest.approx([0.5, 0.5])


def test_sums() -> None:
    a, b, c = (np.array(x, np.float32) for x in ([1, 2], [3, 5], [10, 20]))
    assert combine([a, c], [b]).tolist() == [8, 17] and combine([], [a]).tolist() == [-1, -2]


def test_what_cannot_be_walked_or_added_says_so() -> None:
    a = np.zeros(2, np.float32)
    for refused in (lambda: walk([a], 5), lambda: walk([a, a], 1)):
        with pytest.raises(UsageError, match="at least 2 stops"):
            refused()
    with pytest.raises(UsageError, match="at least one"):
        combine([])
    with pytest.raises(UsageError, match="different models"):
        combine([a], [np.zeros(3, np.float32)])


def test_the_corners_of_a_crowd_are_far_apart() -> None:
    corners = [[9, 9], [-9, 9], [9, -9], [-9, -9]]
    crowd = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    points = np.concatenate([crowd[:1], corners[:2], crowd[1:], corners[2:]])
    assert sorted(spread(points, 5)) == [0, 1, 2, 42, 43]
    assert spread(points, 5)[0] == 0 and spread(points, 1) == [0]


def test_points_that_coincide_are_chosen_once_each() -> None:
    assert spread(np.zeros((3, 0)), 3) == [0, 1, 2]
    for count in (0, 4):
        with pytest.raises(UsageError, match=f"{count} of 3"):
            spread(np.zeros((3, 2)), count)


def test_seeds_end_at_the_largest() -> None:
    assert seeds_from(5, 3) == range(5, 8) and seeds_from(MAX_SEED, 1)[0] == MAX_SEED
    with pytest.raises(UsageError, match=f"beyond {MAX_SEED}"):
        seeds_from(MAX_SEED, 2)
