"""The networks that look at photos, each loaded when it is first asked."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pix2pix.errors import UsageError
from pix2pix.evaluate.estimates import SUBJECTS, Float64
from pix2pix.evaluate.perceptual import InceptionFeatures, ObjectFeatures, PerceptualDistance
from pix2pix.images.framing import UInt8
from pix2pix.images.tensors import from_pixels


class Description(NamedTuple):
    """What EfficientNet-Lite2 says of a photo: `features` (1280,), and the class of ImageNet as an index."""

    features: Float64
    kind: int


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
    def textures(self) -> PerceptualDistance:
        """VGG16, as LPIPS has it."""
        return PerceptualDistance("vgg").to(self.device)

    @cached_property
    def objects(self) -> ObjectFeatures:
        """EfficientNet-Lite2, which no training looks through."""
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


@torch.inference_mode()
def describe(photo: UInt8, network: ObjectFeatures) -> Description:
    """Look at a photo (H, W, 3) uint8 at the size it has, on the network's device."""
    features, logits = network(from_pixels(_as_batch(photo, network)))
    return Description(features[0].double().cpu().numpy(), int(logits.argmax()))


@torch.inference_mode()
def inception_features(photo: UInt8, network: InceptionFeatures) -> Float64:
    """Features (2048,) of a photo (H, W, 3) uint8, on the network's device."""
    features: Float64 = network(_as_batch(photo, network))[0].double().cpu().numpy()
    return features


@torch.inference_mode()
def pooled_features(photo: UInt8, network: PerceptualDistance) -> Float64:
    """The last convolutions' maps over a photo (H, W, 3) uint8, averaged: (512,) of VGG16."""
    pixels = network.net.scaling_layer(from_pixels(_as_batch(photo, network)))
    features: Float64 = network.net.net(pixels)[-1][0].mean((1, 2)).double().cpu().numpy()
    return features


@torch.inference_mode()
def perceptual_code(photo: UInt8, network: PerceptualDistance) -> Tensor:
    """The point (D,) of a photo (H, W, 3) uint8 in the space in which LPIPS is the squared distance.

    LPIPS is a weighted sum of squares of differences of features: with the roots of the weights in the
    features, N photos need N looks for all of their N x N distances. D is 640,000 at 256 x 256.
    """
    from lpips import normalize_tensor

    parts = []
    pixels = network.net.scaling_layer(from_pixels(_as_batch(photo, network)))
    layers = network.net.net(pixels)  # (1, C, H, W) each
    for features, head in zip(layers, network.net.lins, strict=True):
        weights = head.model[-1].weight  # (1, C, 1, 1), none below 0
        share = weights / (features.shape[2] * features.shape[3])
        parts.append((normalize_tensor(features) * share.sqrt()).flatten())
    return torch.cat(parts)


def _as_batch(photo: UInt8, network: nn.Module) -> Tensor:
    """(H, W, 3) -> (1, 3, H, W), still uint8, on the network's device."""
    device = next(network.parameters()).device
    return torch.from_numpy(photo[None].copy()).to(device).permute(0, 3, 1, 2)  # may be read-only
