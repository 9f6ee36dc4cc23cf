"""Verdicts on made-up histories: each appears when it should, from the step it should, and none for noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2pix.verdicts import Verdict, distance_from_half, judge, scales

Line = dict[str, float]
EVERY = 50  # steps between lines
SCORED = 500  # steps between scores


def lines(count: int, **values: float) -> list[Line]:
    """A run whose numbers, those of a healthy hinge game unless given, stay as they are."""
    healthy = {
        "p_real_1": 0.47,
        "p_fake_1": 0.43,
        "accuracy_1": 0.6,
        "d": 1.85,
        "g_reconstruction": 0.6,
        "d_gradient": 2.0,
        "g_gradient": 3.0,
    }
    return [{"step": float(EVERY * (i + 1)), **healthy, **values} for i in range(count)]


def scored(count: int, **values: float) -> list[Line]:
    healthy = {"lpips": 0.3, "p_train": 0.48, "p_val": 0.47, "p_made": 0.43, "spread": 0.1, "across": 0.4}
    return [{"step": float(SCORED * (i + 1)), **healthy, **values} for i in range(count)]


def turned(make: Callable[..., list[Line]], count: int, turn: int, **values: float) -> list[Line]:
    """A healthy history that becomes another at line `turn`."""
    return make(count)[:turn] + make(count, **values)[turn:]


def only(found: list[Verdict]) -> Verdict:
    assert len(found) == 1, found
    return found[0]


D_WINS = {"accuracy_1": 0.97, "p_real_1": 0.9, "p_fake_1": 0.04}
D_BLIND = {"accuracy_1": 0.49, "p_real_1": 0.5, "p_fake_1": 0.51}
BAD_STATS: list[tuple[str, Line]] = [
    ("discriminator winning", D_WINS),
    ("discriminator winning", {"accuracy_1": 0.95, "p_real_1": 0.73, "p_fake_1": 0.27}),  # hinge's ±1
    ("generator winning", {"accuracy_1": 0.4, "p_real_1": 0.4, "p_fake_1": 0.6}),
    ("generator winning", {**D_BLIND, "d_gradient": 0.05}),
    ("diverging", {"g_gradient": 4000.0}),
    ("diverging", {"d": 60.0}),
    ("diverging", {"g_reconstruction": 9.0}),
]
BAD_SCORES: list[tuple[str, Line]] = [
    ("collapsed", {"across": 0.004, "spread": 0.002}),
    ("collapsed", {"spread": 0.001}),
    ("overfitting", {"p_train": 0.8, "p_val": 0.5, "p_made": 0.4}),
    ("diverging", {"lpips": 0.36}),
]


@pytest.mark.parametrize(("kind", "values"), BAD_STATS)
def test_what_went_wrong_in_the_game_is_told_since_it_did(kind: str, values: Line) -> None:
    verdict = only(judge(turned(lines, 40, 23, **values), []))
    assert (verdict.kind, verdict.since) == (kind, 24 * EVERY)
    assert "1,200" in verdict.sentence
    assert verdict.severity in ("warning", "bad")


@pytest.mark.parametrize(("kind", "values"), BAD_SCORES)
def test_what_scores_tell_is_told_since_it_did(kind: str, values: Line) -> None:
    verdict = only(judge(lines(100), turned(scored, 12, 5, **values)))
    assert (verdict.kind, verdict.since) == (kind, 6 * SCORED)
    assert "3,000" in verdict.sentence


@pytest.mark.parametrize(("kind", "values"), BAD_STATS)
@pytest.mark.parametrize("odd", [0, 10, 30, 38, 39])
def test_one_odd_line_neither_begins_nor_breaks_a_stretch(kind: str, values: Line, odd: int) -> None:
    healthy, bad = lines(40), turned(lines, 40, 23, **values)
    before = judge(bad, [])
    healthy[odd] = lines(40, **values)[odd]
    if odd >= 23:
        bad[odd] = lines(40)[odd]
    assert only(judge(healthy, [])).kind == "balanced"
    assert [(v.kind, v.since) for v in judge(bad, [])] == [(v.kind, v.since) for v in before]


@pytest.mark.parametrize(("kind", "values"), BAD_SCORES)
@pytest.mark.parametrize("odd", [0, 7, 10, 11])
def test_one_odd_score_neither_begins_nor_breaks_a_stretch(kind: str, values: Line, odd: int) -> None:
    healthy, bad = scored(12), turned(scored, 12, 5, **values)
    healthy[odd] = scored(12, **values)[odd]
    if odd >= 5:
        bad[odd] = scored(12)[odd]
    assert only(judge(lines(100), healthy)).kind == "balanced"
    verdict = only(judge(lines(100), bad))
    assert (verdict.kind, verdict.since) == (kind, 6 * SCORED)


def test_what_is_over_is_not_told() -> None:
    stats = lines(10) + lines(40, **D_WINS)[10:30] + lines(40)[30:]
    assert only(judge(stats, [])).kind == "balanced"


def test_a_noisy_hinge_game_is_balanced() -> None:
    """As the runs of this project were: probabilities around 0.47 that swing by 0.05 from line to line."""
    rng = np.random.default_rng(0)
    stats, scores = lines(200), scored(20)
    for line in stats:
        swing = rng.normal(0, 0.05)
        line["p_real_1"] += swing
        line["p_fake_1"] += swing
        line["accuracy_1"] = float(rng.uniform(0.52, 0.75))
        line["d"] += rng.normal(0, 0.2)
        line["g_reconstruction"] *= float(rng.uniform(0.7, 1.8))
        line["d_gradient"] *= float(np.exp(rng.normal()))
    for score in scores:
        score["lpips"] *= float(rng.uniform(0.97, 1.03))
    verdict = only(judge(stats, scores))
    assert (verdict.kind, verdict.severity, verdict.since) == ("balanced", "good", None)


def test_neither_player_ahead_at_the_end_is_the_aim_and_no_blindness() -> None:
    """Accuracy of one half by itself is how the game ends when all went well."""
    stats = turned(lines, 100, 60, **D_BLIND)
    verdict = only(judge(stats, scored(10)))
    assert verdict.kind == "balanced"
    assert "tossed coin" in verdict.sentence


def test_a_blind_investigator_is_told_by_pictures_that_become_worse() -> None:
    stats = turned(lines, 100, 49, **D_BLIND)  # since step 2,500
    scores = scored(10)
    for i, score in enumerate(scores[5:]):
        score["lpips"] = 0.3 + 0.008 * i  # not enough to be called diverging
    assert only(judge(stats, scores)).kind == "generator winning"


def test_an_investigator_that_never_saw_anything_is_blind() -> None:
    assert only(judge(lines(19, **D_BLIND), [])).kind == "balanced"
    verdict = only(judge(lines(20, **D_BLIND), []))
    assert (verdict.kind, verdict.since) == ("generator winning", EVERY)


def test_an_investigator_that_never_learned_to_tell_is_no_balance() -> None:
    """Two runs were called balanced in which the logits of D never left 0: G had learned from LPIPS alone."""
    for run in ("handbags-close-up", "shoes-calm"):
        log = Path(__file__).parents[1] / "docs" / "runs" / run / "stats.jsonl"
        verdict = only(judge([json.loads(line) for line in log.read_text().splitlines()], []))
        assert verdict.kind == "generator winning" and "at the best" in verdict.sentence
    weak = {"accuracy_1": 0.57, "p_real_1": 0.51, "p_fake_1": 0.47}
    assert only(judge(lines(19, **weak), [])).kind == "balanced"
    assert only(judge(lines(40, **weak), [])).kind == "generator winning"
    assert only(judge(turned(lines, 20, 40, **weak), [])).kind == "balanced", "it could tell before"


def test_each_scale_is_judged() -> None:
    second = {"p_real_2": 0.9, "p_fake_2": 0.05, "accuracy_2": 0.98}
    verdict = only(judge(lines(10, **second), []))
    assert verdict.kind == "discriminator winning"
    assert "scale 2" in verdict.sentence
    assert "98 %" in verdict.sentence


def test_several_things_may_be_wrong_and_the_gravest_is_said_first() -> None:
    found = judge(lines(20, **D_WINS), scored(5, across=0.001, spread=0.001))
    assert [verdict.kind for verdict in found] == ["collapsed", "discriminator winning"]


def test_little_is_said_of_little() -> None:
    assert only(judge([], [])).kind == "too early"
    assert only(judge(lines(4, **D_WINS), [])).kind == "too early"
    assert only(judge(lines(5, **D_WINS), [])).kind == "discriminator winning"


def test_a_gap_of_noise_between_real_and_forged_is_no_overfitting() -> None:
    assert only(judge(lines(20), scored(6, p_train=0.47, p_val=0.43, p_made=0.44))).kind == "balanced"


def test_scores_that_swing_are_not_diverging() -> None:
    scores = scored(12)
    for i in (6, 8, 10):
        scores[i]["lpips"] = 0.4
    assert only(judge(lines(100), scores)).kind == "balanced"


@pytest.mark.parametrize("absent", ["p_real_1", "p_fake_1", "accuracy_1", "d", "d_gradient", "step"])
def test_absent_numbers_are_no_fault(absent: str) -> None:
    stats = [{key: value for key, value in line.items() if key != absent} for line in lines(30)]
    assert only(judge(stats, scored(5))).kind == "balanced"


def test_a_run_without_an_adversary_or_z_is_judged_by_what_it_has() -> None:
    stats: list[Line] = [{"step": EVERY * i, "g_reconstruction": 0.1} for i in range(1, 30)]
    scores: list[Line] = [{"step": SCORED * i, "kid": -0.001, "across": 0.5} for i in range(1, 10)]
    verdict = only(judge(stats, scores))
    assert verdict.kind == "balanced"
    assert "No investigator" in verdict.sentence


def test_what_is_no_finite_number_counts_as_absent() -> None:
    stats = lines(30)
    stats[-1]["d"] = float("nan")
    stats[-2]["g_gradient"] = float("inf")
    assert only(judge(stats, [])).kind == "balanced"


KEYS = ["step", "p_real_1", "p_fake_1", "accuracy_1", "p_real_2", "d", "g_gradient", "d_gradient"]
SCORE_KEYS = ["step", "lpips", "kid", "p_train", "p_val", "p_made", "spread", "across", "best"]


def numbers(keys: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    value = (
        st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.sampled_from([0.0, 0.5, 1.0])
    )
    return st.lists(st.dictionaries(st.sampled_from(keys), value), max_size=30)


@given(numbers(KEYS), numbers(SCORE_KEYS))
def test_any_numbers_get_a_verdict(stats: list[Line], scores: list[Line]) -> None:
    found = judge(stats, scores)
    assert found
    assert all(verdict.sentence for verdict in found)
    assert {"balanced", "too early"}.isdisjoint({v.kind for v in found}) or len(found) == 1


def test_the_distance_from_half_is_of_each_scale() -> None:
    line = {"p_real_1": 0.6, "p_fake_1": 0.2, "p_real_2": 0.5, "p_fake_2": 0.5, "p_real_4": 0.9}
    assert scales([line]) == [1, 2]
    assert distance_from_half(line) == pytest.approx({1: 0.2, 2: 0.0})
    assert distance_from_half({}) == {}
