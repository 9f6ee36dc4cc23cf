"""How the game between generators (G) and discriminators (D) goes, from a run's numbers alone.

Thresholds come from the literature where it has them. The others lie well outside of what this project's
healthy runs showed: D's probabilities 0.31 to 0.75, spread over across 0.05 to 1, across 0.34 to 0.61.
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
    "too early",
]
Severity = Literal["good", "note", "warning", "bad"]
GRAVEST_FIRST = ("bad", "warning", "note", "good")
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
NEVER_AWAKE = 20  # lines from the first on: so early no generator is that good
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
    "detail_d": 10.0,
    "detail_g_reconstruction": 0.0,
    "detail_g_perceptual": 0.0,
    "detail_d_gradient": 100.0,
    "detail_g_gradient": 100.0,
    "layout_d": 10.0,
    "layout_reconstruction": 0.0,
    "layout_d_gradient": 100.0,
    "layout_g_gradient": 100.0,
}
USUAL_LINES = 20  # from the beginning: what is usual is their median, or the median of all if that is lower
WORSE, WORSE_SCORES = 1.1, 5  # the score over the best before it, so many times in a row
METRICS = ("lpips", "kid")  # lower is better
# Deep features with a gradient 75 times that of L1 kept the pictures grey (docs/training.md); with the
# weights of the presets the largest is 5 times that of L1, in a tiny run's first 50 steps.
OUT_OF_BALANCE = 30.0
AT_PICTURE = "at_picture_"  # before the names of terms: the norms of their gradients at the picture
L1_AT_PICTURE = f"{AT_PICTURE}g_reconstruction"
WEIGHT_OF = {  # fields of TrainConfig
    "g_features": "features_weight",
    "g_pixels": "pixels_weight",
    "g_coarse": "coarse_weight",
    "g_perceptual": "perceptual_weight",
    "g_alpha": "alpha_weight",
    "g_strokes": "strokes_weight",
}
TOO_LARGE = 1e30  # no number of a run


class Discriminator(NamedTuple):
    """One kind of discriminator, by the names of its numbers in a line."""

    kind: str
    words: str  # which one it is
    prefix: str = ""  # before the names of its numbers
    gradient: str = "d_gradient"
    settings: str = ""  # before the names of its learning rates

    @property
    def p_real(self) -> str:
        """Name of the mean probability of real ones."""
        return f"{self.prefix}p_real_{self.kind}"

    @property
    def p_fake(self) -> str:
        """Name of the mean probability of made ones."""
        return f"{self.prefix}p_fake_{self.kind}"

    @property
    def accuracy(self) -> str:
        """Name of the share of right answers."""
        return f"{self.prefix}accuracy_{self.kind}"


PIXELS = Discriminator("pixels", "on pixels")  # every architecture has it
DISCRIMINATORS = (
    Discriminator("layout", "of layouts", gradient="layout_d_gradient", settings="layout."),
    Discriminator("features", "on features"),
    PIXELS,
    Discriminator("coarse", "of the coarse picture"),
    Discriminator("features", "on features of windows", "detail_", "detail_d_gradient"),
    Discriminator("pixels", "on pixels of windows", "detail_", "detail_d_gradient"),
)


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
        sentence = f"{len(stats)} of the {STRETCH} lines that a verdict takes are there: look again later."
        return [Verdict("too early", None, sentence, "note")]
    found = [
        *_diverging(stats, scores),
        *_collapsed(scores),
        *_out_of_balance(stats),
        *_game(stats, scores),
        *_overfitting(scores),
    ]
    return sorted(found, key=lambda one: GRAVEST_FIRST.index(one.severity)) or [_balanced(stats)]


def playing(lines: Sequence[Line]) -> list[Discriminator]:
    """The discriminators that lines have numbers of."""
    return [one for one in DISCRIMINATORS if any(one.p_real in line for line in lines)]


def distance_from_half(line: Line) -> dict[str, float]:
    """By discriminator, in words: how far its probabilities are from 0.5 on average, 0 to 0.5."""
    return {
        one.words: (abs(line[one.p_real] - 0.5) + abs(line[one.p_fake] - 0.5)) / 2
        for one in playing([line])
        if is_number(line[one.p_real]) and is_number(line.get(one.p_fake))
    }


def gradients_at_picture(lines: Sequence[Line]) -> dict[str, float]:
    """The last measured norm of each term's gradient at the picture, by term, largest first."""
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
    """The metric that scores are of."""
    return next((name for name in METRICS if any(name in line for line in scores)), None)


def is_number(value: object) -> bool:
    """Whether it is there, a number, finite, and of a size that a run can have."""
    return isinstance(value, int | float) and abs(value) < TOO_LARGE


