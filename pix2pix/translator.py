"""The only door to inference: sketches and latents in, photos out.

    shoes = pix2pix.load("shoes")
    shoes.translate("drawing.png", seed=7).save("shoe.png")

Same sketch + same z + same bundle = same photo: alone, in any batch, in any order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pix2pix import latents
from pix2pix.bundle import Header, find_bundle, load_bundle
from pix2pix.devices import choose_device
from pix2pix.errors import UsageError
from pix2pix.images import fit_sketch, read_sketch, restore_photo
from pix2pix.networks import Generator, fold_for_inference


def load(name_or_path: str | Path, models: Path | None = None, device: str = "auto") -> Translator:
    """A Translator for a bundle's name or path.

    `device` is "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".
    Raises BundleNotFound, CorruptBundle, or UsageError for a device that is not there.
    """
    path = find_bundle(name_or_path, models)
    chosen = choose_device(device)
    generator, header = load_bundle(path)
    return Translator(path.stem, generator, header, chosen)


class Translator:
    """A bundle, ready to translate. May be shared between threads."""

    def __init__(self, name: str, generator: Generator, header: Header, device: torch.device) -> None:
        """Use `load`."""
        self.name, self.header = name, header
        self.title = header.title
        self.size_px = header.model.size_px
        self.latent_size = header.model.latent_size
        self.device = str(device)
        self._device = device
        self._generator = fold_for_inference(generator).to(device).to(memory_format=torch.channels_last)

    def latent(self, seed: int) -> latents.Latent:
        """The z that `seed` stands for, (Z,) float32."""
        return latents.draw(seed, self.latent_size)

    def translate(self, sketch: Any, *, seed: int = 0, z: latents.Latent | None = None) -> Image.Image:
        """Anything `read_sketch` takes -> an RGB photo of the sketch's size, the subject in its place.

        Raises ImageError for a picture that cannot be used, UsageError for a z of the wrong shape.
        """
        fitted, placement = fit_sketch(read_sketch(sketch), self.size_px)
        chosen = self.latent(seed) if z is None else np.asarray(z, np.float32)
        photos = self.translate_batch(fitted[None], chosen[None])
        return Image.fromarray(restore_photo(photos[0], placement))

    @torch.inference_mode()
    def translate_batch(self, sketches: NDArray[np.uint8], z: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(N, S, S) uint8 sketches, paper 255, and (N, Z) latents -> (N, S, S, 3) uint8 photos.

        Raises UsageError for other shapes.
        """
        n, size = len(sketches), self.size_px
        if sketches.shape != (n, size, size) or z.shape != (n, self.latent_size):
            raise UsageError(
                f"sketches {sketches.shape} and z {z.shape} do not fit this bundle: "
                f"expected (N, {size}, {size}) and (N, {self.latent_size})"
            )
        if n == 0:
            return np.empty((0, size, size, 3), np.uint8)
        x = (
            torch.from_numpy(np.ascontiguousarray(sketches))
            .to(self._device)
            .float()
            .div_(127.5)
            .sub_(1)[:, None]
        )
        photos = self._generator(x, torch.from_numpy(np.ascontiguousarray(z, np.float32)).to(self._device))
        pixels = photos.add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)  # (N, 3, S, S)
        result: NDArray[np.uint8] = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return result
