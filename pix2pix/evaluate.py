"""How good made photos are: closeness to the real photo, distance between sets of photos, and what is seen.

Every figure is an `Estimate`: a value and its standard error.

    network = ObjectFeatures()
    made, real = describe(photos, network), describe(real_photos, network)  # (N, S, S, 3) uint8 each
    kernel_distance(made.features, real.features)  # KID
    recognised(made.classes, "shoes")  # share in [0, 1]
    average(perceptual_distances(photos, real_photos, PerceptualDistance("alex")))  # LPIPS of pairs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pix2pix.errors import UsageError
from pix2pix.features import ObjectFeatures, PerceptualDistance

UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

BLOCKS = 40
BATCH_SIZE = 16

# ImageNet-1k classes by index. Bags are things that are carried and closed: ImageNet knows no handbag.
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


class Description(NamedTuple):
    """What EfficientNet-Lite0 says of N photos: `features` (N, 1280) float64, `classes` (N,) of ImageNet."""

    features: Float64
    classes: NDArray[np.int64]


@torch.inference_mode()
def describe(photos: UInt8, network: ObjectFeatures) -> Description:
    """Look at photos (N, H, W, 3) uint8 at the size they have, on the network's device."""
    answers = [network(batch) for batch in _batches(photos, network)]
    features = torch.cat([features for features, _ in answers]).double().cpu().numpy()
    return Description(features, torch.cat([logits.argmax(1) for _, logits in answers]).cpu().numpy())


@torch.inference_mode()
def perceptual_distances(made: UInt8, real: UInt8, network: PerceptualDistance) -> Float64:
    """LPIPS (N,) between photos (N, H, W, 3) uint8 and the real ones, on the network's device; 0 if equal."""
    pairs = zip(_batches(made, network), _batches(real, network), strict=True)
    return np.asarray(torch.cat([network(a, b) for a, b in pairs]).double().cpu())


def average(values: Float64) -> Estimate:
    """Mean of values (N,), N >= 2, in the order of their names."""
    return Estimate(float(values.mean()), jackknife(lambda kept: float(values[kept].mean()), len(values)))


def recognised(classes: NDArray[np.int64], subject: str) -> Estimate:
    """Share of ImageNet top-1 classes (N,), N >= 2, that are of the subject, a key of `SUBJECTS`."""
    return average(np.isin(classes, list(SUBJECTS[subject])).astype(np.float64))


def kernel_distance(a: Float64, b: Float64) -> Estimate:
    """KID between two sets of features (N, D) and (M, D): about 0 for sets of one distribution.

    The unbiased estimate of the squared maximum mean discrepancy under the kernel (x.y / D + 1)^3, which may
    fall below 0 (Binkowski et al. 2018). Features are taken as they are, not normalised.
    Raises UsageError for fewer than 3 on a side.
    """
    if min(len(a), len(b)) < 3:
        raise UsageError(f"KID needs at least 3 pictures on both sides; there are {len(a)} and {len(b)}")
    within_a, within_b, across = _kernel(a, a), _kernel(b, b), _kernel(a, b)

    def distance(in_a: NDArray[np.bool_], in_b: NDArray[np.bool_]) -> float:
        alike = _mean_off_diagonal(within_a, in_a) + _mean_off_diagonal(within_b, in_b)
        return float(alike - 2 * across[np.ix_(in_a, in_b)].mean())

    all_a, all_b = np.ones(len(a), np.bool_), np.ones(len(b), np.bool_)
    error_a = jackknife(lambda kept: distance(kept, all_b), len(a))
    error_b = jackknife(lambda kept: distance(all_a, kept), len(b))
    return Estimate(distance(all_a, all_b), float(np.hypot(error_a, error_b)))


def jackknife(statistic: Callable[[NDArray[np.bool_]], float], count: int) -> float:
    """Standard error of `statistic(kept)`, `kept` (count,) bool: the delete-block jackknife (Künsch 1989).

    Blocks are neighbours: drawings of one photo, which share their luck, fall into one block if they stand
    side by side. Nothing is drawn at random.
    """
    values = []
    for block in np.array_split(np.arange(count), min(BLOCKS, count)):
        kept = np.ones(count, np.bool_)
        kept[block] = False
        values.append(statistic(kept))
    return float(np.sqrt((len(values) - 1) * np.var(values)))


def _kernel(a: Float64, b: Float64) -> Float64:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


def _mean_off_diagonal(kernel: Float64, kept: NDArray[np.bool_]) -> float:
    chosen = kernel[np.ix_(kept, kept)]
    count = len(chosen)
    return float((chosen.sum() - np.trace(chosen)) / (count * (count - 1)))


def _batches(photos: UInt8, network: nn.Module) -> Iterator[Tensor]:
    """(N, H, W, 3) uint8 -> some (n, 3, H, W) float32 in [-1, 1] at a time, on the network's device."""
    device = next(network.parameters()).device
    for start in range(0, len(photos), BATCH_SIZE):
        batch = torch.from_numpy(np.ascontiguousarray(photos[start : start + BATCH_SIZE]))
        yield batch.to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
