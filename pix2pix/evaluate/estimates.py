"""Estimates figures of sets of photos from values of single photos."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pix2pix.errors import UsageError
from pix2pix.images.framing import UInt8

Float64 = NDArray[np.float64]
Kept = NDArray[np.bool_]

BLOCKS = 40  # of the jackknife
COUNTS_FROM, REACHED_FROM = 0.03, 0.01  # shares of photos and of answers: see `families_reached`

# ImageNet-1k classes by index. ImageNet has no handbag: these are things that are carried and closed.
SUBJECTS = {
    "shoes": {502: "clog", 514: "cowboy boot", 630: "Loafer", 770: "running shoe", 774: "sandal"},
    "handbags": {
        414: "backpack",
        636: "mailbag",
        709: "pencil box",
        728: "plastic bag",
        748: "purse",
        790: "shopping basket",
        893: "wallet",
    },
}


class Estimate(NamedTuple):
    """A measured value and its standard error."""

    value: float
    error: float


def average(values: Float64) -> Estimate:
    """Returns the mean of values (N,), ordered by name. Raises UsageError for fewer than 2."""
    _need(2, "an average", values)
    return Estimate(float(values.mean()), jackknife(lambda kept: float(values[kept].mean()), len(values)))


def ratio(values: Float64, reference: Float64) -> Estimate:
    """Returns the mean of values (N,) over the mean of those of real photos (M,).

    Raises UsageError for fewer than 2 on a side, and if that mean is 0, or would be without one block.
    """
    _need(2, "a ratio", values, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = _between(
            lambda a, b: float(values[a].mean() / reference[b].mean()), len(values), len(reference)
        )
    if not np.isfinite(found).all():
        raise UsageError("the real photos, or all but a few of them, are blank: there is no ratio to them")
    return found


def ratio_of_logs(values: Float64, reference: Float64) -> Estimate:
    """Returns the mean over D of the ratios of geometric means, from logarithms (N, D) and (M, D).

    Raises UsageError for fewer than 2 on a side.
    """
    _need(2, "a ratio", values, reference)
    return _between(
        lambda a, b: float(np.exp(values[a].mean(0) - reference[b].mean(0)).mean()),
        len(values),
        len(reference),
    )


def families_reached(values: Float64, reference: Float64) -> Estimate:
    """Returns the share of the families among real photos that answers reach.

    `values` (N, D) and `reference` (M, D) are the shares of each of D families in the answers to a sketch,
    and in a photo. Families count with at least 3 % of the photos; one is reached by 1 % of the answers.
    Raises UsageError for fewer than 2 on a side, and if no family counts, or none would without one block.
    """
    _need(2, "a share", values, reference)

    def share(in_values: Kept, in_reference: Kept) -> float:
        counts = reference[in_reference].mean(0) >= COUNTS_FROM
        reached = values[in_values].mean(0)[counts] >= REACHED_FROM
        return float(reached.mean()) if len(reached) else np.nan

    found = _between(share, len(values), len(reference))
    if not np.isfinite(found).all():
        raise UsageError("the real photos, or all but a few of them, are grey: there is no hue to reach")
    return found


def cosine(a: Float64, b: Float64) -> float:
    """Returns the cosine of the angle between two vectors; 0 if one of them is 0."""
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0


def of_subject(class_index: int, subject: str) -> float:
    """Returns 1 for a class of ImageNet that is of the subject, 0 for another."""
    return float(class_index in SUBJECTS[subject])


def kernel_distance(a: Float64, b: Float64) -> Estimate:
    """Returns KID between two sets of features (N, D) and (M, D): about 0 for sets of one distribution.

    The unbiased estimate of the squared maximum mean discrepancy under the kernel (x.y / D + 1)^3, which may
    be below 0 (Binkowski et al. 2018). Features are not normalised.
    Raises UsageError for fewer than 3 on a side.
    """
    _need(3, "KID", a, b)
    within_a, within_b, across = _kernel(a, a), _kernel(b, b), _kernel(a, b)

    def distance(in_a: Kept, in_b: Kept) -> float:
        alike = _mean_off_diagonal(within_a, in_a) + _mean_off_diagonal(within_b, in_b)
        return float(alike - 2 * across[np.ix_(in_a, in_b)].mean())

    return _between(distance, len(a), len(b))


def frechet_distance(a: Float64, b: Float64) -> Estimate:
    """Returns the Fréchet distance between the Gaussians of two sets of features (N, D) and (M, D).

    |mean a - mean b|^2 + tr(Ca + Cb - 2 (Ca Cb)^1/2) with the covariances Ca, Cb (Heusel et al. 2017); on
    features of Inception it is FID. With Ca = A^T A the last trace is the nuclear norm of A B^T, so that no
    matrix larger than the smaller of samples and dimensions is decomposed.

    Biased upwards, the more the fewer samples there are: with fewer samples than dimensions most of the value
    may be bias. Compare only figures of equal N and M. The error does not include the bias.
    Raises UsageError for fewer than 3 on a side.
    """
    _need(3, "a Fréchet distance", a, b)

    def distance(in_a: Kept, in_b: Kept) -> float:
        difference = a[in_a].mean(0) - b[in_b].mean(0)
        root_a, root_b = _covariance_root(a[in_a]), _covariance_root(b[in_b])
        common = np.linalg.norm(root_a @ root_b.T, "nuc")
        return float(difference @ difference + (root_a**2).sum() + (root_b**2).sum() - 2 * common)

    return _between(distance, len(a), len(b))


def gradient_energy(photo: UInt8, where: Kept | None = None) -> float:
    """Returns the mean squared difference of neighbouring pixels, across and down, of (H, W, 3) uint8.

    Pixels count as 0..1. With `where` (H, W) bool, the mean is over those pixels, each with the one above it
    and the one to its left; there must be such differences both ways.
    """
    counted = np.ones(photo.shape[:2], bool) if where is None else where
    pixels = photo.astype(np.float64) / 255
    down = (np.diff(pixels, axis=0) ** 2).mean(where=counted[1:, :, None])
    across = (np.diff(pixels, axis=1) ** 2).mean(where=counted[:, 1:, None])
    return float(down + across)


def jackknife(statistic: Callable[[Kept], float], count: int) -> float:
    """Returns the standard error of `statistic(kept)`, `kept` (count,) bool: delete-block jackknife.

    A block is a run of neighbours, so that most drawings of one photo, which are correlated, are in one block
    if there are many more than BLOCKS. Nothing is random (Künsch 1989).
    """
    values = []
    for block in np.array_split(np.arange(count), min(BLOCKS, count)):
        kept = np.ones(count, np.bool_)
        kept[block] = False
        values.append(statistic(kept))
    return float(np.sqrt((len(values) - 1) * np.var(values)))


def _between(statistic: Callable[[Kept, Kept], float], count_a: int, count_b: int) -> Estimate:
    """Estimates a statistic of two independent sets, each of which adds to the error."""
    all_a, all_b = np.ones(count_a, np.bool_), np.ones(count_b, np.bool_)
    error_a = jackknife(lambda kept: statistic(kept, all_b), count_a)
    error_b = jackknife(lambda kept: statistic(all_a, kept), count_b)
    return Estimate(statistic(all_a, all_b), float(np.hypot(error_a, error_b)))


def _need(least: int, what: str, *sets: Float64) -> None:
    if min(map(len, sets)) < least:
        sides = " on both sides" if len(sets) > 1 else ""
        counts = " and ".join(str(len(each)) for each in sets)
        raise UsageError(f"{what} needs at least {least} pictures{sides}; there are {counts}")


def _kernel(a: Float64, b: Float64) -> Float64:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


def _mean_off_diagonal(kernel: Float64, kept: Kept) -> float:
    chosen = kernel[np.ix_(kept, kept)]
    count = len(chosen)
    return float((chosen.sum() - np.trace(chosen)) / (count * (count - 1)))


def _covariance_root(features: Float64) -> Float64:
    """Returns A (min(N, D), D) with A^T A the covariance of features (N, D)."""
    root = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    if len(root) > root.shape[1]:
        root = np.linalg.qr(root, mode="r")
    return np.asarray(root, np.float64)
