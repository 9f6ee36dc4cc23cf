"""Layers of the networks.

Those of the layout GAN (`Linear`, `Conv`, `ModulatedConv`) have weights N(0, 1), scaled when they are used,
so that all learn at one rate (Karras et al. 2018, section 4.1). They do not normalise pictures, so that a
layer can distinguish the inside of a large blank area from paper. The picture GAN, patch discriminators
and the paper's generator use `InstanceNorm`. No layer normalises over a batch: an answer does not
depend on the rest of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.constants import BLUR, DOUBLE, GAIN, NORM_EPSILON, SLOPE


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance of its input."""
    return F.leaky_relu(x, SLOPE) * GAIN


class Linear(nn.Module):
    """A linear layer with an equalised learning rate (Karras et al. 2018, section 4.1): (N, K) -> (N, L)."""

    def __init__(self, c_in: int, c_out: int, bias: float = 0.0) -> None:
        """`bias` is the initial bias of all outputs."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in))
        self.bias = nn.Parameter(torch.full((c_out,), bias))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        weight = self.weight * self.weight.shape[1] ** -0.5
        return F.linear(x, weight.to(x.dtype), self.bias.to(x.dtype))


class Conv(nn.Module):
    """A convolution whose kernels have unit length (Karras et al. 2024, section 2.3).

    First and last layers keep the length of their kernels (`keeps_length`): it sets the range of values.
    """

    def __init__(
        self, c_in: int, c_out: int, size: int = 3, stride: int = 1, *, keeps_length: bool = False
    ) -> None:
        """`size` 3 or 1 keeps the side of the picture; 4 with `stride` 2 halves it."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, size, size))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.stride, self.padding, self.keeps_length = stride, (size - 1) // 2, keeps_length

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        if self.keeps_length:
            weight = self.weight * self.weight[0].numel() ** -0.5
        else:
            weight = self.weight * torch.rsqrt(self.weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        return F.conv2d(x, weight.to(x.dtype), self.bias.to(x.dtype), self.stride, self.padding)


class ModulatedConv(nn.Module):
    """A 3x3 convolution whose input channels a style scales, demodulated (Karras et al. 2020, section 2.2).

    Demodulation depends on style and weights only. With `double`, the side of the input is doubled first.
    """

    def __init__(self, c_in: int, c_out: int, style: int, *, double: bool = False) -> None:
        """`style` is the length of a style; the scales of the input channels are 1 at first."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.style = Linear(style, c_in, bias=1.0)
        self.doubling = Doubling(c_out) if double else None

    def forward(self, x: Tensor, style: Tensor, beside: Tensor | None = None) -> Tensor:
        """(N, C, H, W) and style (N, K) -> (N, C', H, W) or, doubled, (N, C', 2H, 2W), activated.

        `beside`, of the output's shape, is added before the activation.
        """
        scale = self.style(style).float()
        weight = self.weight * self.weight[0].numel() ** -0.5
        demodulation = torch.rsqrt(scale.square() @ weight.square().sum((2, 3)).t() + 1e-6)
        x = x * scale[:, :, None, None].to(x.dtype)
        y = (
            self.doubling.convolve(x, weight)
            if self.doubling
            else F.conv2d(x, weight.to(x.dtype), None, 1, 1)
        )
        y = torch.addcmul(self.bias[:, None, None].to(y.dtype), y, demodulation[:, :, None, None].to(y.dtype))
        return activate(y if beside is None else (y + beside) * 0.5**0.5)


class Doubling(nn.Module):
    """A 3x3 convolution of a picture of twice the side, enlarged bilinearly.

    Nearest-neighbour doubling is folded into a transposed 4x4 kernel, and a [1 2 1] blur follows. Without the
    blur, plain surfaces get a woven pattern (Zhang 2019).
    """

    taps: Tensor
    blur: Tensor

    def __init__(self, c_out: int) -> None:
        """`c_out` is the number of output channels. It has no weights of its own."""
        super().__init__()
        blur = torch.tensor(BLUR)
        self.register_buffer("taps", torch.tensor(DOUBLE), persistent=False)
        self.register_buffer("blur", (blur[:, None] * blur).expand(c_out, 1, 3, 3).clone(), persistent=False)

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """(N, C, H, W) and kernel (O, C, 3, 3) -> (N, O, 2H, 2W)."""
        kernel = torch.einsum("ti,oxij,uj->xotu", self.taps, weight, self.taps)
        y = F.conv_transpose2d(x, kernel.to(x.dtype), None, 2, 1)
        return F.conv2d(y, self.blur.to(y.dtype), None, 1, 1, groups=y.shape[1])


class InstanceNorm(nn.Module):
    """Instance norm (Ulyanov et al. 2016) as one multiply-add, which keeps channels_last storage.

    torch's returns NCHW storage on the CPU, which the next convolution has to reorder.
    """

    def __init__(self, channels: int) -> None:
        """A learned scale and shift for each channel, at first 1 and 0."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, scale: Tensor | float = 1.0, shift: Tensor | float = 0.0) -> Tensor:
        """(N, C, H, W), normalised unless it is 1x1, then scaled and shifted by (N, C, 1, 1)."""
        gain = self.weight[:, None, None] * scale
        offset = self.bias[:, None, None] * scale + shift
        if x.shape[-1] > 1:
            y = x.float()
            mean = y.mean((2, 3), keepdim=True)
            variance = (y - mean).square().mean((2, 3), keepdim=True)  # torch.var takes 3 times as long
            gain = gain * torch.rsqrt(variance + NORM_EPSILON)
            offset = offset - mean * gain
        return torch.addcmul(offset.to(x.dtype), x, gain.to(x.dtype))


def group_deviation(x: Tensor, group: int) -> Tensor:
    """Features (N, C, H, W) -> their mean standard deviation within groups of a batch, (N, 1, H, W).

    It shows a discriminator that many pictures are alike (Karras et al. 2018, section 3). Members of a group
    are N / `group` apart, so that a batch that is split in strides keeps its groups. It is 0 for a batch that
    does not divide into groups.
    """
    if len(x) % group:
        return x.new_zeros(len(x), 1, *x.shape[2:])
    groups = x.float().reshape(group, -1, *x.shape[1:])
    spread = (groups.var(0, correction=0) + 1e-6).sqrt().mean((1, 2, 3)).repeat(group)
    return spread[:, None, None, None].to(x.dtype).expand(-1, 1, *x.shape[2:])


STATISTICS = 7  # numbers


def statistics(coloured: Tensor) -> Tensor:
    """Colour times mask, and mask (N, 4, H, W) -> mean colour, its deviation, largest mask value: (N, 7)."""
    mask = coloured[:, 3:].float()
    count = mask.sum((2, 3)).clamp(min=1)
    mean = coloured[:, :3].float().sum((2, 3)) / count
    variance = (coloured[:, :3].float().square() * mask).sum((2, 3)) / count - mean.square()
    return torch.cat([mean, (variance.clamp(min=0) + 1e-6).sqrt(), mask.amax((2, 3))], 1)


def per_answer(x: Tensor, sketch_of: Tensor | None) -> Tensor:
    """Features of sketches (M, ...) -> those of each answer's sketch (N, ...), by its index (N,)."""
    return x if sketch_of is None else x[sketch_of]


def resized(x: Tensor, side: int) -> Tensor:
    """A layout or picture (N, C, H, H) -> (N, C, side, side): averaged, as it is, or bilinearly enlarged."""
    if side < x.shape[-1]:
        return F.adaptive_avg_pool2d(x, side)
    return x if side == x.shape[-1] else F.interpolate(x, size=side, mode="bilinear")
