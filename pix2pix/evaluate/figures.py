"""Goes through sketches and real photos, and sums up what the metrics make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pix2pix.errors import UsageError
from pix2pix.evaluate.answers import Answers, Photo
from pix2pix.evaluate.estimates import Estimate
from pix2pix.evaluate.inputs import Input
from pix2pix.evaluate.judges import Judges
from pix2pix.evaluate.metrics import METRICS, Value

if TYPE_CHECKING:
    from pix2pix.translator import Translator

Looked = TypeVar("Looked")
Loose = float | Literal["guess"]


@dataclass(frozen=True)
class Figure:
    """One metric of one set of photos: an estimate from `n` photos or sketches, or the reason why not."""

    metric: str
    photos: Literal["made", "real"]
    input: str
    loose: Loose | None  # None for real photos, and for models that know no looseness
    estimate: Estimate | None
    n: int
    reason: str = ""


@dataclass
class _Seen:
    """Values of photos or sketches by metric, and why some metrics have none."""

    values: dict[str, list[Value]]
    reasons: dict[str, str]


def measure(
    model: Translator,
    inputs: Sequence[Input],
    judges: Judges,
    metrics: Sequence[str],
    *,
    loose: Sequence[Loose] = ("guess",),
    advance: Callable[[], None] = lambda: None,
) -> Iterator[Figure]:
    """Every figure: first of real photos, as a scale; then each metric of each input, at each looseness.

    The first input has photos: they are the real ones that every set of photos is compared with. An input
    without sketches has no figures. `advance` is called `count_sketches` times. The same figures on every
    run. Raises ImageError for a sketch or photo that cannot be read, UsageError for a looseness asked of a
    model that knows none.
    """
    reference = _Seen({}, {})
    about_photos = {name: look for name in metrics if (look := METRICS[name].of_photo)}
    for name, paths in _scenes(inputs, metrics).items():
        seen = _look(about_photos, (Photo.read(path, judges) for path in paths))
        if name == inputs[0].name:
            reference = seen
        for metric in seen.values:
            figure = _figure(metric, "real", name, None, seen, reference)
            to_itself = seen is reference and METRICS[metric].compare
            if figure.estimate and not to_itself:
                yield figure
    for value in _settings(model, loose):
        for given in filter(lambda given: given.pairs, inputs):
            answers = _answers(model, given, judges, value)
            seen = _look({name: METRICS[name].of for name in metrics}, answers, advance)
            for metric in metrics:
                yield _figure(metric, "made", given.name, value, seen, reference)


def count_sketches(model: Translator, inputs: Sequence[Input], loose: Sequence[Loose]) -> int:
    """How many sketches `measure` goes through, each once a looseness. Raises UsageError as `measure`."""
    return len(_settings(model, loose)) * sum(len(given.pairs) for given in inputs)


def _scenes(inputs: Sequence[Input], metrics: Sequence[str]) -> dict[str, list[Path]]:
    """The real photos to look at, by the name of their input."""
    if not any(METRICS[name].of_photo for name in metrics):
        return {}
    photos = {given.name: sorted({photo for _, photo in given.pairs if photo}) for given in inputs}
    return {name: paths for name, paths in photos.items() if paths}


def _settings(model: Translator, loose: Sequence[Loose]) -> Sequence[Loose | None]:
    if model.takes_loose:
        return list(dict.fromkeys(loose))
    if told := [value for value in loose if value != "guess"]:
        raise UsageError(f"looseness {told[0]} was asked for, but this model knows none")
    return [None]


def _answers(model: Translator, given: Input, judges: Judges, loose: Loose | None) -> Iterator[Answers]:
    told = loose if isinstance(loose, float) else None
    for index, (sketch, photo) in enumerate(given.pairs):
        yield Answers(model, judges, sketch, photo, index, told)


def _look(
    looks: Mapping[str, Callable[[Looked], Value | None]],
    items: Iterable[Looked],
    advance: Callable[[], None] = lambda: None,
) -> _Seen:
    """Look at each item. A metric that cannot be measured on one is not measured on the rest."""
    seen = _Seen({name: [] for name in looks}, {})
    for item in items:
        for name in list(seen.values):
            try:
                value = looks[name](item)
            except UsageError as error:
                del seen.values[name]
                seen.reasons[name] = str(error)
            else:
                seen.values[name] += [] if value is None else [value]
        advance()
    return seen


def _figure(
    metric: str,
    photos: Literal["made", "real"],
    name: str,
    loose: Loose | None,
    seen: _Seen,
    reference: _Seen,
) -> Figure:
    values = seen.values.get(metric, [])
    reason = seen.reasons.get(metric, "")
    estimate = None
    if not reason:
        try:
            estimate = METRICS[metric].estimate(values, reference.values.get(metric, []))
        except UsageError as error:
            reason = str(error)
    return Figure(metric, photos, name, loose, estimate, len(values), reason)
