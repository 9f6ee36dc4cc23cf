"""The registry of metrics: the value of one sketch's answers, and the estimate from all sketches.

Seeds are fixed. Seed 0 is the default answer, 1 to 20 are other answers. A set of photos has one answer of
every sketch, each with another seed. Colours, surfaces and arithmetic use eight seeds of its own for each
sketch (`Answers.own_seeds`). Real photos are those of the validation pairs, for every kind of sketch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from pix2pix.errors import UsageError
from pix2pix.evaluate.colours import FAMILIES, stains
from pix2pix.evaluate.estimates import (
    Estimate,
    Float64,
    average,
    cosine,
    families_reached,
    frechet_distance,
    gradient_energy,
    kernel_distance,
    of_subject,
    ratio,
    ratio_of_logs,
)
from pix2pix.evaluate.surfaces import texture
from pix2pix.model import latents

if TYPE_CHECKING:
    from pix2pix.evaluate.answers import Answers, Photo

Value = float | Float64  # of one sketch: a number, or features (D,)

OTHER_SEEDS = range(1, 21)
DIVERSITY_SKETCHES = 100  # Zhu et al. 2017: 1,900 pairs of answers to 100 inputs
SMOOTHNESS_SKETCHES, SMOOTHNESS_STEPS = 20, 16
ARITHMETIC_SKETCHES = 100


@dataclass(frozen=True)
class Metric:
    """The functions that compute one figure.

    `of_answers` returns the value (...) of one sketch, None if it has none. `of_photo` returns that of a real
    photo, if there is such a value. `compare` estimates the figure from the values (N, ...) and those of the
    real photos (M, ...); without it, the values are averaged. `of_answers` and `compare` raise UsageError for
    what cannot be measured; `why_none` is the reason if no sketch has a value.
    """

    help: str
    of_answers: Callable[[Answers], Value | None]
    of_photo: Callable[[Photo], Value | None] | None = None
    compare: Callable[[Float64, Float64], Estimate] | None = None
    digits: int = 3  # after the point, in tables
    why_none: str = ""

    def estimate(self, values: Sequence[Value], reference: Sequence[Value]) -> Estimate:
        """Returns the figure of all sketches. Raises UsageError if there are too few."""
        if self.why_none and not values:
            raise UsageError(self.why_none)
        stacked = np.asarray(values, np.float64)
        return self.compare(stacked, np.asarray(reference, np.float64)) if self.compare else average(stacked)


def _of_default_photo(
    help: str,
    value_of: Callable[[Photo], Value],
    compare: Callable[[Float64, Float64], Estimate] | None = None,
) -> Metric:
    return Metric(help, lambda answers: value_of(answers.of_seeds([0])[0]), value_of, compare)


def _of_random_photos(
    help: str, value_of: Callable[[Photo], Value], compare: Callable[[Float64, Float64], Estimate]
) -> Metric:
    return Metric(
        help, lambda answers: value_of(answers.of_seeds([1 + answers.index])[0]), value_of, compare, 1
    )


def _of_eight_photos(
    help: str,
    value_of: Callable[[Photo], Value | None],
    compare: Callable[[Float64, Float64], Estimate] | None = None,
    digits: int = 3,
    why_none: str = "",
) -> Metric:
    """Returns a metric of the mean over the answers with the sketch's own seeds that have a value.

    A model without z has one answer.
    """

    def of_answers(answers: Answers) -> Value | None:
        seeds = answers.own_seeds if answers.model.latent_size else [0]
        found = [value for photo in answers.of_seeds(seeds) if (value := value_of(photo)) is not None]
        return np.asarray(np.asarray(found, np.float64).mean(axis=0)) if found else None

    return Metric(help, of_answers, value_of, compare, digits, why_none)


def _family(photo: Photo) -> Float64:
    """Returns 1 at the photo's hue family, all 0 for a grey one."""
    return np.asarray(np.arange(len(FAMILIES)) == photo.colours.family, np.float64)


