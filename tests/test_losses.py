"""Losses against values worked out by hand."""

import math

import pytest
import torch

from pix2pix import losses


def test_hinge_asks_for_a_margin_of_one() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.25])
    # real: (0 + 0.5) / 2; fake: (0 + 1.25) / 2
    assert losses.discriminator_hinge(real, fake).item() == pytest.approx(0.25 + 0.625)
    assert losses.generator_hinge(fake).item() == pytest.approx(0.875)


def test_bce_of_an_undecided_discriminator_is_log_two() -> None:
    undecided = torch.zeros(3)
    assert losses.discriminator_bce(undecided, undecided).item() == pytest.approx(math.log(2))
    assert losses.generator_bce(undecided).item() == pytest.approx(math.log(2))


def test_bce_equals_the_textbook_formula() -> None:
    real, fake = torch.tensor([0.7]), torch.tensor([-1.2])
    p_real, p_fake = (1 / (1 + math.exp(-v)) for v in (0.7, -1.2))
    expected = -0.5 * (math.log(p_real) + math.log(1 - p_fake))
    assert losses.discriminator_bce(real, fake).item() == pytest.approx(expected, rel=1e-5)
    assert losses.generator_bce(fake).item() == pytest.approx(-math.log(p_fake), rel=1e-5)


def test_feature_matching_averages_layers_and_leaves_the_real_side_alone() -> None:
    real = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([0.0], requires_grad=True)]
    fake = [torch.tensor([2.0, 4.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)]
    loss = losses.feature_matching(real, fake)
    assert loss.item() == pytest.approx((1.5 + 3.0) / 2)
    loss.backward()
    assert real[0].grad is None
    assert fake[1].grad is not None and fake[1].grad.item() == pytest.approx(0.5)
