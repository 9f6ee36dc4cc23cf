"""Diagnoses a run from its numbers: is the training of generators (G) and discriminators (D) in balance?

Thresholds come from the literature where it has them. The others lie well outside of the range in this
project's healthy runs: D's probabilities 0.31 to 0.75, spread over across 0.05 to 1, across 0.34 to 0.61.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from statistics import median_low
from typing import Literal, NamedTuple, TypeAlias

Kind = Literal[
    "balanced",
    "discriminator winning",
    "generator winning",
    "discriminator idle",
    "collapsed",
    "overfitting",
    "diverging",
    "gradients out of balance",
    "too few numbers",
]
Severity = Literal["good", "note", "warning", "bad"]
GRAVEST_FIRST = ("bad", "warning", "note", "good")
Line: TypeAlias = Mapping[str, float]

# Every number is the median of WINDOW neighbouring lines, so that up to two outliers in stats.jsonl, or one
# in scores.jsonl, have no effect. A finding takes STRETCH lines in a row.
WINDOW, STRETCH = 5, 5
SCORES_WINDOW, SCORES_STRETCH = 3, 3

# Karras et al. 2020 (ADA) hold D at an accuracy of 80 % on real pictures (r_t = 0.6). A relativistic D can be
# right about nearly all pairs with logits near 0, where its generator still learns.
WINS_ACCURACY, WINS_P_FAKE = 0.9, 0.3
# An accuracy of one half is also the end of a good run. These identify a D that cannot distinguish anything.
WRONG_ACCURACY = 0.45  # worse than chance
VANISHED = 0.1  # D's gradient over its gradient before
FIRST_LINES = 20  # no generator is good that early
# D trained alone against a fixed generator had an accuracy of 0.77 after 400 steps; in two runs in which it
# never learned, 0.58 at most in 5,000 steps (docs/experiments.md, 2026-11-26).
NEVER_ABOVE = 0.6
WORSE_SINCE = 1.05  # the score over the score when D's accuracy fell to one half
# Karras et al. 2020 (ADA), eq. 1: r_v, 0 for no overfitting and 1 for complete overfitting. Theirs is of
# logits, ours of probabilities.
OVERFIT = 0.5
LEAST_GAP = 0.05  # of p_train over p_made: below, r_v is a ratio of noise
# 0.03 is four of 255 grey levels.
SAME_PICTURE, SAME_ANSWER = 0.03, 0.01  # across; spread over across
# "Check norms of gradients: if they are over 100 things are screwing up" (Chintala et al. 2016, ganhacks).
# A number explodes at ten times its usual value in the run, and at no less than the value here; a D at chance
# has a loss of 0.69.
EXPLODES = 10.0
EXPLODES_FROM = {
    "d": 10.0,
    "g_reconstruction": 0.0,
    "g_perceptual": 0.0,
    "d_gradient": 100.0,
    "g_gradient": 100.0,
    "layout_d": 10.0,
    "layout_reconstruction": 0.0,
    "layout_d_gradient": 100.0,
    "layout_g_gradient": 100.0,
}
USUAL_LINES = 20  # from the beginning; their median, or the lower median of all lines, is the usual value
WORSE, WORSE_SCORES = 1.1, 5  # the score over the best before it, that many times in a row
METRICS = ("lpips", "kid")  # lower is better
# With deep features at 75 times the gradient of L1, pictures stayed grey (docs/training.md).
OUT_OF_BALANCE = 30.0
AT_PICTURE = "at_picture_"  # prefix of the norms of the terms' gradients at the picture
L1_AT_PICTURE = f"{AT_PICTURE}g_reconstruction"
WEIGHT_OF = {  # fields of TrainConfig, of the terms that train colours, as L1 does
    "g_pixels": "pixels_weight",
    "g_coarse": "coarse_weight",
    "g_pixels_half": "pixels_weight",
    "g_perceptual": "perceptual_weight",
}
TOO_LARGE = 1e30  # larger than any number of a run


class Discriminator(NamedTuple):
    """A kind of discriminator, and the names of its numbers in a line."""

    kind: str
    label: str  # for sentences: "the discriminator on pixels"
    gradient: str = "d_gradient"
    settings: str = ""  # prefix of the names of its learning rates
    trains: str = "colours"  # what of the generator's output

    @property
    def p_real(self) -> str:
        """Name of the mean probability that it gives to real pictures."""
        return f"p_real_{self.kind}"

    @property
    def p_fake(self) -> str:
        """Name of the mean probability that it gives to generated pictures."""
        return f"p_fake_{self.kind}"

    @property
    def accuracy(self) -> str:
        """Name of its accuracy."""
        return f"accuracy_{self.kind}"


PIXELS = Discriminator("pixels", "on pixels")  # every architecture has it
DISCRIMINATORS = (
    Discriminator("layout", "of layouts", gradient="layout_d_gradient", settings="layout.", trains="cells"),
    PIXELS,
    Discriminator("pixels_half", "on pixels at half the side"),
    Discriminator("coarse", "of the coarse picture"),
    Discriminator("outline", "of the outline", trains="alpha"),
)


@dataclass(frozen=True)
class Finding:
    """One statement about a run."""

    kind: Kind
    since: int | None  # the first step of the stretch of lines that ends now
    sentence: str
    severity: Severity


def diagnose(stats: Sequence[Line], scores: Sequence[Line]) -> list[Finding]:
    """Returns at least one finding from the lines of stats.jsonl and scores.jsonl, the gravest first.

    Keys may be absent (no discriminator, no z, no scores); a value that is not a finite number counts as
    absent.
    """
    if len(stats) < STRETCH:
        sentence = f"A diagnosis needs {STRETCH} lines of numbers; this run has {len(stats) or 'none'}."
        return [Finding("too few numbers", None, sentence, "note")]
    found = [
        *_diverging(stats, scores),
        *_collapsed(scores),
        *_out_of_balance(stats),
        *_one_side_winning(stats, scores),
        *_overfitting(scores),
    ]
    return sorted(found, key=lambda finding: GRAVEST_FIRST.index(finding.severity)) or [_balanced(stats)]


def discriminators_in(lines: Sequence[Line]) -> list[Discriminator]:
    """Returns the discriminators of which lines have numbers."""
    return [one for one in DISCRIMINATORS if any(one.p_real in line for line in lines)]


def distance_from_half(line: Line) -> dict[str, float]:
    """Returns the mean distance of each discriminator's probabilities from 0.5, 0 to 0.5, by its label."""
    return {
        one.label: (abs(line[one.p_real] - 0.5) + abs(line[one.p_fake] - 0.5)) / 2
        for one in discriminators_in([line])
        if is_number(line[one.p_real]) and is_number(line.get(one.p_fake))
    }