def _hue(index: int, name: str) -> Metric:
    return _of_eight_photos(
        f"Share of the same photos whose mean colour is {name}: a hue of {45 * index} ± 22.5 degrees.",
        lambda photo: float(photo.colours.family == index),
    )


def _steps(photos: list[Photo]) -> list[float]:
    """Returns LPIPS from each photo to the next."""
    return [a.distance_to(b) for a, b in pairwise(photos)]


def _need_z(answers: Answers) -> None:
    if answers.model.latent_size == 0:
        raise UsageError("this model has no latent: one photo per sketch")


def _lpips(answers: Answers) -> float:
    return answers.real.distance_to(answers.of_seeds([0])[0])


def _lpips_best(answers: Answers) -> float:
    _need_z(answers)
    return min(map(answers.real.distance_to, answers.of_seeds(OTHER_SEEDS)))


def _diversity(answers: Answers) -> float | None:
    _need_z(answers)
    if answers.index >= DIVERSITY_SKETCHES:
        return None
    return fmean(_steps(answers.of_seeds(OTHER_SEEDS)))


def _smoothness(answers: Answers) -> float | None:
    _need_z(answers)
    if answers.index >= SMOOTHNESS_SKETCHES:
        return None
    ends = [answers.model.latent(2 * answers.index + seed) for seed in (1, 2)]
    steps = _steps(answers.of_latents(latents.walk(ends, SMOOTHNESS_STEPS + 1)))
    return max(steps) / fmean(steps) if any(steps) else None


def _arithmetic(answers: Answers) -> float | None:
    """Of eight answers, a and b differ most in their mean colour; c is the first of the others."""
    _need_z(answers)
    if answers.index >= ARITHMETIC_SKETCHES:
        return None
    seeds = answers.own_seeds
    colour = {seed: photo.colours.mean for seed, photo in zip(seeds, answers.of_seeds(seeds), strict=True)}
    a, b = max(combinations(seeds, 2), key=lambda ends: np.linalg.norm(colour[ends[1]] - colour[ends[0]]))
    c = next(seed for seed in seeds if seed not in (a, b))
    latent = answers.model.latent
    (answer,) = answers.of_latents(latents.combine([latent(c), latent(b)], [latent(a)])[None])
    return cosine(answer.colours.mean - colour[c], colour[b] - colour[a])


def _plain(photo: Photo) -> Float64 | None:
    return photo.surface.energies if photo.surface else None


def _weave(photo: Photo) -> float | None:
    return photo.surface.weave if photo.surface else None


def _reconstruction(answers: Answers) -> float:
    return answers.real.distance_to(answers.rebuilt())


def _kernel_distance(a: Float64, b: Float64) -> Estimate:
    found = kernel_distance(a, b)
    return Estimate(1000 * found.value, 1000 * found.error)


