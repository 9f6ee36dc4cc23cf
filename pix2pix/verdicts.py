"""How the game between the forger (G) and the investigator (D) goes, told from a run's numbers alone.

Thresholds come from the literature where it has them. The others lie well outside of what this project's
healthy runs showed: D's probabilities 0.31 to 0.75, spread over across 0.05 to 1, across 0.34 to 0.61.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, takewhile
from statistics import median_low
from typing import Literal, TypeAlias

Kind = Literal[
    "balanced",
    "discriminator winning",
    "generator winning",
    "collapsed",
    "overfitting",
    "diverging",
    "too early",
]
Severity = Literal["good", "note", "warning", "bad"]
Line: TypeAlias = Mapping[str, float]

# Every number is the median of so many neighbouring lines: up to two odd lines of stats.jsonl, or one of
# scores.jsonl, neither begin nor break a stretch. It takes so many lines in a row to be one.
WINDOW, STRETCH = 5, 5
SCORES_WINDOW, SCORES_STRETCH = 3, 3

# Karras et al. 2020 (ADA) hold D at 80 % of real pictures known as such (r_t = 0.6). A hinge loss is content
# with a logit of -1, a probability of 0.27: its D never goes far below.
WINS_ACCURACY, WINS_P_FAKE = 0.9, 0.3
# An accuracy of one half is also what the game ends with when all is well. These tell a D that sees nothing.
WRONG_ACCURACY = 0.45  # worse than a tossed coin
ASLEEP = 0.1  # D's gradient over what it was before
NEVER_AWAKE = 20  # lines from the first on: so early no forger is that good
# D by itself, before answers that stand still, was right about 0.77 of them after 400 steps; in two runs in
# which it never could tell, about 0.58 at the most in 5,000 (docs/experiments.md, 2026-11-26).
NEVER_ABOVE = 0.6
STALE = 1.05  # the score over what it was when D went blind
# Karras et al. 2020 (ADA), eq. 1: r_v, 0 for none and 1 for nothing but overfitting. Theirs is of logits,
# ours of probabilities.
OVERFIT = 0.5
LEAST_GAP = 0.05  # of p_train over p_made: below, r_v is a ratio of noise
# 0.03 is four of 255 grey levels.
SAME_PICTURE, SAME_ANSWER = 0.03, 0.01  # across; spread over across
# "Check norms of gradients: if they are over 100 things are screwing up" (Chintala et al. 2016, ganhacks).
# A number explodes at ten times what is usual in its run, and no lower than here; a D that tosses coins has
# a loss of 2 (hinge).
EXPLODES = 10.0
EXPLODES_FROM = {
    "d": 10.0,
    "g_reconstruction": 0.0,
    "g_perceptual": 0.0,
    "d_gradient": 100.0,
    "g_gradient": 100.0,
}
USUAL_LINES = 20  # from the beginning: what is usual is their median, or the median of all if that is lower
WORSE, WORSE_SCORES = 1.1, 5  # the score over the best before it, so many times in a row
METRICS = ("lpips", "kid")  # lower is better
TOO_LARGE = 1e30  # no number of a run


@dataclass(frozen=True)
class Verdict:
    """One thing to be said of a run."""

    kind: Kind
    since: int | None  # the first step of the stretch up to now
    sentence: str
    severity: Severity


def judge(stats: Sequence[Line], scores: Sequence[Line]) -> list[Verdict]:
    """What the lines of stats.jsonl and scores.jsonl say, one verdict at least, the gravest first.

    Keys may be absent (no adversary, no z, no scores); what is no finite number counts as absent.
    """
    if len(stats) < STRETCH:
        told = (
            f"{len(stats)} of the {STRETCH} lines that it takes to say anything are there: look again later."
        )
        return [Verdict("too early", None, told, "note")]
    found = [*_diverging(stats, scores), *_collapsed(scores), *_game(stats, scores), *_overfitting(scores)]
    return sorted(found, key=lambda verdict: verdict.severity != "bad") or [_balanced(stats)]


def scales(lines: Sequence[Line]) -> list[int]:
    """The scales of D that lines tell of: 1, 2, ..."""
    return list(takewhile(lambda k: any(f"p_real_{k}" in line for line in lines), count(1)))


def distance_from_half(line: Line) -> dict[int, float]:
    """By scale, how far D's probabilities of real and made photos are from 0.5 on average, 0 to 0.5."""
    return {
        k: (abs(line[f"p_real_{k}"] - 0.5) + abs(line[f"p_fake_{k}"] - 0.5)) / 2
        for k in scales([line])
        if is_number(line[f"p_real_{k}"]) and is_number(line.get(f"p_fake_{k}"))
    }


