"""A step of the picture GAN: the inputs of generator and discriminators, and which of them are updated."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import CRITIC, LITERAL, TINY, needs_features
from torch import Tensor

from pix2pix.model.layouts import coloured_by, layout_of, redrawn_layout, regions_of, spread_out
from pix2pix.model.networks import Paper, TwoStage
from pix2pix.training.config import TrainConfig
from pix2pix.training.data.batch import Pictures
from pix2pix.training.distributed import make_fabric
from pix2pix.training.steps.paper_step import PaperStep
from pix2pix.training.steps.picture_step import (
    REDRAWN_SHARE,
    SHIFT,
    WRONG_PRODUCT_PX,
    PictureStep,
    compare,
    openings_of,
    shifted,
    training_layout,
)

SIDE, COUNT = 64, 4
TERMS = {"pixels", "pixels_half", "coarse", "outline", "reconstruction", "alpha"}


def pictures(**changes: Tensor) -> Pictures:
    """Boxes of a colour each, with their outlines."""
    torch.manual_seed(1)
    photo, mask = torch.ones(COUNT, 3, SIDE, SIDE), torch.zeros(COUNT, 1, SIDE, SIDE)
    sketch = torch.ones(COUNT, 1, SIDE, SIDE)
    photo[..., 16:48, 12:52] = (torch.rand(COUNT, 3) * 2 - 1)[..., None, None]
    mask[..., 16:48, 12:52] = 1
    sketch[..., 16:48, 12:52], sketch[..., 17:47, 13:51] = -1, 1
    made = Pictures(
        place=torch.arange(COUNT),
        sketch=sketch,
        photo=photo,
        foreground=photo,
        alpha=mask,
        roughness=torch.zeros(COUNT),
        shifts=torch.full((COUNT, 2), 0.5),
        choices=torch.ones(COUNT),
        mistakes=torch.zeros(COUNT, 1, 6, 6),
        channels=torch.arange(3).expand(COUNT, 3),
    )
    return replace(made, **changes)


def test_parts_of_a_batch_hold_each_picture_once() -> None:
    whole = pictures()
    parts = list(whole.parts(2))
    assert [part.place.tolist() for part in parts] == [[0, 2], [1, 3]]
    assert all(torch.equal(part.photo, whole.photo[part.place]) and len(part) == 2 for part in parts)


def test_the_layout_is_the_photos_own_in_the_regions_of_the_sketch() -> None:
    given = pictures()
    layout = training_layout(given)
    torch.testing.assert_close(
        layout, layout_of(coloured_by(given.foreground, given.alpha), regions_of((1 - given.sketch) / 2))
    )
    torch.testing.assert_close(
        layout[:, :3, 20:44, 16:48], given.photo[:, :, 20:44, 16:48], atol=1e-4, rtol=0
    )
    assert not layout[:, :, :16].any()


def test_layouts_have_the_light_of_their_photos() -> None:
    """Boxes that are lighter below and darker at the right: their layouts come within half of that."""
    given = pictures()
    shades = torch.linspace(-0.2, 0.2, SIDE)[:, None] - torch.linspace(-0.1, 0.1, SIDE)
    shaded = 0.5 * given.foreground + shades
    layout = training_layout(replace(given, foreground=shaded))
    inside = (..., slice(20, 44), slice(16, 48))
    error = (layout[:, :3] - shaded)[inside].abs().amax((1, 2, 3))
    assert (error < 0.5 * (shades[20:44, 16:48] - shades[32, 32]).abs().max()).all()


def test_a_share_of_the_layouts_is_made_as_drawn_ones_are() -> None:
    given = pictures(choices=torch.tensor([0.0, REDRAWN_SHARE, REDRAWN_SHARE - 0.01, 1.0]))
    coloured, regions = coloured_by(given.foreground, given.alpha), regions_of((1 - given.sketch) / 2)
    exact, redrawn = layout_of(coloured, regions), redrawn_layout(coloured, regions)
    expected = torch.stack([redrawn[0], exact[1], redrawn[2], exact[3]])
    assert torch.equal(training_layout(given), expected) and not torch.equal(exact, redrawn)


def test_masks_of_redrawn_layouts_have_mistakes() -> None:
    mistakes = torch.zeros(COUNT, 1, 6, 6)
    mistakes[..., :3] = 1  # the left half, and a part of the box
    given = pictures(choices=torch.zeros(COUNT))
    right, wrong = training_layout(given), training_layout(replace(given, mistakes=mistakes))
    assert torch.equal(wrong[..., 36:], right[..., 36:])
    mask, colour = wrong[:, 3], wrong[:, :3]
    assert torch.equal(
        mask[..., :28] + right[:, 3, :, :28], spread_out(right, WRONG_PRODUCT_PX)[:, 3, :, :28]
    )
    assert not colour[..., :28].mul(right[:, 3:, :, :28]).any()
    beside = colour[:, :, 12:16, 16:24]  # above the box
    torch.testing.assert_close(beside, right[:, :3, 20:24, 16:24], atol=0.02, rtol=0)
    exact = replace(given, choices=torch.ones(COUNT))
    assert torch.equal(training_layout(exact), training_layout(replace(exact, mistakes=mistakes)))


def test_redrawn_layouts_have_product_in_openings() -> None:
    """The layout GAN often draws them filled, so the picture GAN must take openings from the sketch."""
    given = pictures(choices=torch.tensor([0.0, 1.0]).repeat(COUNT // 2))
    alpha = given.alpha.clone()
    alpha[..., 24:40, 28:36] = 0
    redrawn, exact, *_ = training_layout(replace(given, alpha=alpha))[:, 3:]
    assert not exact[..., 28:36, 28:36].any() and redrawn[..., 16:48, 16:48].all()


def test_openings_are_ground_that_product_encloses() -> None:
    rows = "........", ".#####..", ".#..##..", ".#.###..", ".####.#.", ".#..##..", ".##.#...", "........"
    mask = torch.tensor([[float(cell == "#") for cell in row] for row in rows])
    found = openings_of(mask[None, None])[0, 0]
    assert found.nonzero().tolist() == [[2, 2], [2, 3], [3, 2], [4, 5]]


def test_a_redrawn_layout_has_the_colours_of_the_cells() -> None:
    """A box that fills its cells keeps its colour, also between the lines that do not follow cells."""
    given = pictures()
    layout = redrawn_layout(coloured_by(given.foreground, given.alpha), regions_of((1 - given.sketch) / 2))
    inside = layout[:, :3, 20:44, 16:48]
    torch.testing.assert_close(inside, given.photo[:, :, 20:44, 16:48], atol=0.02, rtol=0)
    assert set(layout[:, 3].unique().tolist()) == {0.0, 1.0}


def test_pictures_of_one_pair_are_shifted_alike_by_up_to_a_tenth() -> None:
    reach = int(SHIFT * SIDE)
    shifts = torch.tensor([[0.0, 0.0], [0.5, 0.5], [0.999, 0.0], [1.0, 1.0]])
    x = torch.rand(COUNT, 2, SIDE, SIDE)
    both = shifted(x, shifts, 0.25)
    assert torch.equal(both[:, :1], shifted(x[:, :1], shifts, 0.25))
    assert both.shape == x.shape and torch.equal(both[1], x[1])
    assert torch.equal(both[0, :, reach:, reach:], x[0, :, :-reach, :-reach])
    assert torch.equal(both[2, :, :-reach, reach:], x[2, :, reach:, :-reach])
    assert torch.equal(both[3, :, :-reach, :-reach], x[3, :, reach:, reach:])
    assert (both[0, :, :reach] == 0.25).all() and (both[3, :, :, -reach:] == 0.25).all()


@pytest.mark.parametrize("side_px", [SIDE // 2, SIDE])
def test_discriminators_see_both_pictures_and_their_ink_shifted_alike(side_px: int) -> None:
    """Photos and generated pictures are their own ink, black on white."""
    ink = (torch.rand(COUNT, 1, SIDE, SIDE) < 0.3).float()
    photo = (1 - 2 * ink).expand(-1, 3, -1, -1)
    rgba = torch.cat([photo, torch.where(ink > 0, 100.0, -100.0)], 1)
    generated = compare(rgba, photo, ink, ink, torch.rand(COUNT, 2), side_px)
    assert (
        generated.real_input.photo.shape == generated.fake_input.photo.shape == (COUNT, 3, side_px, side_px)
    )
    for given in (generated.real_input, generated.fake_input):
        torch.testing.assert_close(given.photo, (1 - 2 * given.ink).expand(-1, 3, -1, -1))
        torch.testing.assert_close(given.alpha, given.ink)
    assert not torch.equal(generated.real_input.ink, F.avg_pool2d(ink, SIDE // side_px))


def test_alpha_gets_no_gradient_from_pictures() -> None:
    """Trained by discriminators of pictures, it got holes along dense lines, which look like speckle."""
    rgba = torch.zeros(COUNT, 4, SIDE, SIDE, requires_grad=True)
    ink, photo = torch.zeros(COUNT, 1, SIDE, SIDE), torch.zeros(COUNT, 3, SIDE, SIDE)
    generated = compare(rgba, photo, torch.ones_like(ink), ink, torch.rand(COUNT, 2), SIDE)
    generated.fake.sum().backward()
    assert rgba.grad is not None and rgba.grad[:, :3].any() and not rgba.grad[:, 3].any()


def test_the_outline_is_alpha_alone() -> None:
    rgba = torch.zeros(COUNT, 4, SIDE, SIDE, requires_grad=True)
    ink, photo = torch.zeros(COUNT, 1, SIDE, SIDE), torch.zeros(COUNT, 3, SIDE, SIDE)
    generated = compare(rgba, photo, torch.ones_like(ink), ink, torch.rand(COUNT, 2), SIDE)
    generated.fake_input.alpha.sum().backward()
    assert rgba.grad is not None and rgba.grad[:, 3].any() and not rgba.grad[:, :3].any()


def test_colours_are_compared_where_the_photo_has_product_whatever_the_generated_alpha() -> None:
    """Composed with the generated alpha, a colour became white where alpha was in doubt: in straps."""
    ink, photo = torch.zeros(COUNT, 1, SIDE, SIDE), torch.ones(COUNT, 3, SIDE, SIDE)
    alpha = torch.zeros(COUNT, 1, SIDE, SIDE)
    alpha[..., :10], alpha[..., 10:20] = 1.0, 0.5
    rgba = torch.cat([torch.zeros(COUNT, 3, SIDE, SIDE), torch.randn(COUNT, 1, SIDE, SIDE)], 1)
    fake = compare(rgba, photo, alpha, ink, torch.rand(COUNT, 2), SIDE).fake
    assert not fake[..., :10].any() and (fake[..., 10:20] == 0.5).all() and (fake[..., 20:] == 1).all()


def test_every_shift_is_as_likely_as_any_other() -> None:
    reach, count = int(SHIFT * 32), 700
    ramp = torch.arange(32.0).expand(count, 1, 32, 32)
    middle = shifted(ramp, torch.rand(count, 2, generator=torch.Generator().manual_seed(0)), 0.0)[
        :, 0, 16, 16
    ]
    counts = torch.bincount((middle - 16 + reach).int())
    assert len(counts) == 2 * reach + 1 and counts.min() > 0.6 * count / len(counts)


def in_parts(*counts: int) -> Callable[..., Any]:
    """Computes one update after the other in so many parts."""
    left = list(counts)
    return lambda update: update(left.pop(0) if left else counts[-1])


def ready(config: TrainConfig) -> PictureStep:
    torch.manual_seed(0)
    step = PictureStep(config, TwoStage(config.model).picture, make_fabric("cpu", "32-true"), pytest.fail)
    step.set_up()
    return step


def updated(step: PictureStep, before: dict[str, dict[str, Tensor]]) -> set[str]:
    return {
        f"{network}.{name.split('.')[0]}"
        for network, state in before.items()
        for name, value in networks(step)[network].items()
        if not torch.equal(value, state[name])
    }


def networks(step: PictureStep) -> dict[str, dict[str, Tensor]]:
    found = {**step.networks(), "picture": step.picture}
    return {name: {k: v.clone() for k, v in one.state_dict().items()} for name, one in found.items()}


def test_a_step_updates_the_generator_and_every_discriminator(tiny_config: TrainConfig) -> None:
    step = ready(tiny_config)
    before = networks(step)
    losses, statistics, errors = step.run(0, pictures(), 1.0, in_parts(1), measure=False)
    parts = {f"picture.{name}" for name, _ in step.picture.named_children()}
    assert updated(step, before) == parts | {
        f"picture_discriminators.{kind}" for kind in ("pixels", "pixels_half", "coarse", "outline")
    }
    assert losses.keys() == {"d", "d_penalty", *(f"g_{term}" for term in TERMS)}
    assert errors.shape == (COUNT,) and {"d_gradient", "g_gradient", "accuracy_coarse"} <= statistics.keys()
    losses, _, _ = step.run(1, pictures(), 1.0, in_parts(1), measure=False)
    assert "d_penalty" not in losses


def test_the_step_is_that_of_photos_with_permuted_channels(tiny_config: TrainConfig) -> None:
    given, order = pictures(), torch.tensor([[2, 0, 1]]).expand(COUNT, 3)
    permuted = replace(given, channels=order)
    before = replace(given, foreground=given.foreground[:, [2, 0, 1]])
    one, other = (ready(tiny_config).run(0, x, 0.0, in_parts(1), measure=False) for x in (permuted, before))
    torch.testing.assert_close(one[0], other[0])


def test_rough_sketches_are_compared_with_their_photos_less(tiny_config: TrainConfig) -> None:
    losses = {}
    for roughness in (0.0, 0.5):
        step, given = ready(tiny_config), pictures()
        rough = replace(given, roughness=torch.full((COUNT,), roughness))
        losses[roughness], _, errors = step.run(0, rough, 0.0, in_parts(1), measure=False)
        assert errors.mean() * 60 * (1 - roughness) ** 2 == pytest.approx(
            float(losses[roughness]["g_reconstruction"]), rel=1e-4
        )
    for term in ("g_reconstruction", "g_alpha"):
        assert float(losses[0.5][term]) == pytest.approx(0.25 * float(losses[0.0][term]), rel=1e-3)
    assert torch.equal(losses[0.5]["g_pixels"], losses[0.0]["g_pixels"])


def test_gradients_at_the_picture_are_measured_when_asked(tiny_config: TrainConfig) -> None:
    _, statistics, _ = ready(tiny_config).run(0, pictures(), 0.0, in_parts(1), measure=True)
    measured = {name for name in statistics if name.startswith("at_picture_")}
    assert measured == {f"at_picture_g_{term}" for term in TERMS}
    double = replace(tiny_config, reconstruction_weight=2 * tiny_config.reconstruction_weight)
    _, twice, _ = ready(double).run(0, pictures(), 0.0, in_parts(1), measure=True)
    name = "at_picture_g_reconstruction"
    assert statistics[name] > 0 and float(twice[name]) == pytest.approx(2 * float(statistics[name]), rel=1e-3)


def test_a_generator_out_of_memory_draws_again_what_the_discriminators_got_whole(
    tiny_config: TrainConfig,
) -> None:
    """The discriminators are updated in one part and cache their pictures; the generator then in two."""
    whole = ready(tiny_config).run(0, pictures(), 0.0, in_parts(1), measure=False)
    parts = ready(tiny_config).run(0, pictures(), 0.0, in_parts(1, 2), measure=False)
    torch.testing.assert_close(parts[2], whole[2], atol=1e-4, rtol=0)
    for name in ("g_reconstruction", "g_alpha", "g_pixels"):
        torch.testing.assert_close(parts[0][name], whole[0][name], atol=1e-4, rtol=1e-3)


def test_the_same_of_the_papers_architecture() -> None:
    config = TrainConfig(model=LITERAL, batch_size=COUNT, discriminator=CRITIC)
    results = []
    for counts in ((1,), (1, 2)):
        torch.manual_seed(0)
        step = PaperStep(config, Paper(LITERAL), make_fabric("cpu", "32-true"))
        step.set_up()
        results.append(step.run(0, pictures(), 0.0, in_parts(*counts), measure=False))
    torch.testing.assert_close(results[1][2], results[0][2], atol=1e-4, rtol=0)
    torch.testing.assert_close(results[1][0], results[0][0], atol=1e-4, rtol=1e-3)


@needs_features
def test_every_fourth_picture_is_compared_by_lpips(tiny_config: TrainConfig) -> None:
    config = replace(tiny_config, perceptual_weight=10.0)
    whole, parts = (ready(config).run(0, pictures(), 0.0, in_parts(n), measure=True) for n in (1, 2))
    assert whole[0]["g_perceptual"] > 0 and whole[1]["at_picture_g_perceptual"] > 0
    torch.testing.assert_close(parts[0]["g_perceptual"], whole[0]["g_perceptual"], atol=1e-4, rtol=1e-3)
    photo = pictures().photo.clone()
    photo[1:] = -photo[1:]
    others, _, _ = ready(config).run(0, pictures(photo=photo), 0.0, in_parts(1), measure=False)
    torch.testing.assert_close(others["g_perceptual"], whole[0]["g_perceptual"], atol=1e-4, rtol=1e-3)


def test_without_weights_of_vgg_training_goes_on_and_says_so(
    tiny_config: TrainConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIX2PIX_FEATURES", str(tmp_path))
    config, messages = replace(tiny_config, perceptual_weight=10.0), list[str]()
    step = PictureStep(config, TwoStage(TINY).picture, make_fabric("cpu", "32-true"), messages.append)
    step.set_up()
    losses, _, _ = step.run(0, pictures(), 0.0, in_parts(1), measure=False)
    assert "g_perceptual" not in losses and len(messages) == 1 and "lpips-vgg16.safetensors" in messages[0]
