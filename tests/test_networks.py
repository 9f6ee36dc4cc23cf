"""The networks of a bundle: their sizes, and what an answer depends on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import CRITIC, LITERAL, TINY, make_header, make_model
from torch import Tensor

from pix2pix.errors import UsageError
from pix2pix.model.bundle import save_bundle
from pix2pix.model.config import ModelConfig
from pix2pix.model.layouts import cells_of, coloured_by, regions_of
from pix2pix.model.networks import Paper, TwoStage, build_model
from pix2pix.model.paper import PaperGenerator
from pix2pix.training.config import PRESETS

BUNDLE_LIMIT_BYTES = 16_000_000
SIDE = TINY.size_px


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def strokes_of(count: int) -> Tensor:
    """A dab of colour in the middle."""
    strokes = torch.zeros(count, 4, SIDE // 2, SIDE // 2)
    strokes[:, :, 12:18, 12:18] = torch.tensor([1.0, -1.0, 0.5, 1.0])[:, None, None]
    return strokes


@pytest.fixture
def model() -> TwoStage:
    built = make_model(TINY)
    assert isinstance(built, TwoStage)
    return built


def test_paper_generator_has_the_published_size() -> None:
    """U-Net-256 by hand: 4x4 kernels, 64 to 512 channels, skips joined; 54.4 M parameters in every port."""
    c = PRESETS["paper"].model.widths
    down = sum(16 * a * b for a, b in zip((1, *c), c, strict=False))
    up_in = [c[-1]] + [2 * w for w in reversed(c[:-1])]
    up_out = [*reversed(c[:-1]), 3]
    up = sum(16 * a * b for a, b in zip(up_in, up_out, strict=True))
    with torch.device("meta"):
        built = PaperGenerator(PRESETS["paper"].model)
    weights = sum(p.numel() for p in built.parameters() if p.ndim == 4)
    assert weights == down + up
    assert 54.3e6 < weights < 54.5e6


def test_default_bundle_is_light(tmp_path: Path) -> None:
    config = PRESETS["default"]
    whole = build_model(config.model, config.discriminator)
    header = replace(make_header(config.model), discriminator=config.discriminator)
    save_bundle(tmp_path / "default.safetensors", whole.state_dict(), header)
    size = (tmp_path / "default.safetensors").stat().st_size
    assert 2 * parameters(whole) <= size <= BUNDLE_LIMIT_BYTES  # half precision


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_answers_have_the_sketchs_size(preset: str) -> None:
    config = PRESETS[preset]
    size = (config.size_px, config.size_px)
    with torch.device("meta"):  # shapes alone
        whole = build_model(config.model, config.discriminator)
        sketch, z = torch.ones(2, 1, *size), torch.zeros(2, config.model.latent_size)
        photo, alpha = whole(sketch, z)
        assert whole.discriminator is not None
        patches = whole.discriminator.probabilities(sketch, photo, config.model.seen_px)
    assert photo.shape == (2, 3, *size) and alpha.shape == (2, 1, *size)
    assert patches.shape == (2, 1, *({"default": (14, 14), "fast": (6, 6), "paper": (30, 30)}[preset]))


def test_photos_and_alpha_are_in_range(model: TwoStage) -> None:
    torch.nn.init.normal_(model.picture.head.weight, std=20)
    photo, alpha = model(torch.randn(2, 1, SIDE, SIDE).sign(), torch.randn(2, 4))
    assert photo.min() == -1 and photo.max() == 1 and 0 <= alpha.min() < 0.1 < 0.9 < alpha.max() <= 1
    assert ((photo - 1).abs().amax(1, keepdim=True)[alpha < 1e-5] < 1e-3).all()  # white where nothing is


@pytest.mark.parametrize("config", [TINY, LITERAL])
@pytest.mark.parametrize("training", [True, False])
def test_answers_do_not_depend_on_batch_mates(config: ModelConfig, training: bool) -> None:
    model = make_model(config).train(training)
    sketch, z, strokes = torch.randn(3, 1, SIDE, SIDE), torch.randn(3, config.latent_size), strokes_of(3)
    with torch.no_grad():
        together = model(sketch, z, strokes=strokes)
        alone = [model(sketch[i][None], z[i][None], strokes=strokes[i][None]) for i in range(3)]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.cat(parts), atol=1e-4, rtol=0)


@pytest.mark.parametrize("config", [TINY, LITERAL])
def test_rows_say_which_sketch_and_strokes_an_answer_is_for(config: ModelConfig) -> None:
    model, sketch_of = make_model(config), torch.tensor([1, 0, 1])
    sketch, z, strokes = torch.randn(2, 1, SIDE, SIDE), torch.randn(3, config.latent_size), strokes_of(2)
    strokes[1] = 0
    with torch.no_grad():
        by_rows = model(sketch, z, sketch_of, strokes)
        repeated = model(sketch[sketch_of], z, strokes=strokes[sketch_of])
    for one, other in zip(by_rows, repeated, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_z_and_strokes_change_the_answer(model: TwoStage) -> None:
    sketch, z = torch.randn(1, 1, SIDE, SIDE).sign(), torch.zeros(1, 4)
    with torch.no_grad():
        plain, _ = model(sketch, z)
        assert (model(sketch, z + 1)[0] - plain).abs().max() > 0.01
        assert (model(sketch, z, strokes=strokes_of(1))[0] - plain).abs().max() > 0.01
        torch.testing.assert_close(model(sketch, z, strokes=0 * strokes_of(1))[0], plain)


def test_where_there_is_product_depends_on_the_sketch_alone(model: TwoStage) -> None:
    """Lines every 8 px, of random strength, divide each sketch into regions."""
    ink, strokes, z = (
        torch.zeros(2, 1, SIDE, SIDE),
        torch.zeros(2, 4, SIDE // 2, SIDE // 2),
        torch.randn(8, 4),
    )
    ink[..., ::8, :], ink[..., ::8] = 0.1 + torch.rand(2, 1, 1, SIDE), 0.1 + torch.rand(2, 1, SIDE, 1)
    sketch_of = torch.arange(8) // 4
    with torch.no_grad():
        logit = model.layout(ink, torch.zeros(2, 4, 16, 16), torch.zeros(2, 4))[:, 3]
        model.layout.out.bias[3] = -logit.median()
        layout = model.draw_layout(ink, regions_of(ink), strokes, z, sketch_of)
    masks = layout[:, 3]
    assert all(torch.equal(mask, masks[4 * row]) for mask, row in zip(masks, sketch_of.tolist(), strict=True))
    assert 0 < masks.mean() < 1 and not torch.equal(masks[0], masks[4])
    assert (layout[0, :3] - layout[1, :3]).abs().max() > 0.01


def test_the_layout_has_the_colours_of_the_strokes(model: TwoStage) -> None:
    torch.nn.init.constant_(model.layout.out.bias, 100.0)  # product everywhere
    with torch.no_grad():
        ink = torch.ones(2, 1, SIDE, SIDE)
        layout = model.draw_layout(ink, regions_of(ink), strokes_of(2), torch.randn(2, 4))
    colour = torch.tensor([1.0, -1.0, 0.5])[:, None, None]
    torch.testing.assert_close(layout[:, :3, 26:36, 26:36], colour.expand(2, -1, 10, 10))
    assert (layout[:, :3, 0] > 50).all() and (layout[:, 3] == 1).all()


def test_a_sketch_of_the_papers_has_one_answer_without_alpha() -> None:
    model = make_model(LITERAL)
    assert isinstance(model, Paper)
    sketch, z = torch.randn(2, 1, SIDE, SIDE), torch.zeros(2, 0)
    with torch.no_grad():
        photo, alpha = model(sketch, z, strokes=strokes_of(2))
        assert torch.equal(model(sketch, z)[0], photo) and (alpha == 1).all()
    assert photo.abs().max() <= 1 and photo.std() > 0.01


def test_dropout_of_the_papers_is_for_training_alone() -> None:
    model = make_model(replace(LITERAL, dropout=0.5))
    sketch, z = torch.randn(1, 1, SIDE, SIDE), torch.zeros(1, 0)
    with torch.no_grad():
        assert torch.equal(model(sketch, z)[0], model(sketch, z)[0])
        model.train()
        assert not torch.equal(model(sketch, z)[0], model(sketch, z)[0])


def test_a_look_is_that_of_the_photos_product_alone(model: TwoStage) -> None:
    photo, mask = torch.rand(1, 3, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 16:48, 16:48] = 1
    z = model.encode(photo, mask)
    assert z.shape == (1, TINY.latent_size)
    torch.testing.assert_close(z, model.encoder(cells_of(coloured_by(photo, mask)))[0])
    torch.testing.assert_close(model.encode(photo * mask + 1 - mask, mask), z)
    assert (model.encode(-photo, mask) - z).abs().max() > 0.01


def test_a_bundle_has_a_discriminator_where_one_is_asked_for() -> None:
    for config in (TINY, LITERAL):
        assert build_model(config).discriminator is None
        names = build_model(config, CRITIC).state_dict().keys() - build_model(config).state_dict().keys()
        assert names and all(name.startswith("discriminator.") for name in names)


def test_a_size_the_stages_do_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="200 px is not a multiple of 256"):
        replace(PRESETS["paper"].model, size_px=200)
    with pytest.raises(UsageError, match="200 px is not one of 64, 128, 256, 512"):
        replace(PRESETS["default"].model, size_px=200)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"latent_size": 0}, "needs a latent size"),
        ({"layout_widths": (8, 8)}, "not 3 channel counts"),
        ({"widths": (8,) * 7}, "7 widths are too many for pictures of 64 px: at most 6"),
    ],
)
def test_a_two_stage_model_without_a_part_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(TINY, **changes)  # type: ignore[arg-type]


def test_the_papers_architecture_takes_no_latent() -> None:
    with pytest.raises(UsageError, match="no latent"):
        replace(LITERAL, latent_size=8)
