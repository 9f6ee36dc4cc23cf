"""A bundle on PyTorch: on a GPU in half precision, on a CPU in float32."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pix2pix.bundle import Header, load_bundle
from pix2pix.devices import choose_device
from pix2pix.engines import Float32, Int64, UInt8
from pix2pix.networks import Model, fold_for_inference
from pix2pix.pixels import from_pixels, to_pixels
from pix2pix.realism import tint


class TorchEngine:
    """Takes the model over: it is folded for inference."""

    def __init__(self, model: Model, header: Header, device: torch.device, *, compiled: bool = False) -> None:
        """`compiled` has the first answer wait for a compiler, so that those after it come sooner."""
        self.name = "compiled" if compiled else "torch"
        self.device = str(device)
        self._device, self._header = device, header
        self._generator, self._encoder = fold_for_inference(model.generator), model.encoder
        self._discriminator = model.discriminator
        model.to(device).to(memory_format=torch.channels_last)
        if compiled:  # the compiler complains of CUDA tools without a GPU, also where the CPU was asked for
            logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        self._draw = torch.compile(self._generator, dynamic=True) if compiled else self._generator

    @classmethod
    def load(cls, path: Path, device: str, *, compiled: bool = False) -> tuple[TorchEngine, Header]:
        """The engine of a bundle, and its header. Raises as `choose_device` and `load_bundle`."""
        chosen = choose_device(device)
        model, header = load_bundle(path)
        return cls(model, header, chosen, compiled=compiled), header

    @torch.inference_mode()
    def answer(self, sketches: UInt8, z: Float32, rows: Int64) -> UInt8:
        """As of `Engine`."""
        with self._half():
            photos, _ = self._draw(self._given(sketches), self._tensor(z), rows=self._tensor(rows))
        made: UInt8 = to_pixels(photos.float()).permute(0, 2, 3, 1).cpu().numpy()
        return made

    @torch.inference_mode()
    def encode(self, photo: UInt8) -> Float32:
        """As of `Engine`."""
        assert self._encoder is not None
        mean, _ = self._encoder(from_pixels(self._tensor(photo)).permute(2, 0, 1)[None])
        z: Float32 = mean[0].cpu().numpy()
        return z

    @torch.inference_mode()
    def realism(self, sketches: UInt8, photos: UInt8, rows: Int64) -> UInt8:
        """As of `Engine`."""
        assert self._discriminator is not None and self._header.discriminator is not None
        given, whose = self._given(sketches), self._tensor(rows)
        roughness = torch.zeros(len(photos), device=self._device)
        if (guess := self._generator.guess) is not None:
            roughness = guess(self._generator.features(given))[whose]
        made = from_pixels(self._tensor(photos)).permute(0, 3, 1, 2)
        size_px = self._header.discriminator.size_px
        chances = self._discriminator.probabilities(given[whose], made, roughness, size_px)
        overlays = tint(chances, (photos.shape[1], photos.shape[2]))
        return to_pixels(2 * overlays - 1).permute(0, 2, 3, 1).cpu().numpy()

    def _given(self, sketches: UInt8) -> Tensor:
        """(M, S, S) uint8 -> (M, 1, S, S) in [-1, 1] on the device."""
        given: Tensor = from_pixels(self._tensor(sketches))[:, None]
        return given

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _half(self) -> AbstractContextManager[object]:
        """Half precision where it is sooner: on a GPU."""
        if self._device.type == "cpu":
            return nullcontext()
        return torch.autocast("cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)
