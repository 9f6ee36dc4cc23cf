"""The whole path on real pictures, where PIX2PIX_DATA and PIX2PIX_FEATURES name them."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import needs_features
from PIL import Image

import pix2pix
from app.cli.main import main
from pix2pix.evaluate.perceptual import PerceptualDistance
from pix2pix.pairs import list_pairs, load_pair
from pix2pix.training.config import TrainConfig
from pix2pix.training.loop import train

VAL_PAIRS = 12


def unpack(archive: Path, into: Path, wanted: str, count: int) -> list[Path]:
    """The first `count` files of a tar whose path holds `wanted`."""
    with tarfile.open(archive) as tar:
        members = sorted(
            (m for m in tar.getmembers() if wanted in m.name and m.isfile()), key=lambda m: m.name
        )
        tar.extractall(into, members[:count], filter="data")
    return [into / member.name for member in members[:count]]


@pytest.fixture(scope="module")
def official(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prepared pairs of both official sets: `shoes/` and `handbags/`."""
    folder = tmp_path_factory.mktemp("official")
    for name in ("shoes", "handbags"):
        source = folder / f"edges2{name}"
        unpack(real_data / f"edges2{name}.tar", folder, "val/", VAL_PAIRS)
        unpack(real_data / f"edges2{name}.tar", folder, "train/", 4)
        result = CliRunner().invoke(main, ["prepare", str(source), str(folder / name), "--from", "ab"])
        assert result.exit_code == 0, result.output
    return folder


def test_official_pairs_come_through_unchanged(official: Path) -> None:
    for name in ("shoes", "handbags"):
        pairs = list_pairs(official / name, "val")
        assert len(pairs) == VAL_PAIRS
        for pair in pairs:
            sketch, photo = load_pair(pair)
            whole = np.asarray(
                Image.open(official / f"edges2{name}" / "val" / f"{pair.name}.jpg").convert("RGB")
            )
            assert np.abs(photo.astype(int) - whole[:, 256:]).mean() < 2
            agree = (sketch < 128) == (whole[:, :256].mean(axis=2) < 128)
            assert agree.mean() > 0.99


def test_training_runs_on_official_pairs(official: Path, tiny_config: TrainConfig, tmp_path: Path) -> None:
    config = replace(tiny_config, steps=2)
    statuses = list(train(config, official / "shoes", tmp_path / "run", device="cpu"))
    assert len(statuses) == 2


@needs_features
@pytest.mark.parametrize("name, limit", [("shoes", 0.30), ("handbags", 0.38)])
def test_shipped_bundles_draw_what_the_edges_say(official: Path, name: str, limit: float) -> None:
    """With its look, closer to the true photo than a plain recipe comes, and much closer than to another."""
    translator, distance = pix2pix.load(name, device="cpu"), PerceptualDistance("alex")
    loaded = [load_pair(pair) for pair in list_pairs(official / name, "val")]
    sketches = np.stack([sketch for sketch, _ in loaded])
    looks = [translator.encode(pair.photo) for pair in list_pairs(official / name, "val")]
    made = translator.translate_batch(sketches, np.stack(looks))

    def tensor(photos: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 127.5 - 1

    real = np.stack([photo for _, photo in loaded])
    with torch.inference_mode():
        to_own = distance(tensor(made), tensor(real)).mean().item()
        others = [
            tensor(translator.translate_batch(sketches, np.stack([translator.latent(n)] * len(loaded))))
            for n in range(1, 13)
        ]
        between = np.mean([distance(a, b).mean().item() for a, b in pairwise(others)])
        to_other = distance(tensor(made), tensor(np.roll(real, 1, axis=0))).mean().item()
    assert between > 0.08  # one sketch, many answers; even layouts and less speckle differ less than before
    assert to_own < limit
    assert to_other > 1.4 * to_own


def test_human_drawings_become_photos(real_data: Path, tmp_path: Path) -> None:
    drawings = unpack(real_data / "human-sketches.tar", tmp_path, "shoes/sketches/", 4)
    result = CliRunner().invoke(main, ["convert", str(drawings[0].parent), str(tmp_path / "photos")])
    assert result.exit_code == 0, result.output
    for drawing in drawings:
        photo = np.asarray(Image.open(tmp_path / "photos" / drawing.name))
        assert photo.shape == (*np.asarray(Image.open(drawing)).shape[:2], 3)
        assert (photo < 200).any(axis=2).mean() > 0.02, "nothing was drawn"
