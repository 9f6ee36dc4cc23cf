"""Pictures of a run: samples for fixed inputs, the discriminator's map over them, and the hardest pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from pix2pix.errors import PairsError
from pix2pix.files import write_atomically
from pix2pix.images.tensors import to_pixels
from pix2pix.inference.realism import tint
from pix2pix.model import latents
from pix2pix.model.networks import Model
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.pairs import Pair, load_pair, to_tensors
from pix2pix.training.data.sampler import Hard

REALISM_ROWS = 4
HARDEST_PX = 128


def draw_grid(file: Path, model: Model, grid: tuple[Tensor, Tensor]) -> None:
    """Writes a sheet of samples, a row per pair: sketch, generated photos of seeds 0 and 1, real photo.

    `grid` is sketches (N, 1, S, S) and photos (N, 3, S, S), both in [-1, 1].
    """
    sketch, photo = grid
    _save(file, sketch, *(generate(model, sketch, seed) for seed in (0, 1)), photo)


def draw_hardest(
    folder: Path, hardest: Sequence[Hard], pairs: Sequence[Pair], model: Model, size_px: int
) -> None:
    """Writes hardest.json and hardest.jpg, a row per pair: sketch, generated photo, real photo.

    Unreadable pairs are left out.
    """
    listed, sketches, photos = [], [], []
    for hard in hardest:
        pair = pairs[hard.index]
        try:
            sketch, photo = load_pair(pair, size_px)
        except PairsError:
            continue
        sketches.append(sketch)
        photos.append(photo)
        listed.append({"name": pair.name, **asdict(hard)})
    if not listed:
        return
    given, target = to_tensors(sketches, photos)
    side = min(HARDEST_PX, size_px)
    columns = (given, generate(model, given, 0), target)
    _save(folder / "hardest.jpg", *(F.adaptive_avg_pool2d(x, side) for x in columns))
    write_atomically(folder / "hardest.json", json.dumps(listed, indent=1).encode())


def draw_realism(file: Path, model: Model, discriminator: PatchDiscriminator, sketch: Tensor) -> None:
    """Writes photos generated for sketches (N, 1, S, S), and beside each the discriminator's map over it.

    Blue is real, red is generated.
    """
    sketch = sketch[:REALISM_ROWS]
    photo = generate(model, sketch, 0)
    device = next(discriminator.parameters()).device
    with torch.no_grad():
        probabilities = discriminator.probabilities(sketch.to(device), photo.to(device), model.config.seen_px)
    _save(file, photo, overlay(photo, probabilities.cpu()))


def overlay(photo: Tensor, probabilities: Tensor) -> Tensor:
    """Returns photos (N, 3, S, S) in [-1, 1] under the `tint` of probabilities (N, 1, h, w)."""
    rgba = torch.from_numpy(tint(probabilities[:, 0].numpy(), photo.shape[-1])).permute(0, 3, 1, 2) / 255
    covered: Tensor = torch.lerp(photo, 2 * rgba[:, :3] - 1, rgba[:, 3:])
    return covered


@torch.no_grad()
def generate(model: Model, sketch: Tensor, seed: int) -> Tensor:
    """Returns photos (N, 3, S, S) in [-1, 1] for sketches (N, 1, S, S), all with one seed, on the CPU."""
    device = next(model.parameters()).device
    z = torch.from_numpy(np.tile(latents.draw(seed, model.config.latent_size), (len(sketch), 1)))
    photo: Tensor = model(sketch.to(device), z.to(device))[0]
    return photo.cpu()


def _save(file: Path, *columns: Tensor) -> None:
    """Writes columns of pictures (N, C, S, S) in [-1, 1] as a sheet, with 2 px between them."""
    rows = torch.stack([x.expand(-1, 3, -1, -1) for x in columns], dim=1)  # (N, columns, 3, S, S)
    sheet = make_grid(rows.flatten(0, 1), nrow=len(columns), pad_value=-1)
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(to_pixels(sheet[None])[0].permute(1, 2, 0).numpy()).save(file, quality=90)
