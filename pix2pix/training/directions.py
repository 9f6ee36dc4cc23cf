"""Finds the directions in the latent space that change the pictures most, and what they change.

    find_directions(model, sketches)   # the strongest first, named by the attribute they change most

A step v in z changes the pictures by W v to first order, W fitted to random answers to some sketches; the
principal directions are the eigenvectors of the mean of W'W (similar to Härkönen et al. 2020).
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
COMPARED_PX = 16  # side at which W is fitted: colours and shading, no texture
MEASURED_PX = 128  # side at which attributes are measured
SMALLEST_SHARE = 0.05
BATCH_SIZE = 8
PAPER_LIGHTNESS = 97.0  # lighter pixels are not the subject
RIM_PX = 3  # at MEASURED_PX: there the subject fades into the paper, and is light whatever its colour
MEASURED_AT = 2.0  # steps either way


def lightness(subject: Float32) -> float:
    """Returns the mean L* of pixels (P, 3) in CIELAB."""
    return float(subject[:, 0].mean())


def saturation(subject: Float32) -> float:
    """Returns the mean chroma of pixels (P, 3) in CIELAB."""
    return float(np.hypot(subject[:, 1], subject[:, 2]).mean())


def warmth(subject: Float32) -> float:
    """Returns how far the mean colour of pixels (P, 3) in CIELAB lies towards red and yellow."""
    return float(subject[:, 1:].mean(axis=0).sum() / np.sqrt(2))


def hue(subject: Float32) -> float:
    """Returns the hue angle of the mean colour of pixels (P, 3) in CIELAB, in radians."""
    return float(np.arctan2(subject[:, 2].mean(), subject[:, 1].mean()))


def gloss(subject: Float32) -> float:
    """Returns the 95 % quantile of L* less its median, of pixels (P, 3) in CIELAB: strength of highlights."""
    return float(np.quantile(subject[:, 0], 0.95) - np.median(subject[:, 0]))


ATTRIBUTES: dict[str, Callable[[Float32], float]] = {
    attribute.__name__: attribute for attribute in (lightness, saturation, warmth, hue, gloss)
}


@torch.inference_mode()
def find_directions(model: Model, sketches: Tensor) -> tuple[Direction, ...]:
    """Returns the directions with at least 5 % of the change by z, for sketches (M, 1, S, S) in [-1, 1].

    Each has length 1 and points to more of its attribute. The result is the same on every run. It is empty
    for a model without z, and where z does not change the pictures.
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
    spread = np.sqrt(np.mean(_difference(measured[:, 1:], measured[:, :-1]) ** 2, axis=(0, 1)) / 2)
    found = []
    for share, vector in zip((values / values.sum())[::-1], vectors.T[::-1], strict=True):
        if share < SMALLEST_SHARE:
            break
        ends = torch.from_numpy(MEASURED_AT * np.stack([-vector, vector]).astype(np.float32))
        photos_at_ends = [_answers(model, sketch, ends) for sketch in sketches]  # M of (2, S, S, 3)
        at_ends = np.stack([_measure(photos) for photos in photos_at_ends])  # (M, 2, A)
        effects = _difference(at_ends[:, 1], at_ends[:, 0]).mean(axis=0) / np.maximum(spread, 1e-6)
        strongest = int(np.abs(effects).argmax())
        increases = effects[strongest] >= 0
        direction = vector if increases else -vector
        colours = [_colour([photos[end] for photos in photos_at_ends]) for end in (0, 1)]
        found.append(
            Direction(
                vector=tuple(round(float(number), 5) for number in direction),
                attribute=list(ATTRIBUTES)[strongest],
                effect=round(float(abs(effects[strongest])) / (2 * MEASURED_AT), 3),
                share=round(float(share), 3),
                colours=tuple(colours if increases else colours[::-1]),
            )
        )
    return tuple(found)


def _answers(model: Model, sketch: Tensor, z: Tensor) -> Float32:
    """Returns photos in CIELAB (K, s, s, 3), L* 0 to 100, for a sketch (1, S, S) and latents (K, Z)."""
    device = next(model.parameters()).device
    photos = []
    for start in range(0, len(z), BATCH_SIZE):
        batch = z[start : start + BATCH_SIZE].to(device)
        sketch_of = torch.zeros(len(batch), dtype=torch.int64, device=device)
        drawn, _ = model(sketch[None].to(device), batch, sketch_of)
        small = F.adaptive_avg_pool2d(drawn, min(MEASURED_PX, drawn.shape[-1]))
        photos += list(small.add(1).div(2).permute(0, 2, 3, 1).cpu().numpy())
    return np.stack([cv2.cvtColor(np.ascontiguousarray(p), cv2.COLOR_RGB2LAB) for p in photos])


def _gram(photos: Float32, z: Float32) -> NDArray[np.float64]:
    """Returns W'W (Z, Z) per value of a small photo; W maps z (K, Z) linearly to photos (K, S, S, 3)."""
    small = [cv2.resize(p, (COMPARED_PX, COMPARED_PX), interpolation=cv2.INTER_AREA) for p in photos]
    flat = np.stack(small).reshape(len(z), -1).astype(np.float64)
    change, *_ = np.linalg.lstsq(z - z.mean(axis=0), flat - flat.mean(axis=0), rcond=None)  # (Z, D)
    return np.asarray(change @ change.T / flat.shape[1])


def _measure(photos: Float32) -> NDArray[np.float64]:
    """Returns every attribute of each photo's subject, (K, A)."""
    subjects = (_subject(photo) for photo in photos)
    return np.array([[attribute(one) for attribute in ATTRIBUTES.values()] for one in subjects])


def _subject(photo: Float32) -> Float32:
    """Returns the pixels (P, 3) of a photo's subject without its rim; all pixels where none are left."""
    subject = (photo[..., 0] < PAPER_LIGHTNESS).astype(np.uint8)
    rim = np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)
    inside = photo[cv2.erode(subject, rim, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0]
    return inside if len(inside) else photo.reshape(-1, 3)


def _colour(photos: list[Float32]) -> str:
    """Returns the mean colour of the subjects, as #rrggbb."""
    mean = np.mean([_subject(photo).mean(axis=0) for photo in photos], axis=0)
    rgb = cv2.cvtColor(mean[None, None].astype(np.float32), cv2.COLOR_LAB2RGB)[0, 0]
    return "#" + "".join(f"{round(255 * float(np.clip(level, 0, 1))):02x}" for level in rgb)


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a - b of attributes (..., A), of angles the smaller difference."""
    difference = a - b
    angle = list(ATTRIBUTES).index(hue.__name__)
    difference[..., angle] = (difference[..., angle] + np.pi) % (2 * np.pi) - np.pi
    return difference
