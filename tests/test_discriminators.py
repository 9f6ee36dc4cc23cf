"""Discriminators: what each sees of a picture, of its sketch and of its batch."""

from dataclasses import replace

import pytest
import torch
from conftest import CRITIC
from torch import nn

from pix2pix.errors import UsageError
from pix2pix.model.config import DiscriminatorConfig
from pix2pix.model.layers import InstanceNorm
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.training.config import PRESETS, train_config
from pix2pix.training.steps.discriminators import CoarseDiscriminator, PictureDiscriminators


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_papers_discriminator_has_the_published_size() -> None:
    convs = 16 * (4 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1)
    built = PatchDiscriminator(PRESETS["paper"].discriminator)
    assert sum(p.numel() for p in built.parameters() if p.ndim == 4) == convs


def test_a_patch_is_70_pixels() -> None:
    d = PatchDiscriminator(DiscriminatorConfig((4, 8, 16, 32)))
    d.norms = nn.ModuleList(nn.Identity() for _ in d.norms)  # statistics are of the whole picture
    photo = torch.randn(1, 3, 160, 160, requires_grad=True)
    logits = d(torch.randn(1, 1, 160, 160), photo)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    assert photo.grad is not None
    seen = photo.grad.abs().sum(dim=(0, 1)).nonzero()
    extent = seen.amax(dim=0) - seen.amin(dim=0) + 1
    assert extent.tolist() == [70, 70]


@pytest.mark.parametrize("side_px, patches", [(256, 30), (128, 14)])
def test_four_widths_give_the_papers_patches(side_px: int, patches: int) -> None:
    d = PatchDiscriminator(DiscriminatorConfig((4, 4, 4, 4)))
    shape = d(torch.zeros(2, 1, side_px, side_px), torch.zeros(2, 3, side_px, side_px)).shape
    assert shape == (2, 1, patches, patches)


def test_probabilities_are_those_of_the_picture_shrunk() -> None:
    d = PatchDiscriminator(CRITIC)
    nn.init.normal_(d.convs[-1].weight)  # type: ignore[arg-type]
    sketch, photo = torch.randn(2, 1, 64, 64), torch.randn(2, 3, 64, 64)
    chances = d.probabilities(sketch, photo, 32)
    small = [nn.functional.avg_pool2d(x, 2) for x in (sketch, photo)]
    torch.testing.assert_close(chances, torch.sigmoid(d(*small)))
    assert 0 < chances.min() < 0.5 < chances.max() < 1


def test_a_folded_picture_has_as_many_patches_and_its_finest_detail() -> None:
    d, folded = (PatchDiscriminator(replace(CRITIC, fold=fold)) for fold in (1, 2))
    sketch, photo = torch.zeros(1, 1, 64, 64), torch.zeros(1, 3, 64, 64)
    stripes = photo.clone()
    stripes[..., ::2], stripes[..., 1::2] = 1.0, -1.0
    assert folded(sketch, photo).shape == d(sketch[..., :32, :32], photo[..., :32, :32]).shape
    assert not torch.equal(folded(sketch, photo), folded(sketch, stripes))
    plain, striped = (d.probabilities(sketch, x, 32) for x in (photo, stripes))
    assert torch.equal(plain, striped), "averaged, both are grey"
    plain, striped = (folded.probabilities(sketch, x, 32) for x in (photo, stripes))
    assert not torch.equal(plain, striped)


def test_only_the_papers_pictures_cannot_be_folded() -> None:
    with pytest.raises(UsageError, match="fold must be 1"):
        train_config("paper", discriminator=replace(CRITIC, fold=2))
    with pytest.raises(UsageError, match="fold 3 is not one of 1, 2"):
        replace(CRITIC, fold=3)
    assert train_config("default").discriminator.fold == 2


