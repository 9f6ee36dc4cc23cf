"""Which ways of walking in z change the pictures most, and what they change.

    find_directions(model, sketches)   # the strongest first, named by what they move most

A step v in z changes the pictures by W v to first order, W fitted to random answers to some sketches; the
principal directions are the eigenvectors of the mean of W'W (in the spirit of Härkönen et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pix2pix.model.bundle import Direction
from pix2pix.model.networks import Model

Float32 = NDArray[np.float32]

ANSWERS_PER_NUMBER = 4  # random answers to each sketch, for every number of z
COMPARED_PX, MEASURED_PX = 16, 128  # colours and shading, not threads; and for attributes
SMALLEST_SHARE = 0.05
BATCH_SIZE = 8
PAPER_LIGHTNESS = 97.0  # what is lighter is not the subject
RIM_PX = 3  # of what is measured: where the subject fades into the paper, light whatever it is
LOOKED_AT = 2.0  # steps either way


def lightness(subject: Float32) -> float:
    """Mean L* of a subject's pixels (P, 3) in CIELAB."""
    return float(subject[:, 0].mean())


def saturation(subject: Float32) -> float:
    """Mean chroma of pixels (P, 3) in CIELAB."""
    return float(np.hypot(subject[:, 1], subject[:, 2]).mean())


def warmth(subject: Float32) -> float:
    """How far the mean colour of pixels (P, 3) in CIELAB lies towards red and yellow, from green and blue."""
    return float(subject[:, 1:].mean(axis=0).sum() / np.sqrt(2))


def hue(subject: Float32) -> float:
    """Angle of the mean colour of pixels (P, 3) in CIELAB, in radians."""
    return float(np.arctan2(subject[:, 2].mean(), subject[:, 1].mean()))


def gloss(subject: Float32) -> float:
    """How far the highlights of pixels (P, 3) in CIELAB stand out in L*: 95 % quantile less the median."""
    return float(np.quantile(subject[:, 0], 0.95) - np.median(subject[:, 0]))


ATTRIBUTES: dict[str, Callable[[Float32], float]] = {
    attribute.__name__: attribute for attribute in (lightness, saturation, warmth, hue, gloss)
}


@torch.inference_mode()
def find_directions(model: Model, sketches: Tensor) -> tuple[Direction, ...]:
    """The directions with at least 5 % of what z changes, for sketches (M, 1, S, S) in [-1, 1].

    Each has length 1 and points to more of its attribute. The same result on every run. None for a model
    that has no z, or whose pictures z does not change.
    """
    latent_size = model.config.latent_size
    if latent_size == 0:
        return ()
    random = torch.Generator().manual_seed(0)
    z = torch.randn(ANSWERS_PER_NUMBER * latent_size, latent_size, generator=random)
    answers = [_answers(model, sketch, z) for sketch in sketches]  # M of (K, S, S, 3)
    values, vectors = np.linalg.eigh(np.mean([_gram(photos, z.numpy()) for photos in answers], axis=0))
    if values[-1] < 1e-9:
        return ()
    measured = np.stack([_measure(photos) for photos in answers])  # (M, K, A)
    spread = np.sqrt(np.mean(_apart(measured[:, 1:], measured[:, :-1]) ** 2, axis=(0, 1)) / 2)
    found = []
    for share, vector in zip((values / values.sum())[::-1], vectors.T[::-1], strict=True):
        if share < SMALLEST_SHARE:
            break
        ends = torch.from_numpy(LOOKED_AT * np.stack([-vector, vector]).astype(np.float32))
        there = [_answers(model, sketch, ends) for sketch in sketches]  # M of (2, S, S, 3)
        at_ends = np.stack([_measure(photos) for photos in there])  # (M, 2, A)
        effects = _apart(at_ends[:, 1], at_ends[:, 0]).mean(axis=0) / np.maximum(spread, 1e-6)
        strongest = int(np.abs(effects).argmax())
        onwards = effects[strongest] >= 0
        towards = vector if onwards else -vector
        colours = [_colour([photos[end] for photos in there]) for end in (0, 1)]
        found.append(
            Direction(
                vector=tuple(round(float(number), 5) for number in towards),
                attribute=list(ATTRIBUTES)[strongest],
                effect=round(float(abs(effects[strongest])) / (2 * LOOKED_AT), 3),
                share=round(float(share), 3),
                colours=tuple(colours if onwards else colours[::-1]),
            )
        )
    return tuple(found)


def _answers(model: Model, sketch: Tensor, z: Tensor) -> Float32:
    """A sketch (1, S, S) and latents (K, Z) -> photos in CIELAB (K, s, s, 3), L* 0 to 100."""
    device = next(model.parameters()).device
    photos = []
    for start in range(0, len(z), BATCH_SIZE):
        some = z[start : start + BATCH_SIZE].to(device)
        rows = torch.zeros(len(some), dtype=torch.int64, device=device)
        drawn, _ = model(sketch[None].to(device), some, rows)
        small = F.adaptive_avg_pool2d(drawn, min(MEASURED_PX, drawn.shape[-1]))
        photos += list(small.add(1).div(2).permute(0, 2, 3, 1).cpu().numpy())
    return np.stack([cv2.cvtColor(np.ascontiguousarray(p), cv2.COLOR_RGB2LAB) for p in photos])


def _gram(photos: Float32, z: Float32) -> NDArray[np.float64]:
    """W'W (Z, Z) of the linear map W from z (K, Z) to photos (K, S, S, 3), per number of a small photo."""
    small = [cv2.resize(p, (COMPARED_PX, COMPARED_PX), interpolation=cv2.INTER_AREA) for p in photos]
    flat = np.stack(small).reshape(len(z), -1).astype(np.float64)
    change, *_ = np.linalg.lstsq(z - z.mean(axis=0), flat - flat.mean(axis=0), rcond=None)  # (Z, D)
    return np.asarray(change @ change.T / flat.shape[1])


def _measure(photos: Float32) -> NDArray[np.float64]:
    """Every attribute of each photo's subject, (K, A)."""
    return np.array([[attribute(_subject(photo)) for attribute in ATTRIBUTES.values()] for photo in photos])


def _subject(photo: Float32) -> Float32:
    """What is not paper of a photo (S, S, 3), without its rim: (P, 3); all of it where nothing is left."""
    inked = (photo[..., 0] < PAPER_LIGHTNESS).astype(np.uint8)
    around = np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)
    inside = photo[cv2.erode(inked, around, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0]
    return inside if len(inside) else photo.reshape(-1, 3)


def _colour(photos: list[Float32]) -> str:
    """The mean colour of the subjects, as #rrggbb."""
    mean = np.mean([_subject(photo).mean(axis=0) for photo in photos], axis=0)
    rgb = cv2.cvtColor(mean[None, None].astype(np.float32), cv2.COLOR_LAB2RGB)[0, 0]
    return "#" + "".join(f"{round(255 * float(np.clip(level, 0, 1))):02x}" for level in rgb)


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """a - b of attributes (..., A), angles the short way round."""
    difference = a - b
    angle = list(ATTRIBUTES).index(hue.__name__)
    difference[..., angle] = (difference[..., angle] + np.pi) % (2 * np.pi) - np.pi
    return difference
