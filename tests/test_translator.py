"""Same sketch + same z + same bundle = same photo."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import draw_pair
from PIL import Image

import pix2pix
from pix2pix import latents
from pix2pix.devices import choose_device
from pix2pix.errors import UsageError
from pix2pix.translator import Translator


@pytest.fixture
def tiny(tiny_bundle: Path) -> Translator:
    return pix2pix.load(tiny_bundle, device="cpu")


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
    with pytest.raises(UsageError, match=r"\(N, 32, 32\)"):
        tiny.translate_batch(np.zeros((1, 16, 16), np.uint8), np.zeros((1, 4), np.float32))
    with pytest.raises(UsageError, match=r"\(N, 4\)"):
        tiny.translate(draw_pair(0)[0], z=np.zeros(3, np.float32))


def test_an_empty_batch_is_an_empty_answer(tiny: Translator) -> None:
    assert tiny.translate_batch(np.zeros((0, 32, 32), np.uint8), np.zeros((0, 4), np.float32)).shape == (
        0,
        32,
        32,
        3,
    )


def test_devices_that_are_not_there_are_refused() -> None:
    assert choose_device("cpu").type == "cpu"
    for device in ("tpu", "cuda:99", "meta"):
        with pytest.raises(UsageError, match=device):
            choose_device(device)


def test_a_latent_is_fixed_by_its_seed_for_ever() -> None:
    """Seeds are shared in links: this value (numpy PCG64, seed 7) must never change."""
    expected = np.random.Generator(np.random.PCG64(7)).standard_normal(3, dtype=np.float32)
    assert np.array_equal(latents.draw(7, 3), expected)
    assert latents.draw(7, 3).dtype == np.float32
