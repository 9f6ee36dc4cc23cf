"""Computes metrics over sketches and real photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from pix2pix.errors import UsageError
from pix2pix.evaluate.answers import Answers, Photo
from pix2pix.evaluate.estimates import Estimate
from pix2pix.evaluate.features import FeatureNetworks
from pix2pix.evaluate.inputs import Input
from pix2pix.evaluate.metrics import METRICS, Value

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

Item = TypeVar("Item")


@dataclass(frozen=True)
class Figure:
    """One metric of one set of photos: an estimate from `n` photos or sketches, or a reason for none."""

    metric: str
    photos: Literal["made", "real"]
    input: str
    estimate: Estimate | None
    n: int
    reason: str = ""


@dataclass
class _Values:
    """Values of photos or sketches by metric, and the reasons of metrics that have none."""

    values: dict[str, list[Value]]
    reasons: dict[str, str]


def measure(
    model: Translator,
    inputs: Sequence[Input],
    networks: FeatureNetworks,
    metrics: Sequence[str],
    *,
    advance: Callable[[], None] = lambda: None,
) -> Iterator[Figure]:
    """Yields every figure: first those of real photos, as a scale; then each metric of each input.

    The first input has photos: generated photos of all inputs are compared with them. An input without
    sketches has no figures. `advance` is called after each sketch. The figures are the same on every run.
    Raises ImageError for a sketch or photo that cannot be read.
    """
    reference = _Values({}, {})
    of_photo = {name: function for name in metrics if (function := METRICS[name].of_photo)}
    for given in inputs if of_photo else []:
        found = _measure_each(of_photo, _real_photos(given, networks))
        if given is inputs[0]:
            reference = found
        for metric in found.values:
            figure = _figure(metric, "real", given.name, found, reference)
            compares_with_itself = found is reference and METRICS[metric].compare
            if figure.estimate and not compares_with_itself:
                yield figure
    of_answers = {name: METRICS[name].of_answers for name in metrics}
    for given in filter(lambda given: given.pairs, inputs):
        found = _measure_each(of_answers, _answers(model, given, networks), advance)
        for metric in metrics:
            yield _figure(metric, "made", given.name, found, reference)


def _real_photos(given: Input, networks: FeatureNetworks) -> Iterator[Photo]:
    """Yields each real photo once, in the order of their names."""
    sketches = {photo: sketch for sketch, photo in given.pairs if photo}
    for photo in sorted(sketches):
        yield Photo.read(photo, networks, sketches[photo] if given.traced else None)


def _answers(model: Translator, given: Input, networks: FeatureNetworks) -> Iterator[Answers]:
    for index, (sketch, photo) in enumerate(given.pairs):
        yield Answers(model, networks, sketch, photo, index, traced=given.traced)


def _measure_each(
    functions: Mapping[str, Callable[[Item], Value | None]],
    items: Iterable[Item],
    advance: Callable[[], None] = lambda: None,
) -> _Values:
    """Measures each item. A metric that fails on one item is not measured on the rest."""
    found = _Values({name: [] for name in functions}, {})
    for item in items:
        for name in list(found.values):
            try:
                value = functions[name](item)
            except UsageError as error:
                del found.values[name]
                found.reasons[name] = str(error)
            else:
                found.values[name] += [] if value is None else [value]
        advance()
    return found


def _figure(
    metric: str, photos: Literal["made", "real"], name: str, found: _Values, reference: _Values
) -> Figure:
    values = found.values.get(metric, [])
    reason = found.reasons.get(metric, "")
    estimate = None
    if not reason:
        try:
            estimate = METRICS[metric].estimate(values, reference.values.get(metric, []))
        except UsageError as error:
            reason = str(error)
    return Figure(metric, photos, name, estimate, len(values), reason)
