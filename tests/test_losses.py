"""Losses against values worked out by hand."""

import math

import pytest
import torch

from pix2pix.training.steps import losses


def test_relativistic_losses_compare_the_patches_of_one_place() -> None:
    """What both logits of the second picture have in common costs D a little, and G nothing."""
    real, fake = torch.tensor([[2.0, 0.5], [9.0, 9.0]]), torch.tensor([[-1.0, 1.5], [9.0, 9.0]])
    log = [math.log(1 + math.exp(x)) for x in (-3, 1, 0)]
    drift = [0.01 * (0.5**2 + 1**2) / 2, 0.01 * 81]
    assert losses.discriminator_relativistic(real, fake).tolist() == pytest.approx(
        [(log[0] + log[1]) / 2 + drift[0], log[2] + drift[1]]
    )
    log = [math.log(1 + math.exp(x)) for x in (3, -1, 0)]
    assert losses.generator_relativistic(real, fake).tolist() == pytest.approx(
        [(log[0] + log[1]) / 2, log[2]]
    )


def test_accuracy_is_of_patches_or_of_pairs_of_them() -> None:
    real, fake = torch.tensor([[2.0, -1.0, 3.0, -2.0]]), torch.tensor([[1.0, -3.0, -1.0, -1.0]])
    alone, paired = (losses.discriminator_statistics("x", real, fake, paired=p) for p in (False, True))
    assert alone["accuracy_x"] == 0.625 and paired["accuracy_x"] == 0.75
    assert alone["p_real_x"] == paired["p_real_x"] == torch.sigmoid(real).mean()


def test_bce_of_an_undecided_discriminator_is_log_two() -> None:
    undecided = torch.zeros(3, 1, 2, 2)
    assert losses.discriminator_bce(undecided, undecided).tolist() == pytest.approx([math.log(2)] * 3)
    assert losses.generator_bce(undecided).tolist() == pytest.approx([math.log(2)] * 3)


def test_bce_equals_the_textbook_formula() -> None:
    real, fake = torch.tensor([[0.7]]), torch.tensor([[-1.2]])
    p_real, p_fake = (1 / (1 + math.exp(-v)) for v in (0.7, -1.2))
    expected = -0.5 * (math.log(p_real) + math.log(1 - p_fake))
    assert losses.discriminator_bce(real, fake).item() == pytest.approx(expected, rel=1e-5)
    assert losses.generator_bce(fake).item() == pytest.approx(-math.log(p_fake), rel=1e-5)


def test_l1_is_the_mean_of_each_picture() -> None:
    photo, target = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    target[1, 0] = -1
    assert losses.l1(photo, target).tolist() == pytest.approx([0.5, 2 / 3])


def test_l1_where_looks_under_the_mask_alone() -> None:
    """One pixel of the first is held to (1, 1, 1) and is 0.5 off in one channel, 1 in the others."""
    picture, coloured = torch.full((2, 3, 2, 2), 9.0), torch.zeros(2, 4, 2, 2)
    picture[0, :, 0, 1], coloured[0, :, 0, 1] = torch.tensor([0.5, 0.0, 2.0]), 1
    assert losses.l1_where(picture, coloured).tolist() == pytest.approx([2.5 / 4, 0])


def test_the_error_of_alpha_is_the_log_loss_of_each_picture() -> None:
    logit = torch.tensor([[0.0, 0.0], [2.0, -2.0]]).reshape(2, 1, 1, 2)
    mask = torch.tensor([[1.0, 0.0], [1.0, 0.5]]).reshape(2, 1, 1, 2)
    p = 1 / (1 + math.exp(-2))
    expected = (-math.log(p) - 0.5 * math.log(p) - 0.5 * math.log(1 - p)) / 2
    assert losses.alpha_log_loss(logit, mask).tolist() == pytest.approx([math.log(2), expected])


def test_divergence_of_a_shifted_and_a_wider_normal() -> None:
    """By hand: half the squared mean; half of variance - 1 - ln variance."""
    zero = torch.zeros(1, 2)
    assert losses.kl_divergence(zero, zero).item() == 0
    assert losses.kl_divergence(torch.tensor([[3.0, 4.0]]), zero).item() == pytest.approx(12.5)
    wide = torch.full((1, 2), math.log(4.0))
    assert losses.kl_divergence(zero, wide).item() == pytest.approx(3 - math.log(4.0))


def test_values_beyond_the_limit_are_counted_by_how_far() -> None:
    colour = torch.tensor([-1.5, -1.0, 0.3, 1.25])
    assert losses.beyond(colour, 1.0).item() == pytest.approx(0.75 / 4)
    assert losses.beyond(colour, 1.3).item() == pytest.approx(0.2 / 4)


def test_gradients_of_known_terms_at_the_picture() -> None:
    """Of half a sum of squares it is the picture itself; a term that looks elsewhere has none."""
    picture = torch.zeros(1, 3, 2, 2, requires_grad=True)
    with torch.no_grad():
        picture[0, :2, 0, 0] = torch.tensor([3.0, 4.0])
    elsewhere = torch.ones((), requires_grad=True)
    square = 0.5 * picture.square().sum()
    terms = {"g_square": square, "g_mean": picture.mean(), "g_other": 2 * elsewhere}
    found = losses.gradients_at(picture, terms)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {"at_picture_g_square": 5, "at_picture_g_mean": 12**-0.5, "at_picture_g_other": 0}
    )
    square.backward()  # the graph is still there, and no gradient was added to
    assert torch.equal(picture.grad, picture.detach())