def gradients_at_picture(lines: Sequence[Line]) -> dict[str, float]:
    """Returns the last measured norm of each term's gradient at the picture, by term, largest first."""
    for line in reversed(lines):
        found = {
            key.removeprefix(AT_PICTURE): line[key]
            for key in line
            if key.startswith(AT_PICTURE) and is_number(line[key])
        }
        if found:
            return dict(sorted(found.items(), key=lambda item: -item[1]))
    return {}


def metric_of(scores: Sequence[Line]) -> str | None:
    """Returns the name of the scores' metric."""
    return next((name for name in METRICS if any(name in line for line in scores)), None)


def is_number(value: object) -> bool:
    """Returns whether a value is a finite number, of a size that a run can have."""
    return isinstance(value, int | float) and abs(value) < TOO_LARGE


def _one_side_winning(stats: Sequence[Line], scores: Sequence[Line]) -> Iterator[Finding]:
    """Finds discriminators that are too strong or too weak for their generator."""
    numbers = {
        one: _smoothed(stats, (one.accuracy, one.p_real, one.p_fake)) for one in discriminators_in(stats)
    }
    never_learned = [one for one, (_, rows) in numbers.items() if _never_learned(rows)]
    for one, (steps, rows) in numbers.items():
        if not rows:
            continue
        accuracy, p_real, p_fake = rows[-1]
        name = f"The discriminator {one.label}"
        remedy = f"raise {one.settings}discriminator_lr, or lower {one.settings}generator_lr."
        since = _since(steps, [a >= WINS_ACCURACY and fake <= WINS_P_FAKE for a, _, fake in rows])
        if since is not None:
            sentence = (
                f"{name} has been right in {_percent(accuracy)} of its answers since step {since:,}, and "
                f"gives generated pictures a probability of {p_fake:.2f} to be real: a generator learns "
                f"little from a discriminator that it never fools. Lower {one.settings}discriminator_lr, or "
                "add more pairs."
            )
            yield Finding("discriminator winning", since, sentence, "warning")
        since = _since(steps, [a <= 0.5 and fake >= real for a, real, fake in rows])
        if since is not None and (why := _evidence_of_failure(one, stats, scores, accuracy, since)):
            sentence = (
                f"{name} has been right in {_percent(accuracy)} of its answers since step {since:,}, no "
                f"better than chance, and gives generated pictures ({p_fake:.2f}) at least the probability "
                f"of real ones ({p_real:.2f}). That does not mean that the generator is good: {why}. The "
                f"generator learns nothing from this discriminator: {remedy}"
            )
            yield Finding("generator winning", since, sentence, "warning")
        elif one in never_learned:
            alone = all(other in never_learned for other in numbers if other.trains == one.trains)
            best = max(a for a, *_ in rows)
            sentence = (
                f"{name} has been right in {_percent(best)} of its answers at best, since step "
                f"{steps[0]:,}: it has not learned to tell real from generated pictures, and the generator "
                f"learns {'nothing from it' if alone else 'from the others alone'}. To change that, {remedy}"
            )
            if alone:
                yield Finding("generator winning", steps[0], sentence, "warning")
            else:
                yield Finding("discriminator idle", steps[0], sentence, "note")


