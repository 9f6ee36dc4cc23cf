"""One sketch, two equally right photos: is the answer one of them, each about half of the time, or a blur?"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import pix2pix
from pix2pix.config import PRESETS, DiscriminatorConfig, ModelConfig, TrainConfig
from pix2pix.training import train

RED, BLUE = np.array([200, 30, 30]), np.array([30, 30, 200])
MODEL = ModelConfig(size_px=32, widths=(8, 16, 16), latent_size=4, encoder_widths=(8, 16, 16))
# The default recipe's losses and weights, made small and quick.
RECIPE = replace(
    PRESETS["default"],
    model=MODEL,
    size_px=32,
    coarse_fraction=0.0,
    steps=500,
    discriminator=DiscriminatorConfig(widths=(8, 16, 16), size_px=32),
    perceptual_weight=0.0,
    generator_lr=2e-3,
    discriminator_lr=2e-3,
    ema_half_life_images=500,
    flip=False,
    shift_scale=False,
    strokes=False,
    line_width=False,
    sample_every=10_000,
    save_every=10_000,
    score_every=0,
)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    sketch = np.full((32, 32), 255, np.uint8)
    cv2.rectangle(sketch, (8, 8), (23, 23), 0, 1)
    for kind in ("sketches", "photos"):
        (tmp_path / "pairs" / "train" / kind).mkdir(parents=True)
    for name, colour in (("red", RED), ("blue", BLUE)):
        photo = np.full((32, 32, 3), 255, np.uint8)
        cv2.rectangle(photo, (8, 8), (23, 23), colour.tolist(), -1)
        Image.fromarray(sketch).save(tmp_path / "pairs" / "train" / "sketches" / f"{name}.png")
        Image.fromarray(photo).save(tmp_path / "pairs" / "train" / "photos" / f"{name}.png")
    return tmp_path / "pairs"


def colours(config: TrainConfig, pairs: Path, run: Path) -> np.ndarray:
    """(64, 3): the middle of the square in answers to 64 random z of a model trained so."""
    for _ in train(config, pairs, run, device="cpu"):
        pass
    translator = pix2pix.load(run / f"{run.name}.safetensors", device="cpu")
    sketch = np.asarray(Image.open(pairs / "train" / "sketches" / "red.png"))
    z = np.stack([translator.latent(seed) for seed in range(1, 65)])
    photos = translator.translate_batch(np.repeat(sketch[None], 64, axis=0), z)
    return photos[:, 12:20, 12:20].mean(axis=(1, 2))


def share_near(answers: np.ndarray, colour: np.ndarray) -> float:
    return float((np.abs(answers - colour).mean(axis=1) < 40).mean())


def test_the_default_recipe_gives_each_answer_about_half_of_the_time(pairs: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    answers = colours(RECIPE, pairs, tmp_path / "both")
    red, blue = share_near(answers, RED), share_near(answers, BLUE)
    assert 0.25 < red < 0.75 and 0.25 < blue < 0.75 and red + blue > 0.8


def test_l1_alone_gives_the_average_of_both(pairs: Path, tmp_path: Path) -> None:
    blind = replace(MODEL, latent_size=0, encoder_widths=())
    answers = colours(replace(RECIPE, model=blind, adversarial_weight=0.0), pairs, tmp_path / "blur")
    assert share_near(answers, RED) == share_near(answers, BLUE) == 0
    assert (answers > (RED + BLUE) // 2 * 0.25).all() and (answers[:, [0, 2]] > 40).all()
    assert (answers[:, [0, 2]] < 190).all()
