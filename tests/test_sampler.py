"""Difficult pairs are sampled more often, within bounds; outliers are not; every pair is still sampled."""

import numpy as np
import pytest

from pix2pix.training.data.sampler import BLOCK, FOCUS, PairSampler, weights

BATCH = 8


def run(sampler: PairSampler, difficulty: np.ndarray, steps: int) -> np.ndarray:
    """How often each pair is drawn when its error is its difficulty, whatever is done."""
    drawn = np.zeros(sampler.count, int)
    for step in range(steps):
        sampler.begin(step)
        batch = np.array([sampler[step * BATCH + place] for place in range(BATCH)])
        np.add.at(drawn, batch, 1)
        sampler.record_errors(batch, difficulty[batch])
    return drawn


def make(count: int, weak_points: float = 0.5) -> PairSampler:
    return PairSampler(count, batch_size=BATCH, seed=3, weak_points=weak_points)


def test_without_weak_points_every_pair_comes_once_an_epoch() -> None:
    drawn = run(make(40, weak_points=0.0), np.linspace(0.1, 0.9, 40), steps=15)
    assert (drawn == 3).all()


def test_with_them_every_pair_still_comes_once_an_epoch_of_what_is_left() -> None:
    sampler = make(40)
    in_turn = [place for place in range(BATCH) if place not in sampler._weak_places]
    assert len(in_turn) == 4
    turn = [sampler[step * BATCH + place] for step in range(10) for place in in_turn]
    assert sorted(turn) == list(range(40))


def test_hard_pairs_are_drawn_more_often_within_bounds() -> None:
    rng = np.random.default_rng(0)
    difficulty = rng.uniform(0.1, 0.3, 400)
    drawn = run(make(400), difficulty, steps=1500)
    order = np.argsort(difficulty)
    share = drawn[order[-40:]].sum() / drawn.sum()
    assert 0.18 < share < 0.26  # 0.22 by the weights, 0.10 in turn
    assert drawn[order[:40]].sum() / drawn.sum() > 0.045  # the easiest still have their turn
    assert drawn.max() / drawn.mean() < 0.5 + 0.5 * (FOCUS + 1) + 0.5  # noise of counting


def test_bad_data_does_not_capture_the_sampler() -> None:
    """5 % of the pairs with a photo of something else: far harder than all others, and never learnt."""
    rng = np.random.default_rng(0)
    difficulty = rng.uniform(0.1, 0.3, 400)
    difficulty[:20] = rng.uniform(0.9, 1.2, 20)
    sampler = make(400)
    drawn = run(sampler, difficulty, steps=1500)
    assert drawn[:20].sum() / drawn.sum() < 0.07
    hardest = sampler.hardest(30)
    assert {hard.index for hard in hardest if hard.suspect} == set(range(20))
    assert hardest[0].difficulty >= hardest[1].difficulty and hardest[0].times_typical > 4


def test_weights_are_bounded_about_1_on_average_and_monotonous() -> None:
    known = np.random.default_rng(1).uniform(0, 1, 1000)
    weight = weights(known)
    assert abs(weight.mean() - 1) < 0.01 and weight.max() <= FOCUS + 1
    assert (np.diff(weight[np.argsort(known)]) > 0).all()
    assert (weights(np.full(7, np.nan)) == 1).all()
    half = np.where(np.arange(1000) % 2, known, np.nan)
    unknown = weights(half)[::2]
    assert np.ptp(unknown) == 0 and 0.2 < unknown[0] < 1  # as a median


def test_drawing_ahead_changes_nothing_and_too_far_is_refused() -> None:
    difficulty = np.random.default_rng(2).uniform(0, 1, 50)

    def drawn(ahead: int) -> list[int]:
        sampler, positions = make(50), []
        for step in range(4 * BLOCK):
            sampler.begin(step)
            if step % ahead == 0:
                positions += [sampler[p] for p in range(step * BATCH, (step + ahead) * BATCH)]
            now = np.array(positions[step * BATCH : (step + 1) * BATCH])
            sampler.record_errors(now, difficulty[now])
        return positions

    assert drawn(1) == drawn(BLOCK)
    sampler = make(50)
    place = next(iter(sampler._weak_places))
    with pytest.raises(ValueError, match="block"):
        sampler[2 * BLOCK * BATCH + place]


def test_its_state_goes_on_where_it_was() -> None:
    difficulty = np.random.default_rng(2).uniform(0, 1, 50)
    one, other = make(50), make(50)
    run(one, difficulty, steps=BLOCK + 20)
    other.load_state_dict(one.state_dict())
    for step in range(BLOCK + 20, 3 * BLOCK):
        for sampler in (one, other):
            sampler.begin(step)
        batches = [np.array([s[step * BATCH + place] for place in range(BATCH)]) for s in (one, other)]
        assert (batches[0] == batches[1]).all()
        one.record_errors(batches[0], difficulty[batches[0]])
        other.record_errors(batches[1], difficulty[batches[1]])
    with pytest.raises(ValueError, match="50 pairs"):
        make(51).load_state_dict(one.state_dict())