def _game(stats: Sequence[Line], scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether one side is too strong, discriminator by discriminator."""
    numbers = {one: _smoothed(stats, (one.accuracy, one.p_real, one.p_fake)) for one in playing(stats)}
    asleep = [one for one, (_, rows) in numbers.items() if _never_awake(rows)]
    for one, (steps, rows) in numbers.items():
        if not rows:
            continue
        accuracy, p_real, p_fake = rows[-1]
        who = f"The discriminator {one.words}"
        remedy = f"raise {one.settings}discriminator_lr, or lower {one.settings}generator_lr."
        since = _since(steps, [a >= WINS_ACCURACY and made <= WINS_P_FAKE for a, _, made in rows])
        if since is not None:
            sentence = (
                f"{who} has been right in {_percent(accuracy)} of its answers since step {since:,}, and "
                f"gives made ones a chance of {p_fake:.2f} to be real: the generator learns little from one "
                f"that is never fooled. Lower {one.settings}discriminator_lr, or get more pairs."
            )
            yield Verdict("discriminator winning", since, sentence, "warning")
        since = _since(steps, [a <= 0.5 and made >= real for a, real, made in rows])
        if since is not None and (why := _blind(one, stats, scores, accuracy, since)):
            sentence = (
                f"{who} has been right in {_percent(accuracy)} of its answers since step {since:,}, no "
                f"better than a tossed coin, and takes made ones ({p_fake:.2f}) for real as readily as "
                f"real ones ({p_real:.2f}). That does not show a good generator: {why}. A blind "
                f"discriminator teaches nothing: {remedy}"
            )
            yield Verdict("generator winning", since, sentence, "warning")
        elif one in asleep:
            alone = all(other in asleep for other in numbers if _same_game(one, other))
            best = max(a for a, *_ in rows)
            sentence = (
                f"{who} has been right in {_percent(best)} of its answers at the best, since step "
                f"{steps[0]:,}: it has not learned to tell real from made, and the generator learns "
                f"{'nothing from it' if alone else 'from the others alone'}. To change that, {remedy}"
            )
            if alone:
                yield Verdict("generator winning", steps[0], sentence, "warning")
            else:
                yield Verdict("discriminator idle", steps[0], sentence, "note")


def _never_awake(rows: Sequence[tuple[float, ...]]) -> bool:
    """Whether a discriminator has not learned to tell, in all the time that there was."""
    return len(rows) >= NEVER_AWAKE and max(accuracy for accuracy, *_ in rows) < NEVER_ABOVE


def _same_game(one: Discriminator, other: Discriminator) -> bool:
    """Whether two discriminators teach the same generator."""
    return one.gradient == other.gradient


def _blind(
    one: Discriminator, stats: Sequence[Line], scores: Sequence[Line], accuracy: float, since: int
) -> str | None:
    """What tells a D that sees nothing from one that has nothing left to see."""
    if accuracy <= WRONG_ACCURACY:
        return "one that sees no difference is right in half of them, and this one in fewer"
    steps, rows = _smoothed(stats, (one.gradient,))
    before = [norm for step, (norm,) in zip(steps, rows, strict=True) if step < since]
    if before and rows[-1][0] <= ASLEEP * median_low(before):
        return f"the discriminator hardly learns (gradient {rows[-1][0]:.2g}, was {median_low(before):.2g})"
    all_steps = [line["step"] for line in stats if is_number(line.get("step"))]
    if since <= all_steps[0] and len(all_steps) >= NEVER_AWAKE:
        return "it was so from the first step on, when no generator is any good"
    if name := metric_of(scores):
        steps, rows = _smoothed(scores, (name,), SCORES_WINDOW)
        later = [score for step, (score,) in zip(steps, rows, strict=True) if step >= since]
        if len(later) >= SCORES_STRETCH and later[-1] > STALE * later[0] > 0:
            return f"the pictures have become worse since ({name} {later[0]:.3g}, now {later[-1]:.3g})"
    return None


def _out_of_balance(stats: Sequence[Line]) -> Iterator[Verdict]:
    """Whether a term of the picture generator drowns L1, by their gradients at the picture."""
    for term in gradients_at_picture(stats):
        steps, rows = _smoothed(stats, (f"{AT_PICTURE}{term}", L1_AT_PICTURE))
        since = _since(steps, [norm > OUT_OF_BALANCE * l1 > 0 for norm, l1 in rows])
        if since is None:
            continue
        norm, l1 = rows[-1]
        sentence = (
            f"The gradient of {term} at the picture has been more than {OUT_OF_BALANCE:.0f} times that of L1 "
            f"since step {since:,} ({norm:.3g} against {l1:.3g}): what L1 asks for, the colours above all, "
            f"no longer counts. Lower {WEIGHT_OF.get(term, 'its weight')} until it is within ten times, or "
            "raise reconstruction_weight."
        )
        yield Verdict("gradients out of balance", since, sentence, "warning")


def _collapsed(scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether the answers are all the same."""
    steps, rows = _smoothed(scores, ("across",), SCORES_WINDOW)
    since = _since(steps, [across <= SAME_PICTURE for (across,) in rows], SCORES_STRETCH)
    if since is not None:
        sentence = (
            f"The generator has drawn the same picture whatever the sketch since step {since:,}: answers to "
            f"two sketches differ by {255 / 2 * rows[-1][0]:.1f} of 255 grey levels. Begin anew, or from an "
            "earlier bundle (snapshots/), with a lower generator_lr or a higher reconstruction_weight."
        )
        yield Verdict("collapsed", since, sentence, "bad")
        return
    steps, rows = _smoothed(scores, ("spread", "across"), SCORES_WINDOW)
    since = _since(steps, [spread <= SAME_ANSWER * across for spread, across in rows], SCORES_STRETCH)
    if since is not None:
        sentence = (
            f"The layout generator has had one answer to each sketch, whatever the seed, since step "
            f"{since:,}: answers to two seeds differ by {rows[-1][0]:.4f}, to two sketches by "
            f"{rows[-1][1]:.2f}. Raise layout.latent_weight, or lower layout.divergence_weight."
        )
        yield Verdict("collapsed", since, sentence, "warning")


def _overfitting(scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether D knows the training photos by heart."""
    steps, rows = _smoothed(scores, ("p_train", "p_val", "p_made"), SCORES_WINDOW)
    by_heart = [
        train - made >= LEAST_GAP and train - val >= OVERFIT * (train - made) for train, val, made in rows
    ]
    since = _since(steps, by_heart, SCORES_STRETCH)
    if since is not None:
        train, val, made = rows[-1]
        sentence = (
            f"The discriminator on pixels has known the training photos by heart since step {since:,}: it "
            f"gives them {train:.2f}, real photos that it never saw {val:.2f}, made ones {made:.2f}. The "
            f"unseen lie {_percent((train - val) / (train - made))} of the way to the made ones: what it "
            "asks of the generator is no longer to look real. Get more pairs, lower discriminator_lr, or "
            "stop here."
        )
        yield Verdict("overfitting", since, sentence, "warning")


def _diverging(stats: Sequence[Line], scores: Sequence[Line]) -> Iterator[Verdict]:
    """Whether numbers explode, or the score gets worse and worse."""
    for key, lowest in EXPLODES_FROM.items():
        steps, rows = _smoothed(stats, (key,))
        values = [value for (value,) in rows]
        usual = min(median_low(values), median_low(values[:USUAL_LINES])) if values else 0.0
        limit = max(EXPLODES * usual, lowest)
        since = _since(steps, [value >= limit > 0 for value in values])
        if since is not None:
            settings = "layout." if key.startswith("layout_") else ""
            sentence = (
                f"The game has gone out of hand since step {since:,}: {key} is {values[-1]:.3g}, and "
                f"{usual:.3g} is usual in this run. Go back to the best bundle and halve "
                f"{settings}generator_lr and {settings}discriminator_lr."
            )
            yield Verdict("diverging", since, sentence, "bad")
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
                "go on from it with half the learning rates."
            )
            yield Verdict("diverging", since, sentence, "bad")


def _balanced(stats: Sequence[Line]) -> Verdict:
    last = {
        one: rows[-1][0]
        for one in playing(stats)
        if (rows := _smoothed(stats, (one.accuracy, one.p_real, one.p_fake))[1])
    }
    if not last:
        sentence = "No discriminator plays here, and the generator's own numbers show nothing to worry about."
        return Verdict("balanced", None, sentence, "good")
    shares = ", ".join(f"{one.words} {_percent(accuracy)}" for one, accuracy in last.items())
    sentence = f"Right answers of the discriminators: {shares}; a tossed coin has 50 %. "
    if level := [one.words for one, accuracy in last.items() if round(accuracy, 2) <= 0.5]:
        sentence += (
            f"One {' and one '.join(level)} that is no better than a coin is the end one wishes for if the "
            "pictures are good, else a bad spell."
        )
    else:
        sentence += "Neither side has the upper hand, so that both go on learning."
    return Verdict("balanced", None, sentence, "good")


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