def _never_learned(rows: Sequence[tuple[float, ...]]) -> bool:
    """Returns whether a discriminator never exceeded the accuracy of one that has not learned."""
    return len(rows) >= FIRST_LINES and max(accuracy for accuracy, *_ in rows) < NEVER_ABOVE


def _evidence_of_failure(
    one: Discriminator, stats: Sequence[Line], scores: Sequence[Line], accuracy: float, since: int
) -> str | None:
    """Returns why an accuracy of one half is the failure of D, not the success of G; None if unknown."""
    if accuracy <= WRONG_ACCURACY:
        return "a discriminator that guesses is right in half of its answers, and this one in fewer"
    steps, rows = _smoothed(stats, (one.gradient,))
    before = [norm for step, (norm,) in zip(steps, rows, strict=True) if step < since]
    if before and rows[-1][0] <= VANISHED * median_low(before):
        return f"the discriminator hardly learns (gradient {rows[-1][0]:.2g}, was {median_low(before):.2g})"
    all_steps = [line["step"] for line in stats if is_number(line.get("step"))]
    if since <= all_steps[0] and len(all_steps) >= FIRST_LINES:
        return "this has been so since the first step, when no generator is good"
    if name := metric_of(scores):
        steps, rows = _smoothed(scores, (name,), SCORES_WINDOW)
        later = [score for step, (score,) in zip(steps, rows, strict=True) if step >= since]
        if len(later) >= SCORES_STRETCH and later[-1] > WORSE_SINCE * later[0] > 0:
            return f"the pictures have become worse since then ({name} {later[0]:.3g}, now {later[-1]:.3g})"
    return None


def _out_of_balance(stats: Sequence[Line]) -> Iterator[Finding]:
    """Finds terms of the picture generator whose gradient at the picture is far larger than that of L1."""
    for term in WEIGHT_OF:
        steps, rows = _smoothed(stats, (f"{AT_PICTURE}{term}", L1_AT_PICTURE))
        since = _since(steps, [norm > OUT_OF_BALANCE * l1 > 0 for norm, l1 in rows])
        if since is None:
            continue
        norm, l1 = rows[-1]
        sentence = (
            f"The gradient of {term} at the picture has been more than {OUT_OF_BALANCE:.0f} times that of L1 "
            f"since step {since:,} ({norm:.3g} against {l1:.3g}): L1, which holds above all the colours, has "
            f"no effect. Lower {WEIGHT_OF[term]} until it is within ten times, or raise "
            "reconstruction_weight."
        )
        yield Finding("gradients out of balance", since, sentence, "warning")


def _collapsed(scores: Sequence[Line]) -> Iterator[Finding]:
    """Finds a generator that draws the same picture for all sketches, or for all latents."""
    steps, rows = _smoothed(scores, ("across",), SCORES_WINDOW)
    since = _since(steps, [across <= SAME_PICTURE for (across,) in rows], SCORES_STRETCH)
    if since is not None:
        sentence = (
            f"The generator has drawn the same picture for all sketches since step {since:,}: pictures for "
            f"two sketches differ by {255 / 2 * rows[-1][0]:.1f} of 255 grey levels. Start again, or from an "
            "earlier bundle (snapshots/), with a lower generator_lr or a higher reconstruction_weight."
        )
        yield Finding("collapsed", since, sentence, "bad")
        return
    steps, rows = _smoothed(scores, ("spread", "across"), SCORES_WINDOW)
    since = _since(steps, [spread <= SAME_ANSWER * across for spread, across in rows], SCORES_STRETCH)
    if since is not None:
        sentence = (
            f"The layout generator has drawn one layout per sketch, whatever the seed, since step "
            f"{since:,}: pictures of two seeds differ by {rows[-1][0]:.4f}, of two sketches by "
            f"{rows[-1][1]:.2f}. Raise layout.latent_weight, or lower layout.divergence_weight."
        )
        yield Finding("collapsed", since, sentence, "warning")


