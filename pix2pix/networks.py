"""The two players: U-Net generator G(sketch, z) and PatchGAN discriminator D(sketch, photo).

Nothing in either depends on batch-mates: instance or spectral normalisation only, so that a picture is the
same alone and in any batch. G is fully convolutional: the resolution is the input's, not the weights'.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.config import ModelConfig

SLOPE = 0.2  # of the leaky rectifiers (Radford et al. 2016)


class Modulate(nn.Module):
    """Instance norm whose scale and shift are functions of z (FiLM, Perez et al. 2018)."""

    def __init__(self, channels: int, latent_size: int) -> None:
        """`latent_size` 0 leaves a plain learned scale and shift."""
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, affine=True)
        self.film = nn.Linear(latent_size, 2 * channels) if latent_size else None

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(N, C, H, W), (N, Z) -> (N, C, H, W)."""
        if x.shape[-1] > 1:  # a 1x1 map has no spread to normalise
            x = self.norm(x)
        if self.film is not None:
            scale, shift = self.film(z)[..., None, None].chunk(2, dim=1)
            x = x * (1 + scale) + shift
        return x


class Down(nn.Module):
    """Halve the resolution: strided convolution, normalisation, leaky rectifier."""

    def __init__(self, c_in: int, c_out: int, *, norm: bool) -> None:
        """`norm` False for the outermost stage, as in the paper."""
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4, stride=2, padding=1)
        self.norm = nn.InstanceNorm2d(c_out, affine=True) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H/2, W/2)."""
        x = self.conv(x)
        if self.norm is not None and x.shape[-1] > 1:
            x = self.norm(x)
        return F.leaky_relu(x, SLOPE)


class Up(nn.Module):
    """Double the resolution, join the encoder's features of that size, modulate by z."""

    def __init__(self, c_in: int, c_skip: int, c_out: int, config: ModelConfig, *, dropout: float) -> None:
        """`resize` convolves after nearest enlargement: no checkerboard (Odena et al. 2016)."""
        super().__init__()
        self.transposed = (
            nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1)
            if config.upsample == "transposed"
            else None
        )
        self.conv = None if self.transposed else nn.Conv2d(c_in + c_skip, c_out, 3, padding=1)
        self.modulate = Modulate(c_out, config.latent_size)
        self.dropout = dropout

    def forward(self, x: Tensor, skip: Tensor, z: Tensor) -> Tensor:
        """(N, C, H, W), (N, S, 2H, 2W), (N, Z) -> (N, C', 2H, 2W), for `transposed` with skip appended."""
        if self.transposed is not None:
            x = self.modulate(self.transposed(x), z)
            x = F.dropout(x, self.dropout, self.training)
            return F.relu(torch.cat([x, skip], dim=1))
        assert self.conv is not None
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return F.relu(self.modulate(self.conv(torch.cat([x, skip], dim=1)), z))


class Generator(nn.Module):
    """U-Net (Ronneberger et al. 2015; Isola et al. 2017) from a sketch and a latent to a photo."""

    def __init__(self, config: ModelConfig) -> None:
        """Weights are drawn from torch's global generator: seed it first."""
        super().__init__()
        self.config = config
        transposed = config.upsample == "transposed"
        stages = config.widths
        folded = config.shuffle**2
        if config.shuffle > 1:  # a stem at 1/shuffle resolution, then one Down a further stage
            self.stem: nn.Module = nn.Conv2d(folded, stages[0], 3, padding=1)
        else:
            self.stem = nn.Identity()
        inputs = list(stages) if config.shuffle > 1 else [1, *stages]
        self.downs = nn.ModuleList(
            Down(a, b, norm=i > 0 and i < len(inputs) - 2) for i, (a, b) in enumerate(pairwise(inputs))
        )
        self.ups = nn.ModuleList()
        carried = inputs[-1]
        skips = inputs[:-1] if config.shuffle > 1 else inputs[1:-1]
        for depth, skip in enumerate(reversed(skips)):
            dropout = config.dropout if depth < 3 else 0.0
            self.ups.append(Up(carried, skip, skip, config, dropout=dropout))
            carried = 2 * skip if transposed else skip
        if transposed:
            self.head: nn.Module = nn.ConvTranspose2d(carried, 3, 4, stride=2, padding=1)
        else:
            self.head = nn.Conv2d(carried + 1, 3, 3, padding=1)
        self.apply(_initialise)

    def forward(self, sketch: Tensor, z: Tensor) -> Tensor:
        """(N, 1, H, W) in [-1, 1], paper +1, and (N, Z) -> photo (N, 3, H, W) in [-1, 1]."""
        x = F.pixel_unshuffle(sketch, self.config.shuffle) if self.config.shuffle > 1 else sketch
        x = self.stem(x)
        skips = [x]
        for down in self.downs:
            x = down(x)
            skips.append(x)
        skips.pop()
        for up in self.ups:
            x = up(x, skips.pop(), z)
        if self.config.upsample == "resize":
            if self.config.shuffle > 1:
                x = F.interpolate(x, scale_factor=float(self.config.shuffle), mode="nearest")
            x = torch.cat([x, sketch], dim=1)
        return torch.tanh(self.head(x))


class Discriminator(nn.Module):
    """PatchGAN (Isola et al. 2017): is each patch of the photo a likely answer to the sketch?"""

    def __init__(self, widths: tuple[int, ...], norm: str) -> None:
        """Four widths see patches of 70x70 pixels. `norm` is "instance" or "spectral"."""
        super().__init__()
        convs: list[nn.Module] = [nn.Conv2d(4, widths[0], 4, 2, 1)]
        for i, (a, b) in enumerate(pairwise(widths)):
            convs.append(nn.Conv2d(a, b, 4, stride=2 if i < len(widths) - 2 else 1, padding=1))
        convs.append(nn.Conv2d(widths[-1], 1, 4, 1, 1))
        for conv in convs:
            _initialise(conv)
        if norm == "spectral":
            convs = [nn.utils.parametrizations.spectral_norm(conv) for conv in convs]
        self.convs = nn.ModuleList(convs)
        inner = widths[1:] if norm == "instance" else []
        self.norms = nn.ModuleList(nn.InstanceNorm2d(c, affine=True) for c in inner)

    def forward(self, sketch: Tensor, photo: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Both sides in [-1, 1] -> logits (N, 1, H', W') and the features of every layer before them."""
        x = torch.cat([sketch, photo], dim=1)  # (N, 4, H, W)
        features = []
        for i, conv in enumerate(self.convs[:-1]):
            x = conv(x)
            if i > 0 and len(self.norms):
                x = self.norms[i - 1](x)
            x = F.leaky_relu(x, SLOPE)
            features.append(x)
        return self.convs[-1](x), features


def _initialise(module: nn.Module) -> None:
    """Normal weights of deviation 0.02 (Isola et al. 2017, section 6.2); FiLM starts as no modulation."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, Modulate) and module.film is not None:
        nn.init.normal_(module.film.weight, 0.0, 0.02)
        nn.init.zeros_(module.film.bias)
