"""The players' shapes, sizes, and what they must not depend on."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import TINY

from pix2pix.config import PRESETS, DiscriminatorConfig, ModelConfig, train_config
from pix2pix.errors import UsageError
from pix2pix.networks import (
    Discriminator,
    Encoder,
    Generator,
    InstanceNorm,
    Model,
    Noise,
    ResizeConv,
    Up,
    fold_for_inference,
)

BUNDLE_LIMIT_BYTES = 16_000_000
ROUGH = ModelConfig(roughness=True)


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_paper_generator_has_the_published_size() -> None:
    """U-Net-256 by hand: 4x4 kernels, 64 to 512 channels, skips joined; 54.4 M parameters in every port."""
    c = PRESETS["paper"].model.widths
    down = sum(16 * a * b for a, b in zip((1, *c), c, strict=False))
    up_in = [c[-1]] + [2 * w for w in reversed(c[:-1])]
    up_out = [*reversed(c[:-1]), 3]
    up = sum(16 * a * b for a, b in zip(up_in, up_out, strict=True))
    weights = sum(p.numel() for p in Generator(PRESETS["paper"].model).parameters() if p.ndim == 4)
    assert weights == down + up
    assert 54.3e6 < weights < 54.5e6


def test_paper_discriminator_has_the_published_size() -> None:
    paper = PRESETS["paper"]
    convs = 16 * (4 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1)
    built = Discriminator(paper.discriminator, paper.model)
    assert sum(p.numel() for p in built.parameters() if p.ndim == 4) == convs


def test_default_bundle_is_light() -> None:
    whole = Model(PRESETS["default"].model, PRESETS["default"].discriminator)
    assert parameters(whole) * 2 <= BUNDLE_LIMIT_BYTES  # half precision


def test_discriminator_patch_is_70_pixels() -> None:
    d = Discriminator(DiscriminatorConfig((4, 8, 16, 32)), ROUGH)
    photo = torch.randn(1, 3, 160, 160, requires_grad=True)
    (logits,), _ = d(torch.randn(1, 1, 160, 160), photo, torch.rand(1))
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    assert photo.grad is not None
    seen = photo.grad.abs().sum(dim=(0, 1)).nonzero()
    extent = seen.amax(dim=0) - seen.amin(dim=0) + 1
    assert extent.tolist() == [70, 70]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_generator_answers_at_the_sketch_size(preset: str) -> None:
    config = PRESETS[preset].model
    generator = Generator(config).eval()
    given, made = (1, 3) if config.draws == "photo" else (3, 1)
    size = (config.size_px, config.size_px)
    with torch.no_grad():
        answer, guessed = generator(torch.ones(1, given, *size), torch.zeros(1, config.latent_size))
    assert answer.shape == (1, made, *size)
    assert answer.abs().max() <= 1
    assert (guessed is not None) == config.roughness


def test_generator_is_fully_convolutional() -> None:
    generator = Generator(PRESETS["default"].model).eval()
    with torch.no_grad():
        assert generator(torch.ones(1, 1, 128, 128), torch.zeros(1, 8))[0].shape == (1, 3, 128, 128)


@pytest.mark.parametrize("training", [True, False])
def test_answers_do_not_depend_on_batch_mates(tiny_generator: Generator, training: bool) -> None:
    tiny_generator.train(training)
    sketch, z = torch.randn(3, 1, 32, 32), torch.randn(3, 4)
    with torch.no_grad():
        together, _ = tiny_generator(sketch, z)
        alone = torch.cat([tiny_generator(sketch[i : i + 1], z[i : i + 1])[0] for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_z_changes_the_answer(tiny_generator: Generator) -> None:
    sketch = torch.ones(1, 1, 32, 32)
    with torch.no_grad():
        one, other = (tiny_generator(sketch, torch.full((1, 4), v))[0] for v in (0.0, 1.0))
    assert (one - other).abs().max() > 0.01


def test_roughness_changes_the_answer_and_is_guessed_where_nobody_says(tiny_generator: Generator) -> None:
    sketch, z = torch.randn(3, 1, 32, 32), torch.zeros(3, 4)
    by_guess, guessed = tiny_generator(sketch, z)
    assert guessed.shape == (3,) and ((guessed > 0) & (guessed < 1)).all() and guessed.std() > 0
    assert torch.equal(tiny_generator(sketch, z, guessed)[0], by_guess)
    literal, _ = tiny_generator(sketch, z, torch.zeros(3))
    assert (literal - tiny_generator(sketch, z, torch.ones(3))[0]).abs().max() > 0.01
    mixed, _ = tiny_generator(sketch, z, torch.tensor([float("nan"), 0.0, float("nan")]))
    torch.testing.assert_close(mixed[::2], by_guess[::2])
    torch.testing.assert_close(mixed[1], literal[1])


def test_learning_to_guess_leaves_the_pictures_alone(tiny_generator: Generator) -> None:
    _, guessed = tiny_generator(torch.randn(2, 1, 32, 32), torch.zeros(2, 4))
    guessed.sum().backward()
    touched = {name.split(".")[0] for name, p in tiny_generator.named_parameters() if p.grad is not None}
    assert touched == {"guess"}


def test_a_model_that_draws_sketches_has_no_roughness() -> None:
    with pytest.raises(UsageError, match="no roughness"):
        ModelConfig(draws="sketch", roughness=True)


def test_resize_conv_equals_enlarging_joining_and_convolving() -> None:
    """The summed 4x4 kernel against the plain three operations, borders included."""
    torch.manual_seed(0)
    resize_conv = ResizeConv(5, 3, 4)
    torch.nn.init.normal_(resize_conv.weight)
    x, skip = torch.randn(2, 5, 6, 7), torch.randn(2, 3, 12, 14)
    enlarged = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
    plain = torch.nn.functional.conv2d(
        torch.cat([enlarged, skip], dim=1), resize_conv.weight, resize_conv.bias, padding=1
    )
    torch.testing.assert_close(resize_conv(x, skip), plain, atol=1e-5, rtol=0)


def test_folding_for_inference_changes_no_picture() -> None:
    torch.manual_seed(0)
    generator = Generator(ModelConfig(size_px=64, widths=(8, 16, 16)))
    sketch, z = torch.randn(2, 1, 64, 64), torch.randn(2, 8)
    with torch.no_grad():
        before, _ = generator.eval()(sketch, z)
        folded = fold_for_inference(generator)
        assert not any(isinstance(module, ResizeConv) for module in folded.modules())
        torch.testing.assert_close(folded(sketch, z)[0], before, atol=1e-5, rtol=0)


def test_instance_norm_equals_torchs_own() -> None:
    torch.manual_seed(0)
    ours, reference = InstanceNorm(4), torch.nn.InstanceNorm2d(4, affine=True)
    x = 3 + 2 * torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(ours(x), reference(x), atol=1e-5, rtol=0)
    assert ours(x.to(memory_format=torch.channels_last)).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(ours(x[..., :1, :1]), x[..., :1, :1])  # a 1x1 map passes


def test_resize_conv_leaves_no_grid_where_transposed_convolution_does() -> None:
    """Both enlarge a constant; away from the border only the transposed one makes a pattern of period two."""
    torch.manual_seed(0)
    x, skip = torch.ones(1, 4, 8, 8), torch.ones(1, 2, 16, 16)
    spread = {}
    for architecture in ("light", "paper"):
        config = ModelConfig(architecture=architecture, latent_size=0)  # type: ignore[arg-type]
        up = Up(4, 2, 3, config, side_px=16, dropout=0.0)
        torch.nn.init.normal_(up.conv.weight)  # type: ignore[arg-type]
        with torch.no_grad():
            enlarged = up.conv(x, skip) if isinstance(up.conv, ResizeConv) else up.conv(x)
        spread[architecture] = enlarged[..., 4:-4, 4:-4].std(dim=(2, 3)).max().item()
    assert spread["light"] < 1e-6
    assert spread["paper"] > 1e-3


def test_a_size_the_stages_do_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="multiple of 64"):
        train_config("default", size_px=200)
    with pytest.raises(UsageError, match="200 px"):
        replace(PRESETS["default"].model, size_px=200)


def test_each_scale_of_d_sees_half_the_size() -> None:
    d = Discriminator(DiscriminatorConfig((4, 8), scales=3), ModelConfig())
    logits, features = d(torch.randn(2, 1, 64, 64), torch.randn(2, 3, 64, 64), torch.zeros(2))
    assert [x.shape[0] for x in logits] == [2, 2, 2] and len(features) == 3 * 2
    coarse = [x.shape[-1] for x in logits]
    assert coarse[0] > 1.8 * coarse[1] > 3.2 * coarse[2]


def test_what_d_is_told_of_roughness_counts() -> None:
    d = Discriminator(DiscriminatorConfig((4, 8)), ROUGH)
    pair = torch.randn(1, 1, 32, 32), torch.randn(1, 3, 32, 32)
    (smooth,), _ = d(*pair, torch.zeros(1))
    (rough,), _ = d(*pair, torch.ones(1))
    assert not torch.equal(smooth, rough)


def test_the_encoder_sees_colour_at_any_size_and_no_batch_mates() -> None:
    torch.manual_seed(0)
    encoder = Encoder(ModelConfig(latent_size=4, encoder_widths=(8, 16)))
    red = torch.full((1, 3, 64, 64), -1.0)
    red[:, 0] = 1
    large = F.interpolate(red, 256)
    mean, log_variance = encoder(torch.cat([red, -red]))
    assert mean.shape == log_variance.shape == (2, 4)
    assert (mean[0] - mean[1]).abs().max() > 0.05
    assert torch.allclose(encoder(red)[0], mean[:1], atol=1e-6)
    assert torch.allclose(encoder(large)[0], mean[:1], atol=0.05)


def test_an_encoder_needs_a_latent_to_write_to() -> None:
    for refused in ({"latent_size": 0}, {"draws": "sketch"}):
        with pytest.raises(UsageError, match="needs a latent"):
            ModelConfig(encoder_widths=(8, 8), **refused)  # type: ignore[arg-type]


@pytest.mark.parametrize("widths", [(4,), (4, 8), (4, 8, 8), (4, 8, 8, 8)])
@pytest.mark.parametrize("scales", [1, 2])
def test_a_discriminator_says_what_it_can_look_at(widths: tuple[int, ...], scales: int) -> None:
    config = DiscriminatorConfig(widths=widths, scales=scales)
    discriminator = Discriminator(config, ModelConfig())
    smallest = next(side for side in range(1, 200) if config.sees(side))
    logits, _ = discriminator(
        torch.zeros(1, 1, smallest, smallest), torch.zeros(1, 3, smallest, smallest), torch.zeros(1)
    )
    assert all(x.numel() for x in logits)
    smaller = smallest - scales
    with pytest.raises(RuntimeError):
        discriminator(
            torch.zeros(1, 1, smaller, smaller), torch.zeros(1, 3, smaller, smaller), torch.zeros(1)
        )


def test_pictures_too_small_for_the_discriminator_are_refused() -> None:
    with pytest.raises(UsageError, match="4 widths and 9 scales sees no patch in pictures of 128 px"):
        train_config("default", discriminator=DiscriminatorConfig(scales=9))
    with pytest.raises(UsageError, match="sees no patch in pictures of 16 px"):
        train_config("default", discriminator=DiscriminatorConfig(size_px=16))


def test_detail_and_noise_change_nothing_until_they_have_learned() -> None:
    torch.manual_seed(0)
    plain, sketch, z = Generator(TINY), torch.rand(2, 1, 32, 32), torch.randn(2, 4)
    torch.manual_seed(0)
    more = Generator(replace(TINY, detail_width=6, noise=True))
    assert torch.equal(plain(sketch, z)[0], more(sketch, z)[0])
    more(sketch, z)[0].square().sum().backward()
    named = dict(more.named_parameters())
    added = named.keys() - dict(plain.named_parameters()).keys()
    assert added == {
        "detail.conv.weight",
        "detail.conv.bias",
        "detail.noise.strength",
        "detail.pixels.weight",
        "detail.pixels.bias",
        "ups.0.noise.strength",
        "ups.1.noise.strength",
    }
    assert all(named[name].grad.any() for name in ("detail.pixels.weight", "ups.1.noise.strength"))  # type: ignore[union-attr]


def test_noise_gives_plain_paper_a_texture_that_is_always_the_same() -> None:
    textures = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        noise = Noise(2, 16)
        with torch.no_grad():
            noise.strength.copy_(torch.tensor([0.0, 2.0]))
        textures.append(noise(torch.ones(1, 2, 16, 16)))
    assert torch.equal(*textures) and (textures[0][:, 0] == 1).all()
    assert 1.5 < textures[0][:, 1].std() < 2.5
    tiled = noise(torch.ones(1, 2, 24, 16))
    assert torch.equal(tiled[..., :16, :], textures[1]) and torch.equal(
        tiled[..., 16:, :], textures[1][..., :8, :]
    )


@pytest.mark.parametrize("field", [{"detail_width": 8}, {"noise": True}])
def test_the_papers_architecture_takes_neither_detail_nor_noise(field: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="neither"):
        ModelConfig(architecture="paper", **field)  # type: ignore[arg-type]