def _overfitting(scores: Sequence[Line]) -> Iterator[Finding]:
    """Finds a discriminator that recognises the training photos."""
    steps, rows = _smoothed(scores, ("p_train", "p_val", "p_made"), SCORES_WINDOW)
    overfitted = [
        train - made >= LEAST_GAP and train - val >= OVERFIT * (train - made) for train, val, made in rows
    ]
    since = _since(steps, overfitted, SCORES_STRETCH)
    if since is not None:
        train, val, made = rows[-1]
        sentence = (
            f"The discriminator on pixels has been overfitting since step {since:,}: it gives training "
            f"photos a probability of {train:.2f}, real photos that it was not trained on {val:.2f}, "
            f"generated ones {made:.2f}. The unseen photos lie {_percent((train - val) / (train - made))} of "
            "the way to the generated ones, so the generator no longer learns to look real. Add more pairs, "
            "lower discriminator_lr, or stop here."
        )
        yield Finding("overfitting", since, sentence, "warning")


def _diverging(stats: Sequence[Line], scores: Sequence[Line]) -> Iterator[Finding]:
    """Finds numbers that explode, and scores that get worse."""
    for key, lowest in EXPLODES_FROM.items():
        steps, rows = _smoothed(stats, (key,))
        values = [value for (value,) in rows]
        usual = min(median_low(values), median_low(values[:USUAL_LINES])) if values else 0.0
        limit = max(EXPLODES * usual, lowest)
        since = _since(steps, [value >= limit > 0 for value in values])
        if since is not None:
            settings = "layout." if key.startswith("layout_") else ""
            sentence = (
                f"Training has been unstable since step {since:,}: {key} is {values[-1]:.3g}, and "
                f"{usual:.3g} is usual in this run. Start from the best bundle with half of "
                f"{settings}generator_lr and {settings}discriminator_lr."
            )
            yield Finding("diverging", since, sentence, "bad")
            break
    if name := metric_of(scores):
        steps, rows = _smoothed(scores, (name,), SCORES_WINDOW)
        values = [value for (value,) in rows]
        best = list(accumulate(values, min))
        since = _since(steps, [v >= WORSE * b > 0 for v, b in zip(values, best, strict=True)], WORSE_SCORES)
        if since is not None:
            sentence = (
                f"The generator was better before: since step {since:,} every score has been worse than its "
                f"best ({name} {best[-1]:.3g}; {values[-1]:.3g} now). Use the best bundle, which is kept, or "
                "start from it with half the learning rates."
            )
            yield Finding("diverging", since, sentence, "bad")


def _balanced(stats: Sequence[Line]) -> Finding:
    last = {
        one: rows[-1][0]
        for one in discriminators_in(stats)
        if (rows := _smoothed(stats, (one.accuracy, one.p_real, one.p_fake))[1])
    }
    if not last:
        sentence = "This run logs no discriminator, and the generator's numbers show no problem."
        return Finding("balanced", None, sentence, "good")
    shares = ", ".join(f"{one.label} {_percent(accuracy)}" for one, accuracy in last.items())
    sentence = f"Accuracy of the discriminators: {shares}; chance is 50 %. "
    if at_chance := [one.label for one, accuracy in last.items() if round(accuracy, 2) <= 0.5]:
        sentence += (
            f"At chance: {', '.join(at_chance)}. That is the aim if the pictures are good; if they are not, "
            "it may pass."
        )
    else:
        sentence += "Neither side dominates, so both learn."
    return Finding("balanced", None, sentence, "good")


def _smoothed(
    lines: Sequence[Line], keys: tuple[str, ...], window: int = WINDOW
) -> tuple[list[int], list[tuple[float, ...]]]:
    """Returns steps and running medians of lines that have all keys; both ends use the outermost median."""
    full = [line for line in lines if all(is_number(line.get(key)) for key in ("step", *keys))]
    width = min(window, len(full))
    starts = (min(max(i - width // 2, 0), len(full) - width) for i in range(len(full)))
    rows = [
        tuple(median_low([float(line[key]) for line in full[start : start + width]]) for key in keys)
        for start in starts
    ]
    return [int(line["step"]) for line in full], rows


def _since(steps: Sequence[int], holds: Sequence[bool], least: int = STRETCH) -> int | None:
    """Returns the first step of the unbroken stretch that ends now, None if it is too short."""
    stretch = sum(1 for _ in takewhile(bool, reversed(holds)))
    return steps[-stretch] if stretch >= least else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
