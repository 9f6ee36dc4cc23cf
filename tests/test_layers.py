"""The shared layers against plain torch: what they keep, and what one picture's style cannot reach."""

import math

import pytest
import torch
import torch.nn.functional as F

from pix2pix.model.layers import Conv, InstanceNorm, Linear, ModulatedConv, activate, statistics


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_activation_keeps_the_mean_square() -> None:
    """Of N(0, 1): half as it is, half at a fifth, so (1 + 0.04) / 2, times 2."""
    assert activate(torch.randn(100_000)).square().mean().item() == pytest.approx(1.04, rel=0.02)


def test_linear_keeps_the_variance_and_begins_with_its_bias() -> None:
    layer = Linear(256, 512, bias=3.0)
    y = layer(torch.randn(64, 256))
    assert y.mean().item() == pytest.approx(3, abs=0.05) and y.std().item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("size, stride, side", [(3, 1, 8), (1, 1, 8), (4, 2, 4)])
def test_kernels_have_unit_length_whatever_the_weights_scale(size: int, stride: int, side: int) -> None:
    conv, x = Conv(5, 3, size, stride), torch.randn(2, 5, 8, 8)
    lengths = conv.weight.flatten(1).norm(dim=1)[:, None, None, None]
    expected = F.conv2d(x, conv.weight / lengths, None, stride, (size - 1) // 2)
    assert expected.shape == (2, 3, side, side)
    torch.testing.assert_close(conv(x), expected)
    with torch.no_grad():
        conv.weight.mul_(torch.tensor([0.1, 5.0, 30.0])[:, None, None, None])
    torch.testing.assert_close(conv(x), expected)


def test_an_output_layer_keeps_the_length_of_its_kernels() -> None:
    conv, x = Conv(5, 3, 1, keeps_length=True), torch.randn(2, 5, 8, 8)
    before = conv(x)
    with torch.no_grad():
        conv.weight.mul_(3)
    torch.testing.assert_close(conv(x), 3 * before)


def test_demodulation_keeps_the_variance_whatever_the_style() -> None:
    conv = ModulatedConv(64, 64, 8)
    x = torch.randn(2, 64, 32, 32)
    for loudness in (0.1, 1.0, 30.0):
        y = conv(x, loudness * torch.randn(2, 8))[:, :, 1:-1, 1:-1]
        assert y.square().mean((1, 2, 3)).tolist() == pytest.approx([1.04] * 2, rel=0.1)


def test_doubling_equals_enlarging_convolving_and_blurring() -> None:
    """The transposed 4x4 kernel and the blur against the plain operations, borders included."""
    conv = ModulatedConv(5, 3, 8, double=True)
    torch.nn.init.normal_(conv.bias)
    x, style, beside = torch.randn(2, 5, 6, 7), torch.randn(2, 8), torch.randn(2, 3, 12, 14)
    expected = []
    for picture, own in zip(x, style, strict=True):
        scale = conv.style(own[None])[0]
        kernel = conv.weight * scale[:, None, None]
        kernel = kernel / kernel.flatten(1).norm(dim=1)[:, None, None, None]
        enlarged = F.interpolate(picture[None], scale_factor=2.0, mode="nearest")
        y = F.conv2d(enlarged, kernel.flip(2, 3), padding=1)  # transposed, kernels lie the other way round
        blur = torch.tensor([1.0, 2.0, 1.0])
        blurred = F.conv2d(y.transpose(0, 1), torch.outer(blur, blur)[None, None] / 16, padding=1)
        expected.append(blurred.transpose(0, 1) + conv.bias[:, None, None])
    plain = torch.cat(expected)
    torch.testing.assert_close(conv(x, style), activate(plain), atol=1e-5, rtol=1e-4)
    joined = activate((plain + beside) / math.sqrt(2))
    torch.testing.assert_close(conv(x, style, beside), joined, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("double", [False, True])
def test_the_style_of_one_picture_changes_no_other(double: bool) -> None:
    conv = ModulatedConv(4, 4, 8, double=double)
    x, style = torch.randn(3, 4, 8, 8), torch.randn(3, 8)
    before = conv(x, style)
    style[1] *= -2
    after = conv(x, style)
    assert torch.equal(after[::2], before[::2]) and (after[1] - before[1]).abs().max() > 0.1


def test_statistics_by_hand() -> None:
    """Two pixels of product out of four, of -0.5 and 0.5 in red, 0.25 in green, -1 and 0 in blue."""
    coloured = torch.zeros(2, 4, 2, 2)
    coloured[0, :, 0] = torch.tensor([[-0.5, 0.5], [0.25, 0.25], [-1.0, 0.0], [1.0, 1.0]])
    found = statistics(coloured)
    deviation = [math.sqrt(variance + 1e-6) for variance in (0.25, 0.0, 0.25)]
    assert found[0].tolist() == pytest.approx([0.0, 0.25, -0.5, *deviation, 1.0], abs=1e-6)
    assert found[1].tolist() == pytest.approx([0, 0, 0, 1e-3, 1e-3, 1e-3, 0], abs=1e-6)


def test_instance_norm_is_scaled_and_shifted_for_each_picture() -> None:
    norm, x = InstanceNorm(3), 5 + 2 * torch.randn(2, 3, 16, 16)
    scale, shift = torch.randn(2, 3, 1, 1), torch.randn(2, 3, 1, 1)
    expected = F.instance_norm(x) * scale + shift
    torch.testing.assert_close(norm(x, scale, shift), expected, atol=1e-4, rtol=1e-3)
