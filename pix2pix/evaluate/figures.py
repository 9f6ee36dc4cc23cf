"""Goes through sketches and real photos, and sums up what the metrics make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from pix2pix.errors import UsageError
from pix2pix.evaluate.answers import Answers, Photo
from pix2pix.evaluate.estimates import Estimate
from pix2pix.evaluate.inputs import Input
from pix2pix.evaluate.judges import Judges
from pix2pix.evaluate.metrics import METRICS, Value

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

Looked = TypeVar("Looked")


@dataclass(frozen=True)
class Figure:
    """One metric of one set of photos: an estimate from `n` photos or sketches, or the reason why not."""

    metric: str
    photos: Literal["made", "real"]
    input: str
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
    advance: Callable[[], None] = lambda: None,
) -> Iterator[Figure]:
    """Every figure: first of real photos, as a scale; then each metric of each input.

    The first input has photos: they are the real ones that every set of photos is compared with. An input
    without sketches has no figures. `advance` is called once a sketch. The same figures on every run. Raises
    ImageError for a sketch or photo that cannot be read.
    """
    reference = _Seen({}, {})
    about_photos = {name: look for name in metrics if (look := METRICS[name].of_photo)}
    for given in inputs if about_photos else []:
        seen = _look(about_photos, _real_photos(given, judges))
        if given is inputs[0]:
            reference = seen
        for metric in seen.values:
            figure = _figure(metric, "real", given.name, seen, reference)
            to_itself = seen is reference and METRICS[metric].compare
            if figure.estimate and not to_itself:
                yield figure
    for given in filter(lambda given: given.pairs, inputs):
        seen = _look({name: METRICS[name].of for name in metrics}, _answers(model, given, judges), advance)
        for metric in metrics:
            yield _figure(metric, "made", given.name, seen, reference)


def _real_photos(given: Input, judges: Judges) -> Iterator[Photo]:
    """Each real photo once, in the order of their names."""
    sketches = {photo: sketch for sketch, photo in given.pairs if photo}
    for photo in sorted(sketches):
        yield Photo.read(photo, judges, sketches[photo] if given.traced else None)


def _answers(model: Translator, given: Input, judges: Judges) -> Iterator[Answers]:
    for index, (sketch, photo) in enumerate(given.pairs):
        yield Answers(model, judges, sketch, photo, index)


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


def _figure(metric: str, photos: Literal["made", "real"], name: str, seen: _Seen, reference: _Seen) -> Figure:
    values = seen.values.get(metric, [])
    reason = seen.reasons.get(metric, "")
    estimate = None
    if not reason:
        try:
            estimate = METRICS[metric].estimate(values, reference.values.get(metric, []))
        except UsageError as error:
            reason = str(error)
    return Figure(metric, photos, name, estimate, len(values), reason)
