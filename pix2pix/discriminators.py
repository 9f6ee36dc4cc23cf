"""The discriminators of the picture GAN: on frozen features, on pixels, and on the coarse picture.

Each is given the sketch as well. The one on pixels is the PatchGAN of Isola et al. 2017, also the only one of
the paper's architecture; a bundle holds it, as it paints the realism map.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from pix2pix.architecture import NORM_EPSILON, SLOPE
from pix2pix.config import DiscriminatorConfig
from pix2pix.layers import group_deviation
from pix2pix.projected import MIXED

COARSE_PX = 32
GROUP = 2  # pictures whose deviation the coarse discriminator sees
HALVINGS = (2, 1, 0, 0)  # of each stage of features, so that all end at 5 or 10 patches a side
FOLD = 4  # pixels of the sketch's side, folded into channels for the feature discriminators


class InstanceNorm(nn.Module):
    """Instance norm (Ulyanov et al. 2016) as one multiply-add, which keeps channels_last storage.

    torch's own returns NCHW storage on the CPU, so that every convolution after it starts by reordering.
    """

    def __init__(self, channels: int) -> None:
        """A learned scale and shift a channel, at first 1 and 0."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), normalised unless it is 1x1."""
        gain, offset = self.weight[:, None, None], self.bias[:, None, None]
        if x.shape[-1] > 1:
            variance, mean = torch.var_mean(x.float(), dim=(2, 3), keepdim=True, correction=0)
            gain = gain * torch.rsqrt(variance + NORM_EPSILON)
            offset = offset - mean * gain
        return torch.addcmul(offset.to(x.dtype), x, gain.to(x.dtype))


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017): is each patch of a photo likely for the sketch?"""

    def __init__(self, config: DiscriminatorConfig) -> None:
        """Weights are normal, of deviation 0.02 (Isola et al. 2017, section 6.2)."""
        super().__init__()
        channels = (1 + 3, *config.widths, 1)
        convs = [
            nn.Conv2d(a, b, 4, stride, padding=1)
            for (a, b), stride in zip(pairwise(channels), config.strides, strict=True)
        ]
        for conv in convs:
            nn.init.normal_(conv.weight, 0.0, 0.02)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        self.convs = nn.ModuleList(convs)
        self.norms = nn.ModuleList(InstanceNorm(c) for c in config.widths[1:])

    def forward(self, sketch: Tensor, photo: Tensor) -> Tensor:
        """(N, 1, S, S) and (N, 3, S, S), both in [-1, 1] -> logits of patches (N, 1, H, W)."""
        x = torch.cat([sketch, photo], dim=1)
        for i, conv in enumerate(self.convs[:-1]):
            x = conv(x)
            x = F.leaky_relu(self.norms[i - 1](x) if i else x, SLOPE)
        logits: Tensor = self.convs[-1](x)
        return logits

    def probabilities(self, sketch: Tensor, photo: Tensor, size_px: int) -> Tensor:
        """How likely each patch is real, looked at in `size_px`: (N, 1, H, W) in 0..1.

        0.5 is where the discriminator changes its mind. Hinge loss trains no calibrated probability.
        """
        sketch, photo = (F.adaptive_avg_pool2d(x, size_px) for x in (sketch, photo))
        return torch.sigmoid(self(sketch, photo).float())


class FeatureDiscriminator(nn.Module):
    """Logits of patches of one stage of projected features (Sauer et al. 2021), beside the sketch."""

    def __init__(self, c_in: int, halvings: int, width: int) -> None:
        """`halvings` strided convolutions come first."""
        super().__init__()
        self.sketch = spectral_norm(nn.Conv2d(FOLD**2, FOLD**2, 3, padding=1))
        layers: list[nn.Module] = []
        channels = c_in + FOLD**2
        for _ in range(halvings):
            layers += [spectral_norm(nn.Conv2d(channels, width, 4, 2, 1)), nn.LeakyReLU(SLOPE)]
            channels = width
        layers += [spectral_norm(nn.Conv2d(channels, width, 3, 1, 1)), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.logit = spectral_norm(nn.Conv2d(width, 1, 3, 1, 1))

    def forward(self, features: Tensor, folded: Tensor) -> Tensor:
        """Features (N, C, h, w) and the folded ink (N, 16, S/4, S/4) -> logits (N, 1, h', w')."""
        side = features.shape[-1]
        if side <= folded.shape[-1]:
            ink = F.adaptive_avg_pool2d(folded, side)
        else:
            ink = F.interpolate(folded, size=(side, side), mode="nearest")
        logits: Tensor = self.logit(self.layers(torch.cat([features, self.sketch(ink)], 1)))
        return logits


class CoarseDiscriminator(nn.Module):
    """The whole picture at 32 px beside its ink, without any norm: it can see colours and shading.

    It also sees how far two pictures of a batch are apart, so that many of one colour give themselves away.
    It needs a gradient penalty.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        """`widths` are channels at 16, 8 and 4 px."""
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise((1 + 3, *widths)))
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, 1, 1)
        self.logit = nn.Conv2d(widths[-1], 1, 4, 1, 0)
        for conv in (*self.down, self.last, self.logit):
            nn.init.kaiming_normal_(conv.weight, SLOPE)
            nn.init.zeros_(conv.bias)

    @staticmethod
    def shrink(photo: Tensor, ink: Tensor) -> Tensor:
        """Photo (N, 3, S, S) and ink (N, 1, S, S) as this discriminator looks at them, (N, 4, 32, 32)."""
        return F.adaptive_avg_pool2d(torch.cat([photo.float(), ink], 1), COARSE_PX)

    def forward(self, small: Tensor) -> Tensor:
        """(N, 4, 32, 32) of `shrink` -> logits (N, 1, 1, 1)."""
        x = small
        for conv in self.down:
            x = F.leaky_relu(conv(x), SLOPE)
        x = torch.cat([x, group_deviation(x, GROUP)], 1)
        logits: Tensor = self.logit(F.leaky_relu(self.last(x), SLOPE))
        return logits

    def penalty(self, photo: Tensor, ink: Tensor) -> Tensor:
        """Mean squared gradient of the logits at real pictures (R1, Mescheder et al. 2018, eq. 9)."""
        small = self.shrink(photo, ink).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self(small).mean((1, 2, 3)).sum(), small, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean()


