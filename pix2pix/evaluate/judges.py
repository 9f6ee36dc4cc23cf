"""The networks that look at photos, each loaded when it is first asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pix2pix.errors import UsageError
from pix2pix.evaluate.estimates import SUBJECTS, Float64, UInt8
from pix2pix.features import ObjectFeatures, PerceptualDistance
from pix2pix.pixels import from_pixels

BATCH_SIZE = 16
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"


class Description(NamedTuple):
    """What EfficientNet-Lite0 says of N photos: `features` (N, 1280) float64, `classes` (N,) of ImageNet."""

    features: Float64
    classes: NDArray[np.int64]


class Judges:
    """Whom the metrics ask. Asking one that cannot be had raises UsageError, saying what it needs."""

    def __init__(self, device: torch.device, subject: str | None = None) -> None:
        """`subject`, a key of `SUBJECTS`, is what photos should be recognised as."""
        self.device, self._subject = device, subject

    @cached_property
    def perceptual(self) -> PerceptualDistance:
        """LPIPS-alex."""
        return PerceptualDistance("alex").to(self.device)

    @cached_property
    def objects(self) -> ObjectFeatures:
        """EfficientNet-Lite0."""
        return ObjectFeatures().to(self.device)

    @cached_property
    def inception(self) -> InceptionFeatures:
        """Inception v3, as FID has it."""
        return InceptionFeatures().to(self.device)

    @property
    def subject(self) -> str:
        """What photos should be recognised as."""
        if self._subject is None:
            raise UsageError(f"what is to be recognised is not known: say --subject {' or '.join(SUBJECTS)}")
        return self._subject


class InceptionFeatures(nn.Module):
    """Inception v3 with the weights that FID is defined by (Heusel et al. 2017), through torch-fidelity."""

    def __init__(self) -> None:
        """Raises UsageError if the package is not installed or the weights cannot be had."""
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise UsageError("FID needs torch-fidelity: .venv/bin/pip install torch-fidelity") from error
        folder = os.environ.get("PIX2PIX_FEATURES")
        weights = Path(folder) / INCEPTION_FILE if folder else None
        if weights and not weights.is_file():
            raise UsageError(f"PIX2PIX_FEATURES has no {INCEPTION_FILE}")
        try:
            self.net = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], str(weights) if weights else None, verbose=False
            )
        except OSError as error:
            raise UsageError(f"the weights of Inception cannot be downloaded ({error})") from error

    def forward(self, photos: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 -> (N, 2048) features."""
        features: Tensor = self.net(photos)[0]
        return features


@torch.inference_mode()
def describe(photos: UInt8, network: ObjectFeatures) -> Description:
    """Look at photos (N, H, W, 3) uint8 at the size they have, on the network's device."""
    answers = [network(from_pixels(batch)) for batch in _batches(photos, network)]
    features = torch.cat([features for features, _ in answers]).double().cpu().numpy()
    return Description(features, torch.cat([logits.argmax(1) for _, logits in answers]).cpu().numpy())


@torch.inference_mode()
def inception_features(photos: UInt8, network: InceptionFeatures) -> Float64:
    """Features (N, 2048) of photos (N, H, W, 3) uint8, on the network's device."""
    found = [network(batch).double().cpu().numpy() for batch in _batches(photos, network)]
    return np.concatenate(found)


@torch.inference_mode()
def perceptual_code(photo: UInt8, network: PerceptualDistance) -> Tensor:
    """The point (D,) of a photo (H, W, 3) uint8 in the space in which LPIPS is the squared distance.

    LPIPS is a weighted sum of squares of differences of features: with the roots of the weights in the
    features, N photos need N looks for all of their N x N distances. D is 640,000 at 256 x 256.
    """
    from lpips import normalize_tensor

    (batch,) = _batches(photo[None], network)
    parts = []
    layers = network.net.net(network.net.scaling_layer(from_pixels(batch)))  # (1, C, H, W) each
    for features, head in zip(layers, network.net.lins, strict=True):
        weights = head.model[-1].weight  # (1, C, 1, 1), none below 0
        share = weights / (features.shape[2] * features.shape[3])
        parts.append((normalize_tensor(features) * share.sqrt()).flatten())
    return torch.cat(parts)


def _batches(photos: UInt8, network: nn.Module) -> Iterator[Tensor]:
    """(N, H, W, 3) uint8 -> some (n, 3, H, W) uint8 at a time, on the network's device."""
    device = next(network.parameters()).device
    for start in range(0, len(photos), BATCH_SIZE):
        batch = torch.from_numpy(photos[start : start + BATCH_SIZE].copy())  # may be read-only
        yield batch.to(device).permute(0, 3, 1, 2)
