"""Small worlds for tests: a made-up pairs folder, a tiny model, and the real data where it lies."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image

from pix2pix.model.bundle import Header, save_bundle
from pix2pix.model.config import DiscriminatorConfig, ModelConfig
from pix2pix.training.config import LayoutConfig, TrainConfig

if TYPE_CHECKING:
    from pix2pix.model.networks import Model

# Before PyTorch is imported, which most tests do not need: threads cost small networks more than they gain.
os.environ["OMP_NUM_THREADS"] = "1"

pytest_plugins = ["canvas"]

TINY = ModelConfig(size_px=64, widths=(8, 8, 8), latent_size=4, layout_widths=(8, 8, 8))
LITERAL = ModelConfig(architecture="paper", size_px=64, widths=(4, 8, 8), latent_size=0)  # one answer
CRITIC = DiscriminatorConfig(widths=(4, 8), coarse_widths=(8, 8, 8))

LONGEST = (
    "test_canvas_answers",
    "test_canvas_layout",
    "test_canvas_models",
    "test_cluster",
    "test_faults",
    "test_canvas_paper",
    "test_resume",
    "test_training",
    "test_on_device",
)

needs_features = pytest.mark.skipif(
    not os.environ.get("PIX2PIX_FEATURES"), reason="PIX2PIX_FEATURES is not set"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first: begun last, one of them would run when all else is done."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture
def tiny_config() -> TrainConfig:
    return TrainConfig(
        model=TINY,
        preset="fast",
        steps=4,
        batch_size=2,
        layout=LayoutConfig(batch_size=8, discriminator_widths=(8, 8, 8)),
        perceptual_weight=0.0,
        warmup_steps=0,
        discriminator=CRITIC,
        sample_every=2,
        save_every=2,
        score_every=0,
    )


def draw_pair(seed: int, size_px: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A box outline and the box filled with a colour."""
    rng = np.random.default_rng(seed)
    x, y = (int(v) for v in rng.integers(3, size_px // 3, 2))
    w, h = (int(v) for v in rng.integers(size_px // 3, size_px // 2, 2))
    colour = tuple(int(v) for v in rng.integers(0, 200, 3))
    sketch = np.full((size_px, size_px), 255, np.uint8)
    photo = np.full((size_px, size_px, 3), 255, np.uint8)
    cv2.rectangle(sketch, (x, y), (x + w, y + h), 0, 1)
    cv2.rectangle(photo, (x, y), (x + w, y + h), colour, -1)
    return sketch, photo


def framed_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`draw_pair` in a frame that fills the page of 64 x 64, so that it is left where it is."""
    pair = draw_pair(seed)
    for picture in pair:
        cv2.rectangle(picture, (2, 2), (61, 61), (0, 0, 0), 1)
    return pair


def save_framed(folder: Path, count: int) -> Path:
    """Validation pairs of `framed_pair`."""
    for kind in ("sketches", "photos"):
        (folder / "val" / kind).mkdir(parents=True)
    for seed in range(count):
        sketch, photo = framed_pair(seed)
        Image.fromarray(sketch).save(folder / "val" / "sketches" / f"{seed}.png")
        Image.fromarray(photo).save(folder / "val" / "photos" / f"{seed}.png")
    return folder


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """Four pairs to look at, 64x64."""
    return save_framed(tmp_path / "four", 4)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Six pairs to train on and two to look at, 64x64."""
    folder = tmp_path / "pairs"
    for split, seeds in (("train", range(6)), ("val", range(6, 8))):
        for kind in ("sketches", "photos"):
            (folder / split / kind).mkdir(parents=True)
        for seed in seeds:
            sketch, photo = draw_pair(seed)
            Image.fromarray(sketch).save(folder / split / "sketches" / f"{seed}.png")
            Image.fromarray(photo).save(folder / split / "photos" / f"{seed}.png")
    return folder


def make_header(model: ModelConfig) -> Header:
    return Header(
        model=model,
        title="Tiny",
        preset="fast",
        steps=3,
        images=6,
        data="made up",
        data_hash="0" * 16,
        licence="none",
        metrics={"lpips": 0.5},
    )


def make_model(config: ModelConfig, discriminator: DiscriminatorConfig | None = None) -> Model:
    """Untrained, but with weights with which every part changes the answer."""
    import torch

    from pix2pix.model.networks import build_model

    torch.manual_seed(0)
    model = build_model(config, discriminator).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".layout.weight") or name.startswith("generator."):
                parameter.mul_(5)  # initial weights hardly change anything
            elif name == "layout.out.weight":
                parameter.mul_(2)  # colours of a layout in about -1 to 1
            elif name == "picture.head.weight":
                parameter.mul_(10)
            elif name == "picture.head.skip.bias":
                parameter[3] = 0.1  # alpha varies, also blurred
    return model


def save_untrained(path: Path, model: ModelConfig, **header: object) -> Path:
    """A bundle of `make_model`."""
    path.parent.mkdir(exist_ok=True)
    about = replace(make_header(model), **header)  # type: ignore[arg-type]
    save_bundle(path, make_model(model).state_dict(), about)
    return path


def save_critic(path: Path, model: ModelConfig, bias: float = 0.0, fold: int = 1) -> Path:
    """As `save_untrained`, with a discriminator whose logits vary round `bias`: from 50 on it is sure."""
    path.parent.mkdir(exist_ok=True)
    config = replace(CRITIC, fold=fold)
    whole = make_model(model, config)
    assert whole.discriminator is not None
    head = whole.discriminator.convs[-1]
    head.requires_grad_(False)
    head.weight.mul_(20)
    head.bias.fill_(bias)
    save_bundle(path, whole.state_dict(), replace(make_header(model), discriminator=config))
    return path


@pytest.fixture
def tiny_header() -> Header:
    return make_header(TINY)


@pytest.fixture
def tiny_bundle(tmp_path: Path) -> Path:
    return save_untrained(tmp_path / "models" / "tiny.safetensors", TINY)


@pytest.fixture
def literal_bundle(tmp_path: Path) -> Path:
    """A model that has one answer to a sketch, and reads no photo."""
    return save_untrained(tmp_path / "models" / "literal.safetensors", LITERAL)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, or skip: it is no part of the repository."""
    folder = os.environ.get("PIX2PIX_DATA")
    if not folder:
        pytest.skip("PIX2PIX_DATA names no folder of real data")
    return Path(folder)