@pytest.mark.parametrize("widths", [(4,), (4, 8), (4, 8, 8), (4, 8, 8, 8)])
def test_a_discriminator_says_what_it_can_look_at(widths: tuple[int, ...]) -> None:
    config = DiscriminatorConfig(widths=widths)
    d = PatchDiscriminator(config)
    smallest = next(side for side in range(1, 200) if config.sees(side))
    assert d(torch.zeros(1, 1, smallest, smallest), torch.zeros(1, 3, smallest, smallest)).numel()
    smaller = smallest - 1
    with pytest.raises(RuntimeError):
        d(torch.zeros(1, 1, smaller, smaller), torch.zeros(1, 3, smaller, smaller))


def test_pictures_too_small_for_the_discriminator_are_refused() -> None:
    with pytest.raises(UsageError, match="of 8 widths is too deep for pictures of 128 px"):
        train_config("default", discriminator=DiscriminatorConfig(widths=(4,) * 8))
    small = replace(PRESETS["default"].model, size_px=64)
    with pytest.raises(UsageError, match="of 7 widths is too deep for pictures of 32 px"):
        train_config("default", model=small, discriminator=DiscriminatorConfig(widths=(4,) * 7))


def test_instance_norm_equals_torchs_own() -> None:
    ours, reference = InstanceNorm(4), nn.InstanceNorm2d(4, affine=True)
    for norm in (ours, reference):
        norm.load_state_dict({"weight": torch.arange(4.0), "bias": torch.arange(4.0)})
    x = 3 + 2 * torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(ours(x), reference(x), atol=1e-5, rtol=0)
    assert ours(x.to(memory_format=torch.channels_last)).is_contiguous(memory_format=torch.channels_last)
    fresh = InstanceNorm(4)
    assert torch.equal(fresh(x[..., :1, :1]), x[..., :1, :1])  # a 1x1 map passes


def test_the_coarse_one_sees_the_deviation_of_two_pictures_and_of_no_others() -> None:
    d, small = CoarseDiscriminator((8, 8, 8)), torch.randn(1, 4, 32, 32).repeat(4, 1, 1, 1)
    logits = d(small)
    assert logits.shape == (4, 1, 1, 1)
    torch.testing.assert_close(logits, d(small[:2]).repeat(2, 1, 1, 1))
    small[3] += 1
    after = d(small)
    torch.testing.assert_close(after[[0, 2]], logits[[0, 2]])
    assert (after[1] - logits[1]).abs() > 1e-4  # beside the one that changed: half of the batch apart


def test_the_coarse_one_looks_at_32_pixels() -> None:
    photo, ink = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    small = CoarseDiscriminator.shrink(photo, ink)
    torch.testing.assert_close(small[:, :3], nn.functional.avg_pool2d(photo, 2))
    torch.testing.assert_close(small[:, 3:], nn.functional.avg_pool2d(ink, 2))


def test_the_coarse_one_can_see_plain_colours() -> None:
    """A norm over the picture would take them away."""
    d = CoarseDiscriminator((8, 8, 8))
    red, blue = torch.zeros(2, 1, 4, 32, 32)
    red[:, 0], blue[:, 2] = 1, 1
    assert (d(red) - d(blue)).abs() > 0.01


def test_the_penalty_is_the_squared_gradient_and_can_be_learned_from() -> None:
    """Against finite differences at one picture, where the batch has no deviation."""
    d = CoarseDiscriminator((4, 4, 4)).double()
    photo, ink = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    small = d.shrink(photo, ink).double().requires_grad_()
    (gradient,) = torch.autograd.grad(d(small).sum(), small)
    direction = gradient / gradient.norm()
    step = 1e-4 * direction
    slope = (d(small + step) - d(small - step)).sum() / 2e-4
    penalty = d.penalty(photo.double(), ink.double())
    assert penalty.item() == pytest.approx(slope.item() ** 2, rel=1e-3) and penalty > 0
    penalty.backward()
    assert all(conv.weight.grad is not None and conv.weight.grad.any() for conv in d.down)


LookedAt = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture
def looked_at() -> LookedAt:
    return torch.randn(2, 3, 64, 64), torch.rand(2, 1, 64, 64), torch.rand(2, 1, 64, 64)


