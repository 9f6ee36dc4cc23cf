"""Diagnoses of synthetic runs: each finding appears when it should, and none for noise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2pix.training.config import train_config, with_settings
from pix2pix.training.report.diagnosis import (
    DISCRIMINATORS,
    PIXELS,
    WEIGHT_OF,
    Discriminator,
    Finding,
    diagnose,
    discriminators_in,
    distance_from_half,
    gradients_at_picture,
)

Line = dict[str, float]
EVERY = 50  # steps between lines
SCORED = 500  # steps between scores


def lines(count: int, **values: float) -> list[Line]:
    """A run whose numbers, those of healthy training unless given, stay as they are."""
    healthy = {
        "p_real_pixels": 0.47,
        "p_fake_pixels": 0.43,
        "accuracy_pixels": 0.6,
        "d": 0.66,
        "g_reconstruction": 0.6,
        "d_gradient": 2.0,
        "g_gradient": 3.0,
        "at_picture_g_reconstruction": 13.0,
        "at_picture_g_features": 60.0,
    }
    return [{"step": float(EVERY * (i + 1)), **healthy, **values} for i in range(count)]


def scored(count: int, **values: float) -> list[Line]:
    healthy = {"lpips": 0.3, "p_train": 0.48, "p_val": 0.47, "p_made": 0.43, "spread": 0.1, "across": 0.4}
    return [{"step": float(SCORED * (i + 1)), **healthy, **values} for i in range(count)]


def turned(make: Callable[..., list[Line]], count: int, turn: int, **values: float) -> list[Line]:
    """A healthy history that becomes another at line `turn`."""
    return make(count)[:turn] + make(count, **values)[turn:]


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def numbers_of(one: Discriminator, accuracy: float, p_real: float, p_fake: float) -> Line:
    return {one.accuracy: accuracy, one.p_real: p_real, one.p_fake: p_fake}


D_WINS = {"accuracy_pixels": 0.97, "p_real_pixels": 0.9, "p_fake_pixels": 0.04}
D_AT_CHANCE = {"accuracy_pixels": 0.49, "p_real_pixels": 0.5, "p_fake_pixels": 0.51}
BAD_STATS: list[tuple[str, Line]] = [
    ("discriminator winning", D_WINS),
    ("discriminator winning", numbers_of(PIXELS, 0.95, 0.73, 0.27)),
    ("generator winning", numbers_of(PIXELS, 0.4, 0.4, 0.6)),
    ("generator winning", {**D_AT_CHANCE, "d_gradient": 0.05}),
    ("diverging", {"g_gradient": 4000.0}),
    ("diverging", {"d": 60.0}),
    ("diverging", {"g_reconstruction": 9.0}),
    ("gradients out of balance", {"at_picture_g_perceptual": 980.0}),
]
OUTCOMES = [(0.98, 0.9, 0.05), (0.4, 0.4, 0.6), (0.55, 0.5, 0.45)]  # D winning, G winning, never learned
BAD_SCORES: list[tuple[str, Line]] = [
    ("collapsed", {"across": 0.004, "spread": 0.002}),
    ("collapsed", {"spread": 0.001}),
    ("overfitting", {"p_train": 0.8, "p_val": 0.5, "p_made": 0.4}),
    ("diverging", {"lpips": 0.36}),
]


@pytest.mark.parametrize(("kind", "values"), BAD_STATS)
def test_a_problem_in_the_stats_is_dated(kind: str, values: Line) -> None:
    finding = only(diagnose(turned(lines, 40, 23, **values), []))
    assert (finding.kind, finding.since) == (kind, 24 * EVERY)
    assert "1,200" in finding.sentence
    assert finding.severity in ("warning", "bad")


@pytest.mark.parametrize(("kind", "values"), BAD_SCORES)
def test_a_problem_in_the_scores_is_dated(kind: str, values: Line) -> None:
    finding = only(diagnose(lines(100), turned(scored, 12, 5, **values)))
    assert (finding.kind, finding.since) == (kind, 6 * SCORED)
    assert "3,000" in finding.sentence


@pytest.mark.parametrize(("kind", "values"), BAD_STATS)
@pytest.mark.parametrize("odd", [0, 10, 30, 38, 39])
def test_one_odd_line_neither_begins_nor_breaks_a_stretch(kind: str, values: Line, odd: int) -> None:
    healthy, bad = lines(40), turned(lines, 40, 23, **values)
    before = diagnose(bad, [])
    healthy[odd] = lines(40, **values)[odd]
    if odd >= 23:
        bad[odd] = lines(40)[odd]
    assert only(diagnose(healthy, [])).kind == "balanced"
    assert [(v.kind, v.since) for v in diagnose(bad, [])] == [(v.kind, v.since) for v in before]


@pytest.mark.parametrize(("kind", "values"), BAD_SCORES)
@pytest.mark.parametrize("odd", [0, 7, 10, 11])
def test_one_odd_score_neither_begins_nor_breaks_a_stretch(kind: str, values: Line, odd: int) -> None:
    healthy, bad = scored(12), turned(scored, 12, 5, **values)
    healthy[odd] = scored(12, **values)[odd]
    if odd >= 5:
        bad[odd] = scored(12)[odd]
    assert only(diagnose(lines(100), healthy)).kind == "balanced"
    finding = only(diagnose(lines(100), bad))
    assert (finding.kind, finding.since) == (kind, 6 * SCORED)


def test_what_is_over_is_left_out() -> None:
    stats = lines(10) + lines(40, **D_WINS)[10:30] + lines(40)[30:]
    assert only(diagnose(stats, [])).kind == "balanced"


def test_a_noisy_run_is_balanced() -> None:
    """As the runs of this project were: probabilities around 0.47 that swing by 0.05 from line to line."""
    rng = np.random.default_rng(0)
    stats, scores = lines(200), scored(20)
    for line in stats:
        swing = rng.normal(0, 0.05)
        line["p_real_pixels"] += swing
        line["p_fake_pixels"] += swing
        line["accuracy_pixels"] = float(rng.uniform(0.52, 0.75))
        line["d"] += rng.normal(0, 0.07)
        line["g_reconstruction"] *= float(rng.uniform(0.7, 1.8))
        line["d_gradient"] *= float(np.exp(rng.normal()))
    for score in scores:
        score["lpips"] *= float(rng.uniform(0.97, 1.03))
    finding = only(diagnose(stats, scores))
    assert (finding.kind, finding.severity, finding.since) == ("balanced", "good", None)


def test_an_accuracy_of_one_half_at_the_end_is_the_aim() -> None:
    """By itself it is the end of a good run."""
    stats = turned(lines, 100, 60, **D_AT_CHANCE)
    finding = only(diagnose(stats, scored(10)))
    assert finding.kind == "balanced"
    assert "At chance: on pixels" in finding.sentence


def test_worse_pictures_show_that_a_discriminator_has_failed() -> None:
    stats = turned(lines, 100, 49, **D_AT_CHANCE)  # since step 2,500
    scores = scored(10)
    for i, score in enumerate(scores[5:]):
        score["lpips"] = 0.3 + 0.008 * i  # not enough to be called diverging
    assert only(diagnose(stats, scores)).kind == "generator winning"


def test_a_discriminator_at_chance_from_the_start_has_failed() -> None:
    assert only(diagnose(lines(19, **D_AT_CHANCE), [])).kind == "balanced"
    finding = only(diagnose(lines(20, **D_AT_CHANCE), []))
    assert (finding.kind, finding.since) == ("generator winning", EVERY)


def test_a_discriminator_that_never_learned_is_no_balance() -> None:
    """Two runs were called balanced in which the logits of D never left 0: G had learned from LPIPS alone."""
    for run in ("handbags-close-up", "shoes-calm"):
        log = Path(__file__).parents[1] / "docs" / "runs" / run / "stats.jsonl"
        text = re.sub(r"(p_real|p_fake|accuracy)_1", r"\1_pixels", log.read_text())  # the names of that time
        finding = only(diagnose([json.loads(line) for line in text.splitlines()], []))
        assert finding.kind == "generator winning" and "at best" in finding.sentence
    weak = {"accuracy_pixels": 0.57, "p_real_pixels": 0.51, "p_fake_pixels": 0.47}
    assert only(diagnose(lines(19, **weak), [])).kind == "balanced"
    assert only(diagnose(lines(40, **weak), [])).kind == "generator winning"
    assert only(diagnose(turned(lines, 20, 40, **weak), [])).kind == "balanced", "it had learned before"


@pytest.mark.parametrize("one", DISCRIMINATORS, ids=lambda one: one.label)
def test_each_discriminator_is_diagnosed(one: Discriminator) -> None:
    finding = only(diagnose(lines(10, **numbers_of(one, 0.98, 0.9, 0.05)), []))
    assert finding.kind == "discriminator winning"
    assert f"The discriminator {one.label} has been" in finding.sentence and "98 %" in finding.sentence
    finding = only(diagnose(lines(10, **numbers_of(one, 0.4, 0.4, 0.6)), []))
    assert finding.kind == "generator winning"
    assert f"The discriminator {one.label} has been" in finding.sentence and "40 %" in finding.sentence


@pytest.mark.parametrize("one", DISCRIMINATORS, ids=lambda one: one.label)
def test_a_failed_discriminator_is_found_by_its_own_gradient(one: Discriminator) -> None:
    learning, failed = numbers_of(one, 0.65, 0.5, 0.4), numbers_of(one, 0.5, 0.5, 0.51)
    stats = lines(30, **{"d_gradient": 2.0, **learning, one.gradient: 2.0})[:20]
    others = {"d_gradient": 2.0} if one.gradient != "d_gradient" else {}
    stats += lines(40, **failed, **others, **{one.gradient: 0.01})[20:]
    finding = only(diagnose(stats, []))
    assert (finding.kind, finding.since) == ("generator winning", 21 * EVERY)
    assert f"raise {one.settings}discriminator_lr" in finding.sentence


def test_one_discriminator_that_never_learned_is_a_note_where_another_learned() -> None:
    """In a run whose pictures became good, the coarse one was right in 0.55, the one on features in 0.77."""
    coarse = next(one for one in DISCRIMINATORS if one.kind == "coarse")
    layout = next(one for one in DISCRIMINATORS if one.kind == "layout")
    finding = only(diagnose(lines(40, **numbers_of(coarse, 0.55, 0.5, 0.45)), []))
    assert (finding.kind, finding.severity) == ("discriminator idle", "note")
    assert "of the coarse picture" in finding.sentence and "from the others alone" in finding.sentence
    finding = only(diagnose(lines(40, **numbers_of(layout, 0.55, 0.5, 0.45)), []))
    assert finding.kind == "generator winning", "the layout generator has no other"
    assert "layout.discriminator_lr" in finding.sentence
    neither = lines(40, **numbers_of(coarse, 0.55, 0.5, 0.45), **numbers_of(PIXELS, 0.55, 0.5, 0.45))
    assert [finding.kind for finding in diagnose(neither, [])] == ["generator winning", "generator winning"]


@pytest.mark.parametrize("term", WEIGHT_OF)
def test_a_term_that_drowns_l1_is_named_with_its_weight(term: str) -> None:
    """Regression: deep features pulled at the picture 75 times as hard as L1, and pictures stayed grey."""
    healthy, drowned = (lines(30, **{f"at_picture_{term}": norm}) for norm in (13.0 * 29, 13.0 * 31))
    assert only(diagnose(healthy, [])).kind == "balanced"
    finding = only(diagnose(healthy[:12] + drowned[12:], []))
    assert (finding.since, finding.severity) == (13 * EVERY, "warning")
    assert f"Lower {WEIGHT_OF[term]}" in finding.sentence and "403 against 13" in finding.sentence


def test_gradients_are_in_balance_where_l1_has_no_weight() -> None:
    stats = lines(30, at_picture_g_reconstruction=0.0, at_picture_g_features=900.0)
    assert only(diagnose(stats, [])).kind == "balanced"


def test_gradients_at_the_picture_are_the_latest_largest_first() -> None:
    before, last = ({"at_picture_g_alpha": 2.0, "at_picture_g_pixels": norm} for norm in (1.0, 3.0))
    found = gradients_at_picture([before, last, {"step": 9.0}])
    assert list(found.items()) == [("g_pixels", 3.0), ("g_alpha", 2.0)]
    assert gradients_at_picture([{"step": 1.0}]) == {}


def test_advice_names_settings_that_there_are() -> None:
    everything = [diagnose(lines(40, **values), []) for _, values in BAD_STATS]
    everything += [diagnose(lines(100), scored(12, **values)) for _, values in BAD_SCORES]
    everything += [
        diagnose(lines(40, **numbers_of(one, *how)), []) for one in DISCRIMINATORS for how in OUTCOMES
    ]
    sentences = " ".join(finding.sentence for found in everything for finding in found)
    named = set(re.findall(r"\b(?:layout\.)?[a-z]+_(?:lr|weight)\b", sentences)) | set(WEIGHT_OF.values())
    assert len(named) > 8
    with_settings(train_config(), [f"{name}=0.5" for name in named])  # raises for one that is not there


def test_several_things_may_be_wrong_and_the_gravest_comes_first() -> None:
    found = diagnose(lines(20, **D_WINS), scored(5, across=0.001, spread=0.001))
    assert [finding.kind for finding in found] == ["collapsed", "discriminator winning"]


def test_a_diagnosis_needs_five_lines() -> None:
    """A short run that had ended was told that it was too early, as there "are 1 so far"."""
    for count, words in ((0, "this run has none."), (1, "this run has 1."), (4, "this run has 4.")):
        finding = only(diagnose(lines(count, **D_WINS), []))
        assert finding.kind == "too few numbers" and finding.sentence.endswith(words)
    assert only(diagnose(lines(5, **D_WINS), [])).kind == "discriminator winning"


def test_a_gap_of_noise_between_real_and_made_is_no_overfitting() -> None:
    assert only(diagnose(lines(20), scored(6, p_train=0.47, p_val=0.43, p_made=0.44))).kind == "balanced"


def test_scores_that_swing_are_not_diverging() -> None:
    scores = scored(12)
    for i in (6, 8, 10):
        scores[i]["lpips"] = 0.4
    assert only(diagnose(lines(100), scores)).kind == "balanced"


@pytest.mark.parametrize("absent", [PIXELS.p_real, PIXELS.p_fake, PIXELS.accuracy, "d", "d_gradient", "step"])
def test_absent_numbers_are_no_fault(absent: str) -> None:
    stats = [{key: value for key, value in line.items() if key != absent} for line in lines(30)]
    assert only(diagnose(stats, scored(5))).kind == "balanced"


def test_a_run_without_a_discriminator_or_z_is_diagnosed_by_its_other_numbers() -> None:
    stats: list[Line] = [{"step": EVERY * i, "g_reconstruction": 0.1} for i in range(1, 30)]
    scores: list[Line] = [{"step": SCORED * i, "kid": -0.001, "across": 0.5} for i in range(1, 10)]
    finding = only(diagnose(stats, scores))
    assert finding.kind == "balanced"
    assert "no discriminator" in finding.sentence


def test_what_is_no_finite_number_counts_as_absent() -> None:
    stats = lines(30)
    stats[-1]["d"] = float("nan")
    stats[-2]["g_gradient"] = float("inf")
    assert only(diagnose(stats, [])).kind == "balanced"


KEYS = [
    *("step", "d", "g_gradient", "d_gradient", "at_picture_g_reconstruction", "at_picture_g_pixels"),
    *(key for one in DISCRIMINATORS[1:] for key in (one.p_real, one.p_fake, one.accuracy)),
]
SCORE_KEYS = ["step", "lpips", "kid", "p_train", "p_val", "p_made", "spread", "across", "best"]


def numbers(keys: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    value = (
        st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.sampled_from([0.0, 0.5, 1.0])
    )
    return st.lists(st.dictionaries(st.sampled_from(keys), value), max_size=30)


@given(numbers(KEYS), numbers(SCORE_KEYS))
def test_any_numbers_get_a_finding(stats: list[Line], scores: list[Line]) -> None:
    found = diagnose(stats, scores)
    assert found
    assert all(finding.sentence for finding in found)
    assert {"balanced", "too few numbers"}.isdisjoint({v.kind for v in found}) or len(found) == 1


def test_the_distance_from_half_is_of_each_discriminator() -> None:
    line = {"p_real_pixels": 0.6, "p_fake_pixels": 0.2, "p_real_somewhere": 0.9, "p_fake_somewhere": 0.1}
    line |= {"p_real_coarse": 0.9, "p_real_layout": 0.5, "p_fake_layout": 0.5}
    labels = [one.label for one in discriminators_in([line])]
    assert labels == ["of layouts", "on pixels", "of the coarse picture"]
    assert distance_from_half(line) == pytest.approx({"of layouts": 0.0, "on pixels": 0.2})
    assert distance_from_half({}) == {}
