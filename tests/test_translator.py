"""Same sketch + same z + same bundle = same photo."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY, draw_pair, save_critic, save_untrained
from PIL import Image
from safetensors.torch import save_file

import pix2pix
from app.http.models import Models
from pix2pix.errors import CorruptBundle, ImageError, UsageError
from pix2pix.images.tensors import from_pixels
from pix2pix.images.transparency import cut_out
from pix2pix.inference.devices import choose_device
from pix2pix.inference.engines import make_engine
from pix2pix.inference.realism import MADE, OPACITY, REAL, tint
from pix2pix.inference.translator import Translator
from pix2pix.model import latents
from pix2pix.model.bundle import load_bundle
from pix2pix.model.config import DiscriminatorConfig
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.training.report.samples import overlay


@pytest.fixture
def tiny(tiny_bundle: Path) -> Translator:
    return pix2pix.load(tiny_bundle, device="cpu")


@pytest.fixture
def literal(literal_bundle: Path) -> Translator:
    return pix2pix.load(literal_bundle, device="cpu")


def batch(translator: Translator, n: int) -> tuple[np.ndarray, np.ndarray]:
    sketches = np.stack([draw_pair(seed)[0] for seed in range(n)])
    return sketches, np.stack([translator.latent(seed) for seed in range(n)])


def test_alone_equals_any_batch_and_any_order(tiny: Translator) -> None:
    sketches, z = batch(tiny, 5)
    together = tiny.translate_batch(sketches, z).astype(int)
    order = [3, 0, 4, 2, 1]
    shuffled = tiny.translate_batch(sketches[order], z[order]).astype(int)
    assert np.abs(shuffled - together[order]).max() <= 1
    for i in range(5):
        alone = tiny.translate_batch(sketches[i : i + 1], z[i : i + 1]).astype(int)
        assert np.abs(alone[0] - together[i]).max() <= 1
    assert together.std() > 5  # the pictures are not blank


def test_every_run_gives_the_same_photo(tiny: Translator) -> None:
    sketch = draw_pair(1)[0]
    first = np.asarray(tiny.translate(sketch, seed=7))
    torch.manual_seed(99)
    assert np.array_equal(first, np.asarray(tiny.translate(sketch, seed=7)))
    assert not np.array_equal(first, np.asarray(tiny.translate(sketch, seed=8)))


def test_a_seed_is_a_latent(tiny: Translator) -> None:
    sketch = draw_pair(1)[0]
    by_seed, by_z = tiny.translate(sketch, seed=7), tiny.translate(sketch, z=latents.draw(7, 4))
    assert np.array_equal(np.asarray(by_seed), np.asarray(by_z))


def test_photo_comes_back_at_the_sketch_size(tiny: Translator) -> None:
    sketch = np.full((50, 120), 255, np.uint8)
    sketch[10:40, 10:12] = 0
    sketch[10:40, 108:110] = 0
    assert tiny.translate(sketch).size == (120, 50)


def test_files_arrays_and_pictures_are_the_same_sketch(tiny: Translator, tmp_path: Path) -> None:
    sketch = draw_pair(2)[0]
    Image.fromarray(sketch).save(tmp_path / "s.png")
    photos = [np.asarray(tiny.translate(s)) for s in (sketch, Image.fromarray(sketch), tmp_path / "s.png")]
    assert np.array_equal(photos[0], photos[1]) and np.array_equal(photos[0], photos[2])


def test_wrong_shapes_say_what_is_expected(tiny: Translator) -> None:
    with pytest.raises(UsageError, match=r"\(N, 64, 64\)"):
        tiny.translate_batch(np.zeros((1, 32, 32), np.uint8), np.zeros((1, 4), np.float32))
    with pytest.raises(UsageError, match=r"\(N, 4\)"):
        tiny.translate(draw_pair(0)[0], z=np.zeros(3, np.float32))
    with pytest.raises(UsageError, match="2 sketches do not fit 3 answers"):
        tiny.translate_batch(np.zeros((2, 64, 64), np.uint8), np.zeros((3, 4), np.float32))


def test_an_empty_batch_is_an_empty_answer(tiny: Translator) -> None:
    assert tiny.translate_batch(np.zeros((0, 64, 64), np.uint8), np.zeros((0, 4), np.float32)).shape == (
        0,
        64,
        64,
        3,
    )


def test_devices_that_are_not_there_are_refused() -> None:
    assert choose_device("cpu").type == "cpu"
    for device in ("tpu", "cuda:99", "meta"):
        with pytest.raises(UsageError, match=device):
            choose_device(device)


def test_a_latent_is_fixed_by_its_seed_for_ever() -> None:
    """Seeds are shared in links: these numbers must never change, nor with another numpy."""
    assert latents.draw(7, 3).tolist() == [1.5219693183898926, -1.1441057920455933, 1.150161623954773]
    assert latents.draw(7, 3).dtype == np.float32


def test_a_bundle_of_an_earlier_version_does_not_stop_the_others(tiny_bundle: Path) -> None:
    save_file({"x": torch.zeros(1)}, tiny_bundle.with_name("old.safetensors"), {"format": "pix2pix-bundle/1"})
    warnings: list[str] = []
    assert next(iter(Models(tiny_bundle.parent, "cpu", warnings.append))) == "tiny"
    (refusal,) = (one for one in warnings if "'old'" in one)
    assert "earlier version" in refusal


def test_one_sketch_for_many_latents_is_the_same_as_the_sketch_repeated(tiny: Translator) -> None:
    sketches, z = batch(tiny, 4)
    once = tiny.translate_batch(sketches[:1], z).astype(int)
    repeated = tiny.translate_batch(np.repeat(sketches[:1], 4, axis=0), z)
    assert once.shape == repeated.shape and np.abs(once - repeated).max() <= 1
    with pytest.raises(UsageError, match="3 sketches do not fit 4 answers"):
        tiny.translate_batch(sketches[:3], z)
    assert len(tiny.translate_batch(sketches[:1], z[:0])) == 0


def test_rows_say_which_sketch_each_answer_has(critic: Translator) -> None:
    sketches, z = batch(critic, 6)
    sketch_of = np.array([2, 0, 0, 1, 2, 2])
    photos = critic.translate_batch(sketches[:3], z, sketch_of)
    maps = critic.realism(sketches[:3], photos, sketch_of).astype(int)
    for i, row in enumerate(sketch_of):
        alone = critic.translate_batch(sketches[row : row + 1], z[i : i + 1])
        assert np.abs(photos[i].astype(int) - alone[0]).max() <= 1
        judged = critic.realism(sketches[row : row + 1], photos[i : i + 1])
        assert np.abs(maps[i, ..., 3] - judged[0, ..., 3]).max() <= 1
    assert not np.array_equal(photos[0], photos[4])
    for wrong in (sketch_of[:5], sketch_of + 1, sketch_of - 1):
        with pytest.raises(UsageError, match="is not 6 indices of 3 sketches"):
            critic.translate_batch(sketches[:3], z, wrong)


def test_a_photo_of_the_very_size_is_read_like_any_other(tiny: Translator, tmp_path: Path) -> None:
    """Regression: pixels that came straight from the decoder are read-only."""
    photo = np.full((64, 64, 3), 255, np.uint8)
    photo[8:24, 4:28] = (200, 30, 60)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    z = tiny.encode(tmp_path / "photo.png")
    assert z.shape == (4,) and z == pytest.approx(tiny.encode(Image.fromarray(photo)), abs=1e-4)


def test_the_margin_round_a_photo_does_not_change_its_look(tmp_path: Path) -> None:
    wide = replace(TINY, layout_widths=(128, 8, 8))  # an encoder whose random weights average out
    tiny = pix2pix.load(save_untrained(tmp_path / "wide.safetensors", wide), device="cpu")

    def page(height: int, width: int, top: int, left: int) -> np.ndarray:
        photo = np.full((height, width, 3), 255, np.uint8)
        photo[top : top + 40, left : left + 60] = (200, 30, 60)
        photo[top + 10 : top + 20, left : left + 30] = (20, 30, 60)
        return photo

    tight = tiny.encode(Image.fromarray(page(44, 64, 2, 2)))
    assert tiny.encode(Image.fromarray(page(200, 320, 150, 10))) == pytest.approx(tight, abs=0.06)
    other = Image.fromarray(page(44, 64, 2, 2)[:, :, ::-1])
    assert np.abs(tiny.encode(other) - tight).max() > 0.2
    with pytest.raises(ImageError, match="no subject"):
        tiny.encode(Image.new("RGB", (64, 64), "gray"))
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "gray.png")
    with pytest.raises(ImageError, match=r"gray\.png: no subject"):
        tiny.encode(tmp_path / "gray.png")


def test_a_z_that_is_no_number_is_refused(tiny: Translator) -> None:
    for number in (np.nan, np.inf):
        with pytest.raises(UsageError, match="not finite"):
            tiny.translate(draw_pair(0)[0], z=np.full(4, number, np.float32))
    for seed in (-1, 2**31):
        with pytest.raises(UsageError, match="seed"):
            tiny.translate(draw_pair(0)[0], seed=seed)


def test_a_model_without_encoder_reads_no_photo(literal: Translator) -> None:
    assert not literal.encodes
    with pytest.raises(UsageError, match="no encoder"):
        literal.encode(draw_pair(0)[1])


def test_the_papers_architecture_answers_one_sketch_as_often_as_it_is_asked(literal: Translator) -> None:
    photos = literal.translate_batch(draw_pair(1)[0][None], np.zeros((3, 0), np.float32))
    assert photos.shape == (3, 64, 64, 3) and (photos == photos[0]).all() and photos.std() > 5


def red_stroke(count: int) -> np.ndarray:
    """A stroke on the first of `count` sketches."""
    strokes = np.zeros((count, 32, 32, 4), np.uint8)
    strokes[0, 8:16, 10:24] = (220, 20, 30, 255)
    return strokes


def test_colour_strokes_change_the_answers_to_their_sketch(tiny: Translator) -> None:
    sketches, z = batch(tiny, 3)
    plain = tiny.translate_batch(sketches, z)
    assert np.array_equal(
        plain, tiny.translate_batch(sketches, z, strokes=np.zeros((3, 32, 32, 4), np.uint8))
    )
    stroked = tiny.translate_batch(sketches, z, strokes=red_stroke(3))
    changed = np.abs(stroked.astype(int) - plain).max(axis=(1, 2, 3))
    assert changed[0] > 10 and (changed[1:] <= 1).all()
    both = tiny.translate_batch(sketches[:2], z, np.array([0, 1, 0]), red_stroke(2))
    assert np.abs(both[:2].astype(int) - stroked[:2]).max() <= 1
    assert np.abs(both[2].astype(int) - tiny.translate_batch(sketches[:1], z[2:])[0]).max() > 10


def test_strokes_that_do_not_fit_are_refused(tiny: Translator, literal: Translator) -> None:
    assert tiny.takes_strokes and not literal.takes_strokes
    sketches, z = batch(tiny, 2)
    with pytest.raises(UsageError, match=r"expected \(2, 32, 32, 4\)"):
        tiny.translate_batch(sketches, z, strokes=np.zeros((1, 32, 32, 4), np.uint8))
    with pytest.raises(UsageError, match="literal does not support colour strokes"):
        literal.translate_batch(sketches[:1], np.zeros((1, 0), np.float32), strokes=red_stroke(1))


def test_a_transparent_photo_on_white_is_the_photo(tiny: Translator) -> None:
    sketches, z = batch(tiny, 3)
    photos = tiny.translate_batch(sketches, z)
    rgba = tiny.translate_batch(sketches, z, transparent=True).astype(float)
    assert rgba.shape == (3, 64, 64, 4)
    alpha = rgba[..., 3:] / 255
    assert alpha.min() < 0.4 < 0.6 < alpha.max()
    assert np.abs(rgba[..., :3] * alpha + 255 * (1 - alpha) - photos).max() <= 1
    assert tiny.translate_batch(sketches[:1], z[:0], transparent=True).shape == (0, 64, 64, 4)


def test_a_transparent_photo_by_hand() -> None:
    photo = np.array([[255, 255, 255], [100, 155, 255], [0, 0, 0], [40, 50, 60]], np.uint8)[None, None]
    alpha = np.array([0, 200, 255, 100], np.uint8)[None, None]
    made = cut_out(photo, alpha)[0, 0].tolist()
    assert made[:3] == [[255, 255, 255, 0], [57, 128, 255, 200], [0, 0, 0, 255]]
    assert made[3] == [0, 12, 24, 215], "as little alpha as lets the darkest channel be black"


@pytest.fixture(params=[1, 2], ids=["unfolded", "folded"])
def critic(tmp_path: Path, request: pytest.FixtureRequest) -> Translator:
    path = save_critic(tmp_path / "models" / "critic.safetensors", TINY, fold=request.param)
    return pix2pix.load(path, device="cpu")


def levels(*parts: float) -> list[int]:
    return [round(255 * part) for part in parts]


@pytest.mark.parametrize(("bias", "colour"), [(50.0, REAL), (-50.0, MADE)])
def test_what_d_is_sure_of_is_one_colour_as_opaque_as_can_be(
    tmp_path: Path, bias: float, colour: tuple[float, ...]
) -> None:
    critic = pix2pix.load(save_critic(tmp_path / "critic.safetensors", TINY, bias), device="cpu")
    sketches, z = batch(critic, 3)
    rgba = critic.realism(sketches, critic.translate_batch(sketches, z))
    assert rgba.shape == (3, 64, 64, 4) and rgba.dtype == np.uint8
    assert (rgba == levels(*colour, OPACITY)).all()
    assert (np.argmax(colour), np.argmin(colour)) == ((2, 0) if bias > 0 else (0, 2)), "blue, red"


def test_what_lies_over_a_photo_is_what_reports_show(critic: Translator, tmp_path: Path) -> None:
    """The whole way again in PyTorch, and laid over the photo as `samples.overlay` does."""
    sketches, z = batch(critic, 3)
    photos = critic.translate_batch(sketches, z)
    rgba = critic.realism(sketches, photos).astype(float)
    opacity = rgba[..., 3:] / 255
    shown = photos * (1 - opacity) + rgba[..., :3] * opacity

    model, header = load_bundle(tmp_path / "models" / "critic.safetensors")
    assert model.discriminator is not None
    given, drawn = (from_pixels(torch.from_numpy(x)) for x in (sketches[:, None], photos))
    drawn = drawn.permute(0, 3, 1, 2)
    with torch.no_grad():
        chances = model.discriminator.probabilities(given, drawn, header.model.seen_px)
    expected = (overlay(drawn, chances).permute(0, 2, 3, 1).numpy() + 1) * 127.5
    assert np.abs(shown - expected).max() <= 1.5
    assert np.abs(shown - photos).max() > 50
    assert opacity.min() < 0.05 < 0.3 < opacity.max(), "D is sure here, and not there"


def test_a_patch_is_coloured_where_it_was_looked_at() -> None:
    """Regression: stretched over the whole photo, the map lay up to a patch too far out."""
    seen = PatchDiscriminator(DiscriminatorConfig(widths=(4, 4, 4))).eval()
    seen.norms = torch.nn.ModuleList(torch.nn.Identity() for _ in seen.norms)  # a norm sees the whole photo
    photo = torch.zeros(1, 3, 64, 64, requires_grad=True)
    logits = seen(torch.zeros(1, 1, 64, 64), photo)
    row, column = 4, 9  # no patch at the border
    logits[0, 0, row, column].backward()
    assert photo.grad is not None
    rows, columns = photo.grad.abs().sum(dim=(0, 1)).nonzero().T
    centre = [(x.min().item() + x.max().item()) / 2 for x in (rows, columns)]

    chances = np.full((1, *logits.shape[2:]), 0.5, np.float32)
    chances[0, row, column] = 1
    weight = tint(chances, 64)[0, ..., 3].astype(float)
    weight /= weight.sum()
    coloured = [(weight.sum(axis=other) * np.arange(64)).sum() for other in (1, 0)]
    assert coloured == pytest.approx(centre, abs=0.01)


def test_one_sketch_has_many_photos_judged_like_each_alone(critic: Translator) -> None:
    sketches, z = batch(critic, 3)
    photos = critic.translate_batch(sketches[:1], z)
    together = critic.realism(sketches[:1], photos)[..., 3].astype(int)
    for i in range(3):
        alone = critic.realism(sketches[:1], photos[i : i + 1])
        assert np.abs(alone[0, ..., 3] - together[i]).max() <= 1
    assert together.std() > 5
    assert critic.realism(sketches[:1], photos[:0]).shape == (0, 64, 64, 4)


def test_what_cannot_be_judged_is_refused(critic: Translator, tiny: Translator, tmp_path: Path) -> None:
    sketches, z = batch(tiny, 2)
    photos = tiny.translate_batch(sketches, z)
    assert critic.judges and not tiny.judges
    with pytest.raises(UsageError, match="tiny has no discriminator"):
        tiny.realism(sketches, photos)
    with pytest.raises(UsageError, match="2 sketches do not fit 1 answers"):
        critic.realism(sketches, photos[:1])
    with pytest.raises(UsageError, match=r"expected \(N, 64, 64, 3\)"):
        critic.realism(sketches[:1], photos[..., 0])
    with pytest.raises(UsageError, match=r"\(N, 64, 64\)"):
        critic.realism(sketches[:, :16], photos)
    with pytest.raises(UsageError, match="is not 2 indices of 2 sketches"):
        critic.realism(sketches, photos, np.array([0, 2]))


def test_a_bundle_that_is_replaced_while_it_is_read_is_not_taken_for_another(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights were those of one file, its digest that of the next."""

    def replaced(path: Path, device: str, engine: str) -> Any:
        made = make_engine(path, device, engine)
        path.write_bytes(path.read_bytes() + b"\0")
        return made

    monkeypatch.setattr("pix2pix.inference.translator.make_engine", replaced)
    with pytest.raises(CorruptBundle, match="replaced while it was read"):
        pix2pix.load(tiny_bundle)