def test_all_depend_on_the_sketch(looked_at: LookedAt) -> None:
    d = PictureDiscriminators(CRITIC, 64)
    photo, alpha, ink = looked_at
    assert kinds_that_differ(d(photo, alpha, ink), d(photo, alpha, ink.square())) == {
        "pixels",
        "pixels_half",
        "coarse",
        "outline",
    }


def test_only_the_one_of_the_outline_sees_alpha_and_it_sees_no_colour(looked_at: LookedAt) -> None:
    d = PictureDiscriminators(CRITIC, 64)
    photo, alpha, ink = looked_at
    found = d(photo, alpha, ink)
    assert kinds_that_differ(found, d(photo, alpha.square(), ink)) == {"outline"}
    assert kinds_that_differ(found, d(photo.flip(3), alpha, ink)) == {"pixels", "pixels_half", "coarse"}


def kinds_that_differ(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    return {kind for kind, logits in a.items() if (logits - b[kind]).abs().max() > 1e-5}


def test_pixels_are_judged_beside_a_sketch_with_white_paper(looked_at: LookedAt) -> None:
    """As for the realism map."""
    d = PictureDiscriminators(CRITIC, 64)
    photo, alpha, ink = looked_at
    torch.testing.assert_close(d(photo, alpha, ink)["pixels"], d.pixels(1 - 2 * ink, photo))


def test_contrast_reaches_a_discriminator_without_instance_norm() -> None:
    """Instance norm takes it away: pictures with twice the contrast are nearly the same to it."""
    sketch, photo = torch.ones(1, 1, 64, 64), torch.randn(1, 3, 64, 64)
    changes = {}
    for instance_norm in (False, True):
        torch.manual_seed(0)
        d = PatchDiscriminator(replace(CRITIC, instance_norm=instance_norm))
        with torch.no_grad():
            d.convs[0].weight[:, 0] = 0  # type: ignore[index]  # of the sketch, which keeps its contrast
            a, b = d(sketch, photo), d(sketch, 2 * photo)
        changes[instance_norm] = float((a - b).norm() / a.norm())
    assert changes == {False: pytest.approx(1), True: pytest.approx(0, abs=0.05)}


def test_logits_at_half_the_side_are_those_of_pictures_of_half_the_side(looked_at: LookedAt) -> None:
    d = PictureDiscriminators(CRITIC, 64)
    photo, alpha, ink = looked_at
    small = [nn.functional.avg_pool2d(x, 2) for x in (1 - 2 * ink, photo)]
    torch.testing.assert_close(d(photo, alpha, ink)["pixels_half"], d.pixels_half(*small))


def test_penalties_on_pixels_are_of_logits_over_the_root_of_their_number(looked_at: LookedAt) -> None:
    d = PictureDiscriminators(replace(CRITIC, instance_norm=False), 64).double()
    photo, _, ink = (x.double() for x in looked_at)
    expected = 0.0
    x = photo.clone().requires_grad_()
    logits = d(x, ink, ink)
    for kind in ("pixels", "pixels_half"):
        (gradient,) = torch.autograd.grad(logits[kind].sum(), x, retain_graph=True)
        expected += float(gradient.square().sum() / logits[kind].numel())
    d.float()
    coarse, pixels = d.penalties(photo.float(), ink.float())
    assert pixels.item() == pytest.approx(expected, rel=1e-3) and coarse > 0


def test_pictures_of_less_than_two_patches_are_not_judged_at_half_their_side(looked_at: LookedAt) -> None:
    config = DiscriminatorConfig(widths=(4, 4, 4, 4), instance_norm=False)
    small = [x[..., :32, :32] for x in looked_at]
    d = PictureDiscriminators(config, 32)
    assert d(*small).keys() == {"pixels", "coarse", "outline"}
    assert all(penalty > 0 for penalty in d.penalties(small[0], small[2]))
    assert "pixels_half" in PictureDiscriminators(config, 64)(*looked_at)