def metric_of(scores: Sequence[Line]) -> str | None:
    """The metric that scores are of."""
    return next((name for name in METRICS if any(name in line for line in scores)), None)


def is_number(value: object) -> bool:
    """Whether it is there, a number, finite, and of a size that a run can have."""
    return isinstance(value, int | float) and abs(value) < TOO_LARGE


def _game(stats: Sequence[Line], scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether one of the two is too strong, scale by scale."""
    for k in scales(stats):
        steps, rows = _smoothed(stats, (f"accuracy_{k}", f"p_real_{k}", f"p_fake_{k}"))
        if not rows:
            continue
        accuracy, p_real, p_fake = rows[-1]
        who = "The investigator" if k == 1 else f"The investigator of scale {k}"
        since = _since(steps, [a >= WINS_ACCURACY and made <= WINS_P_FAKE for a, _, made in rows])
        if since is not None:
            told = (
                f"{who} has been right about {_percent(accuracy)} of the patches since step {since:,}, and "
                f"gives forged ones a chance of {p_fake:.2f} to be real: the forger learns little from one "
                "who is never fooled. Lower discriminator_lr or critic_steps, or switch "
                "differentiable_augment on."
            )
            yield Verdict("discriminator winning", since, told, "warning")
        since = _since(steps, [a <= 0.5 and made >= real for a, real, made in rows])
        if since is not None and (why := _blind(stats, scores, accuracy, since)):
            told = (
                f"{who} has been right about {_percent(accuracy)} of the patches since step {since:,}, no "
                f"better than a tossed coin, and takes forged ones ({p_fake:.2f}) for real as readily as "
                f"real ones ({p_real:.2f}). That is not the forger's mastery: {why}. A blind investigator "
                "teaches nothing: raise discriminator_lr, or lower generator_lr."
            )
            yield Verdict("generator winning", since, told, "warning")
        elif k == 1 and len(rows) >= NEVER_AWAKE and (best := max(a for a, *_ in rows)) < NEVER_ABOVE:
            told = (
                f"{who} has been right about {_percent(best)} of the patches at the best, since step "
                f"{steps[0]:,}: it has not learned to tell, so that the forger has nobody to convince. Set "
                'discriminator.norm to "instance", raise discriminator_lr, or lower generator_lr.'
            )
            yield Verdict("generator winning", steps[0], told, "warning")


def _blind(stats: Sequence[Line], scores: Sequence[Line], accuracy: float, since: int) -> str | None:
    """What tells a D that sees nothing from one that has nothing left to see."""
    if accuracy <= WRONG_ACCURACY:
        return "who sees no difference is right about half of them, and this one about fewer"
    steps, rows = _smoothed(stats, ("d_gradient",))
    before = [norm for step, (norm,) in zip(steps, rows, strict=True) if step < since]
    if before and rows[-1][0] <= ASLEEP * median_low(before):
        return f"the investigator hardly learns (gradient {rows[-1][0]:.2g}, was {median_low(before):.2g})"
    all_steps = [line["step"] for line in stats if is_number(line.get("step"))]
    if since <= all_steps[0] and len(all_steps) >= NEVER_AWAKE:
        return "it was so from the first step on, when no forger is any good"
    if name := metric_of(scores):
        steps, rows = _smoothed(scores, (name,), SCORES_WINDOW)
        later = [score for step, (score,) in zip(steps, rows, strict=True) if step >= since]
        if len(later) >= SCORES_STRETCH and later[-1] > STALE * later[0] > 0:
            return f"the pictures have become worse since ({name} {later[0]:.3g}, now {later[-1]:.3g})"
    return None


def _collapsed(scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether the answers are all the same."""
    steps, rows = _smoothed(scores, ("across",), SCORES_WINDOW)
    since = _since(steps, [across <= SAME_PICTURE for (across,) in rows], SCORES_STRETCH)
    if since is not None:
        told = (
            f"The forger has drawn the same picture whatever the sketch since step {since:,}: answers to two "
            f"sketches differ by {255 / 2 * rows[-1][0]:.1f} of 255 grey levels. Begin anew, or from an "
            "earlier bundle, with a lower generator_lr or a higher reconstruction_weight."
        )
        yield Verdict("collapsed", since, told, "bad")
        return
    steps, rows = _smoothed(scores, ("spread", "across"), SCORES_WINDOW)
    since = _since(steps, [spread <= SAME_ANSWER * across for spread, across in rows], SCORES_STRETCH)
    if since is not None:
        told = (
            f"The forger has had one answer to each sketch, whatever the seed, since step {since:,}: answers "
            f"to two seeds differ by {rows[-1][0]:.4f}, to two sketches by {rows[-1][1]:.2f}. Raise "
            "latent_weight or mode_seeking_weight, and train with an encoder (model.encoder_widths)."
        )
        yield Verdict("collapsed", since, told, "warning")


def _overfitting(scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether D knows the training photos by heart."""
    steps, rows = _smoothed(scores, ("p_train", "p_val", "p_made"), SCORES_WINDOW)
    by_heart = [
        train - made >= LEAST_GAP and train - val >= OVERFIT * (train - made) for train, val, made in rows
    ]
    since = _since(steps, by_heart, SCORES_STRETCH)
    if since is not None:
        train, val, made = rows[-1]
        told = (
            f"The investigator has known the training photos by heart since step {since:,}: it gives them "
            f"{train:.2f}, real photos that it never saw {val:.2f}, forged ones {made:.2f}. The unseen lie "
            f"{_percent((train - val) / (train - made))} of the way to the forged: what it asks of the "
            "forger is no longer to look real. Switch differentiable_augment on, get more pairs, or stop "
            "here."
        )
        yield Verdict("overfitting", since, told, "warning")


def _diverging(stats: Sequence[Line], scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether numbers explode, or the score gets worse and worse."""
    for key, lowest in EXPLODES_FROM.items():
        steps, rows = _smoothed(stats, (key,))
        values = [value for (value,) in rows]
        usual = min(median_low(values), median_low(values[:USUAL_LINES])) if values else 0.0
        limit = max(EXPLODES * usual, lowest)
        since = _since(steps, [value >= limit > 0 for value in values])
        if since is not None:
            told = (
                f"The game has gone out of hand since step {since:,}: {key} is {values[-1]:.3g}, and "
                f"{usual:.3g} is usual in this run. Go back to the best bundle and halve generator_lr and "
                "discriminator_lr."
            )
            yield Verdict("diverging", since, told, "bad")
            break
    if name := metric_of(scores):
        steps, rows = _smoothed(scores, (name,), SCORES_WINDOW)
        values = [value for (value,) in rows]
        best = list(accumulate(values, min))
        since = _since(steps, [v >= WORSE * b > 0 for v, b in zip(values, best, strict=True)], WORSE_SCORES)
        if since is not None:
            told = (
                f"The forger was better before: since step {since:,} every score has been worse than its "
                f"best ({name} {best[-1]:.3g}; {values[-1]:.3g} now). Use the best bundle, which is kept, or "
                "go on from it with half the learning rates."
            )
            yield Verdict("diverging", since, told, "bad")


def _balanced(stats: Sequence[Line]) -> Verdict:
    _, rows = _smoothed(stats, ("accuracy_1", "p_real_1", "p_fake_1"))
    if not rows:
        told = "No investigator plays here, and the forger's own numbers show nothing to worry about."
        return Verdict("balanced", None, told, "good")
    accuracy, p_real, p_fake = rows[-1]
    told = (
        f"The investigator is right about {_percent(accuracy)} of the patches, and gives real ones a chance "
        f"of {p_real:.2f} to be real, forged ones {p_fake:.2f}. "
    )
    if round(accuracy, 2) > 0.5:
        told += "Neither has the upper hand, so that both go on learning."
    else:
        told += (
            "A tossed coin does as well: the end one wishes for if the pictures are good, else a bad spell."
        )
    return Verdict("balanced", None, told, "good")


def _smoothed(
    lines: Sequence[Line], keys: tuple[str, ...], window: int = WINDOW
) -> tuple[list[int], list[tuple[float, ...]]]:
    """Steps and running medians of the lines that have all keys; at both ends, of the outermost window."""
    full = [line for line in lines if all(is_number(line.get(key)) for key in ("step", *keys))]
    width = min(window, len(full))
    starts = (min(max(i - width // 2, 0), len(full) - width) for i in range(len(full)))
    rows = [
        tuple(median_low([float(line[key]) for line in full[start : start + width]]) for key in keys)
        for start in starts
    ]
    return [int(line["step"]) for line in full], rows


def _since(steps: Sequence[int], holds: Sequence[bool], least: int = STRETCH) -> int | None:
    """The first step of the unbroken stretch up to now, if it is long enough."""
    stretch = sum(1 for _ in takewhile(bool, reversed(holds)))
    return steps[-stretch] if stretch >= least else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