class PictureDiscriminators(nn.Module):
    """All of them for pictures of one kind: whole ones at half size, or windows at full size."""

    def __init__(self, config: DiscriminatorConfig, *, coarse: bool) -> None:
        """Windows have no coarse one: they show no whole product."""
        super().__init__()
        self.features = nn.ModuleList(
            FeatureDiscriminator(MIXED, halvings, config.features_width) for halvings in HALVINGS
        )
        self.pixels = PatchDiscriminator(config)
        self.coarse = CoarseDiscriminator(config.coarse_widths) if coarse else None

    def forward(self, photo: Tensor, ink: Tensor, projected: list[Tensor]) -> dict[str, list[Tensor]]:
        """Logits by kind: "features" of every stage, "pixels", and "coarse".

        Photo (N, 3, S, S) in [-1, 1], ink (N, 1, S, S) in 0..1, features of `Projection`.
        """
        folded = F.pixel_unshuffle(ink, FOLD)
        stages = zip(self.features, projected, strict=True)
        logits = {
            "features": [look(x, folded) for look, x in stages],
            "pixels": [self.pixels(1 - 2 * ink, photo)],
        }
        if self.coarse is not None:
            logits["coarse"] = [self.coarse(self.coarse.shrink(photo, ink))]
        return {kind: [x.float() for x in some] for kind, some in logits.items()}

    @torch.no_grad()
    def follow_norms(self) -> None:
        """One power iteration of each spectral norm (Miyato et al. 2018, algorithm 1).

        In evaluation mode nothing else makes one: how often a discriminator looks between two steps changes
        nothing.
        """
        for module in self.modules():
            if is_parametrized(module, "weight"):
                module.train()
                module.weight  # noqa: B018 - computing it iterates
                module.eval()