METRICS: dict[str, Metric] = {
    "lpips": Metric("LPIPS (AlexNet) between the photo with seed 0 and the real photo; low is best.", _lpips),
    "lpips_best": Metric("The lowest LPIPS of 20 photos, seeds 1 to 20; low is best.", _lpips_best),
    "kid": _of_random_photos(
        "KID x1000 on EfficientNet-Lite2 features, random against real photos; low is best.",
        lambda photo: photo.classification.features,
        _kernel_distance,
    ),
    "kid_vgg": _of_random_photos(
        "The same on VGG16: the last convolution, averaged over the picture.",
        lambda photo: photo.vgg_features,
        _kernel_distance,
    ),
    "frechet": _of_random_photos(
        "Fréchet distance of the features of kid; biased upwards for few samples: compare equal counts only.",
        lambda photo: photo.classification.features,
        frechet_distance,
    ),
    "fid": _of_random_photos(
        "FID: the same on Inception features; the weights are downloaded, or read from PIX2PIX_FEATURES.",
        lambda photo: photo.inception_features,
        frechet_distance,
    ),
    "recognised": _of_default_photo(
        "Share of photos with seed 0 whose ImageNet top-1 class belongs to the subject.",
        lambda photo: of_subject(photo.classification.class_index, photo.networks.subject),
    ),
    "sharpness": _of_default_photo(
        "Gradient energy of photos with seed 0 divided by that of real photos; 1 is best, blur is below.",
        lambda photo: gradient_energy(photo.pixels),
        ratio,
    ),
    "texture": _of_eight_photos(
        "The same energy inside of products, without their outlines, over 8 photos of each sketch.",
        lambda photo: texture(photo.pixels),
        ratio,
        why_none="all photos are blank",
    ),
    "chroma": _of_eight_photos(
        "Mean chroma (CIELAB) of pixels that are not white, over 8 photos of each sketch.",
        lambda photo: photo.colours.chroma,
        digits=1,
    ),
    "colour_spread": _of_eight_photos(
        "Spread of colour within a product: square root of var a* + var b*, over the same photos.",
        lambda photo: photo.colours.spread,
        digits=1,
    ),
    "lightness_spread": _of_eight_photos(
        "Standard deviation of the lightness L* within a product, over the same photos.",
        lambda photo: photo.colours.lightness_spread,
        digits=1,
    ),
    "grey": _of_eight_photos(
        "Share of the same photos that are grey: chroma of the mean colour below 12.",
        lambda photo: float(photo.colours.family == len(FAMILIES)),
    ),
    **{f"hue_{name}": _hue(index, name) for index, name in enumerate(FAMILIES)},
    "hues": _of_eight_photos(
        "Share of the hue families with at least 3 % of real photos that at least 1 % of these photos have.",
        _family,
        families_reached,
    ),
    "stains": _of_eight_photos(
        "Percentage of a product in another hue or chroma than the 11 px around it, over the same photos.",
        lambda photo: stains(photo.pixels),
        digits=2,
        why_none="all photos are blank",
    ),
    "plain": _of_eight_photos(
        "Energy of plain surfaces at periods of 2, 4, 8 px over that of real photos; above 1: weave.",
        _plain,
        ratio_of_logs,
        why_none="no picture has a plain surface",
    ),
    "weave": _of_eight_photos(
        "Binary logarithm of that energy over the energy at neighbouring periods; 1: twice the energy.",
        _weave,
        why_none="no picture has a plain surface",
    ),
    "ground": _of_eight_photos(
        "Percentage of the background that is not white, over the same photos.",
        lambda photo: photo.ground_not_white,
        digits=2,
        why_none="no sketch has ground around it",
    ),
    "openings": _of_eight_photos(
        "Percentage of the openings in a product that is not white, over the same photos; edge maps only.",
        lambda photo: photo.openings_not_white,
        digits=1,
        why_none="no product has an opening",
    ),
    "thin": _of_eight_photos(
        "Lightness L* of thin parts, such as handles, minus that of the body; edge maps only.",
        lambda photo: photo.thin_lightness,
        digits=1,
        why_none="no product has thin parts",
    ),
    "arithmetic": Metric(
        "Cosine between the change of the mean colour by z + b - a and the difference b - a; 1 is best.",
        _arithmetic,
    ),
    "diversity": Metric(
        "Mean LPIPS between consecutive seeds of 20, for the first 100 sketches; high is best.", _diversity
    ),
    "smoothness": Metric(
        "Largest over mean LPIPS step of 16 between two seeds, for the first 20 sketches; low is best.",
        _smoothness,
        why_none="all photos of a sketch are equal",
    ),
    "reconstruction": Metric(
        "LPIPS between the real photo and the photo with its encoded z; low is best.", _reconstruction
    ),
}


def chosen(names: str) -> list[str]:
    """Returns the metrics of a list such as "lpips,kid". Raises UsageError for an unknown one."""
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",")))
    if unknown := [name for name in wanted if name not in METRICS]:
        raise UsageError(f"no metric {', '.join(map(repr, unknown))}; metrics are: {', '.join(METRICS)}")
    return wanted
