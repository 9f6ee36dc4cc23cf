"""A bundle on PyTorch: on a GPU in half precision, on a CPU in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pix2pix.images.framing import UInt8
from pix2pix.images.tensors import from_pixels, to_pixels
from pix2pix.inference.devices import choose_device
from pix2pix.inference.engines import Float32, Int64
from pix2pix.model.bundle import Header, load_bundle
from pix2pix.model.networks import Model, TwoStage


class TorchEngine:
    """Owns the model: it moves it to the device."""

    name = "torch"

    def __init__(self, model: Model, device: torch.device) -> None:
        """`model` is in evaluation mode."""
        self.device = str(device)
        self._device, self._model = device, model
        model.to(device).to(memory_format=torch.channels_last)

    @classmethod
    def load(cls, path: Path, device: str) -> tuple[TorchEngine, Header]:
        """Returns the engine of a bundle, and its header. Raises as `choose_device` and `load_bundle`."""
        chosen = choose_device(device)
        model, header = load_bundle(path)
        return cls(model, chosen), header

    @torch.inference_mode()
    def translate(self, sketches: UInt8, z: Float32, sketch_of: Int64, strokes: UInt8) -> tuple[UInt8, UInt8]:
        """See `Engine`."""
        rgba = self._tensor(strokes).permute(0, 3, 1, 2)
        mask = rgba[:, 3:].float() / 255
        coloured = torch.cat([from_pixels(rgba[:, :3]) * mask, mask], dim=1)
        with self._half():
            photos, alpha = self._model(
                self._sketches(sketches), self._tensor(z), self._tensor(sketch_of), coloured
            )
        pixels: UInt8 = to_pixels(photos.float()).permute(0, 2, 3, 1).cpu().numpy()
        opacity: UInt8 = to_pixels(2 * alpha[:, 0].float() - 1).cpu().numpy()
        return pixels, opacity

    @torch.inference_mode()
    def encode(self, photo: UInt8, mask: UInt8) -> Float32:
        """See `Engine`."""
        assert isinstance(self._model, TwoStage)
        product = self._tensor(mask)[None, None].float() / 255
        z: Float32 = self._model.encode(self._photos(photo[None]), product)[0].cpu().numpy()
        return z

    @torch.inference_mode()
    def realism(self, sketches: UInt8, photos: UInt8, sketch_of: Int64) -> Float32:
        """See `Engine`."""
        assert self._model.discriminator is not None
        given = self._sketches(sketches)[self._tensor(sketch_of)]
        size_px = self._model.config.seen_px
        patches = self._model.discriminator.probabilities(given, self._photos(photos), size_px)
        probabilities: Float32 = patches[:, 0].cpu().numpy()
        return probabilities

    def _sketches(self, sketches: UInt8) -> Tensor:
        """(M, S, S) uint8 -> (M, 1, S, S) in [-1, 1] on the device."""
        return from_pixels(self._tensor(sketches))[:, None]

    def _photos(self, photos: UInt8) -> Tensor:
        """(N, S, S, 3) uint8 -> (N, 3, S, S) in [-1, 1] on the device."""
        return from_pixels(self._tensor(photos)).permute(0, 3, 1, 2)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _half(self) -> AbstractContextManager[object]:
        """Half precision where it is faster: on a GPU."""
        if self._device.type == "cpu":
            return nullcontext()
        return torch.autocast(
            "cuda",
            torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16,
        )
