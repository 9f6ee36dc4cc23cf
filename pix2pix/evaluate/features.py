"""Features of photos, computed by pretrained networks that are loaded when they are first used."""

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


class Classification(NamedTuple):
    """The output of EfficientNet-Lite2 for a photo."""

    features: Float64  # (1280,)
    class_index: int  # of ImageNet


class FeatureNetworks:
    """The networks that metrics use. A network that cannot be loaded raises UsageError with what it needs."""

    def __init__(self, device: torch.device, subject: str | None = None) -> None:
        """`subject`, a key of `SUBJECTS`, is what photos should be recognised as."""
        self.device, self._subject = device, subject

    @cached_property
    def lpips_alex(self) -> PerceptualDistance:
        """LPIPS on AlexNet."""
        return PerceptualDistance("alex").to(self.device)

    @cached_property
    def vgg(self) -> PerceptualDistance:
        """LPIPS on VGG16, of which the backbone is used."""
        return PerceptualDistance("vgg").to(self.device)

    @cached_property
    def efficientnet(self) -> ObjectFeatures:
        """EfficientNet-Lite2, which no training uses."""
        return ObjectFeatures().to(self.device)

    @cached_property
    def inception(self) -> InceptionFeatures:
        """Inception v3, as in FID."""
        return InceptionFeatures().to(self.device)

    @property
    def subject(self) -> str:
        """What photos should be recognised as. Raises UsageError if it was not given."""
        if self._subject is None:
            raise UsageError(f"the subject is not known: give --subject {' or '.join(SUBJECTS)}")
        return self._subject


@torch.inference_mode()
def classify(photo: UInt8, network: ObjectFeatures) -> Classification:
    """Classifies a photo (H, W, 3) uint8, at the size it has, on the network's device."""
    features, logits = network(from_pixels(_as_batch(photo, network)))
    return Classification(features[0].double().cpu().numpy(), int(logits.argmax()))


@torch.inference_mode()
def inception_features(photo: UInt8, network: InceptionFeatures) -> Float64:
    """Returns features (2048,) of a photo (H, W, 3) uint8."""
    features: Float64 = network(_as_batch(photo, network))[0].double().cpu().numpy()
    return features


@torch.inference_mode()
def pooled_features(photo: UInt8, network: PerceptualDistance) -> Float64:
    """Returns the last convolution's maps over a photo (H, W, 3) uint8, averaged: (512,) of VGG16."""
    pixels = network.net.scaling_layer(from_pixels(_as_batch(photo, network)))
    features: Float64 = network.net.net(pixels)[-1][0].mean((1, 2)).double().cpu().numpy()
    return features


@torch.inference_mode()
def perceptual_code(photo: UInt8, network: PerceptualDistance) -> Tensor:
    """Returns the point (D,) of a photo (H, W, 3) uint8 in the space in which LPIPS is the squared distance.

    LPIPS is a weighted sum of squared differences of features. With the roots of the weights in the features,
    N photos need N forward passes for all of their N x N distances. D is 640,000 at 256 x 256.
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
    """Returns (1, 3, H, W), still uint8, on the network's device, for a photo (H, W, 3)."""
    device = next(network.parameters()).device
    return torch.from_numpy(photo[None].copy()).to(device).permute(0, 3, 1, 2)  # may be read-only
