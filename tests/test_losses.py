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


def test_balanced_loss_equals_the_formula_of_hed() -> None:
    """One inked pixel of four: ink weighs 3/4, paper 1/4."""
    target = torch.tensor([-1.0, 1, 1, 1]).reshape(1, 1, 2, 2)
    ink = torch.tensor([0.8, 0.1, 0.2, 0.3]).reshape(1, 1, 2, 2)
    logs = [math.log(0.8), math.log(0.9), math.log(0.8), math.log(0.7)]
    expected = -(0.75 * logs[0] + 0.25 * sum(logs[1:])) / 4
    assert losses.balanced(1 - 2 * ink, target).item() == pytest.approx(expected, rel=1e-5)


def test_blank_paper_is_a_good_answer_to_l1_and_a_bad_one_to_the_balanced_loss() -> None:
    """A line that may be one pixel off: L1 likes no line best, the balanced loss a broad one."""
    target = torch.ones(1, 1, 16, 16)
    target[..., 8] = -1
    blank, broad = torch.full_like(target, 0.98), torch.full_like(target, 0.98)
    broad[..., 7:10] = -0.98
    assert losses.l1(blank, target) < losses.l1(broad, target)
    assert losses.balanced(broad, target) < 0.5 * losses.balanced(blank, target)


def test_feature_matching_averages_layers_and_leaves_the_real_side_alone() -> None:
    real = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([0.0], requires_grad=True)]
    fake = [torch.tensor([2.0, 4.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)]
    loss = losses.feature_matching(real, fake)
    assert loss.item() == pytest.approx((1.5 + 3.0) / 2)
    loss.backward()
    assert real[0].grad is None
    assert fake[1].grad is not None and fake[1].grad.item() == pytest.approx(0.5)


def test_divergence_of_a_shifted_and_a_wider_normal() -> None:
    """By hand: half the squared mean; half of variance - 1 - ln variance."""
    zero = torch.zeros(1, 2)
    assert losses.divergence(zero, zero).item() == 0
    assert losses.divergence(torch.tensor([[3.0, 4.0]]), zero).item() == pytest.approx(12.5)
    wide = torch.full((1, 2), math.log(4.0))
    assert losses.divergence(zero, wide).item() == pytest.approx(3 - math.log(4.0))


def test_mode_seeking_asks_for_pictures_as_far_apart_as_their_latents() -> None:
    photo, z = torch.zeros(2, 3, 4, 4), torch.zeros(2, 5)
    near = losses.mode_seeking(photo, photo + 0.1, z, z + 1)
    far = losses.mode_seeking(photo, photo + 0.5, z, z + 1)
    assert near.item() == pytest.approx(1 / 0.101) and far.item() == pytest.approx(1 / 0.501)
    assert losses.mode_seeking(photo, photo, z, z + 1).isfinite()


def test_the_gradient_penalty_of_a_linear_critic_is_known() -> None:
    """D = 2 x mean over 4 patches of x: its gradient is 1/2 at each of 4 pixels, half its square sum 1/2."""
    real = torch.randn(3, 1, 2, 2, requires_grad=True)
    assert losses.gradient_penalty(real, [2 * real]).item() == pytest.approx(0.5)
    assert losses.gradient_penalty(real, [2 * real, 2 * real]).item() == pytest.approx(2.0)


def test_a_loss_of_several_scales_is_their_mean() -> None:
    real, fake = [torch.tensor([2.0]), torch.tensor([0.0])], [torch.tensor([-2.0]), torch.tensor([0.0])]
    assert losses.mean_of(losses.discriminator_hinge, real, fake).item() == 1.0
    assert losses.mean_of(losses.generator_hinge, fake).item() == 1.0
