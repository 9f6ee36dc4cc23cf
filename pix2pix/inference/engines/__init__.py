"""Engines compute a bundle's networks: ONNX Runtime on a CPU, PyTorch on a GPU, or the one that is named.

    engine, header = make_engine(path, device="auto", name="auto")

On a CPU both give the same pictures to within one of 255 levels; on a GPU PyTorch computes in half precision.
The ONNX Runtime engine does not import PyTorch, whose import alone takes longer than its first picture.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from pix2pix.errors import UsageError
from pix2pix.images.framing import UInt8
from pix2pix.model.bundle import Header

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

EngineName = Literal["auto", "onnxruntime", "torch"]
ENGINES: tuple[str, ...] = get_args(EngineName)


class Engine(Protocol):
    """The networks of one bundle on one device. May be shared between threads.

    Takes M sketches (M, S, S) uint8, paper 255, for N answers; `sketch_of` (N,) is the index of each answer's
    sketch. The caller checks shapes.
    """

    name: str
    device: str

    def translate(self, sketches: UInt8, z: Float32, sketch_of: Int64, strokes: UInt8) -> tuple[UInt8, UInt8]:
        """Returns photos on white (N, S, S, 3) and their alpha (N, S, S), for z (N, Z).

        Colour strokes (M, S/2, S/2, 4) are RGBA; the paper's architecture ignores them.
        """
        ...

    def encode(self, photo: UInt8, mask: UInt8) -> Float32:
        """Returns the z (Z,) of a photo (S, S, 3) with its product mask (S, S); two-stage models only."""
        ...

    def realism(self, sketches: UInt8, photos: UInt8, sketch_of: Int64) -> Float32:
        """Returns the probability that each patch of photos (N, S, S, 3) is real, (N, h, w)."""
        ...


def make_engine(path: Path, device: str, name: str) -> tuple[Engine, Header]:
    """Returns the engine of this name for a bundle, and the bundle's header.

    "auto" is PyTorch on a GPU, ONNX Runtime on a CPU. Raises UsageError for an unknown name, for a device
    that is missing or that the engine cannot use, and if PyTorch is needed and not installed; else as
    `load_bundle`.
    """
    make = _on_torch if choose_engine(device, name) == "torch" else _on_onnxruntime
    return make(path, device)


def choose_engine(device: str, name: str) -> str:
    """Resolves "auto" on this machine; returns other names. Raises UsageError for an unknown one."""
    if name not in ENGINES:
        raise UsageError(f"engine {name!r} is not one of: {', '.join(ENGINES)}")
    if name != "auto":
        return name
    return "torch" if device.startswith("cuda") or (device == "auto" and _may_have_gpu()) else "onnxruntime"


def _on_onnxruntime(path: Path, device: str) -> tuple[Engine, Header]:
    from pix2pix.inference.engines.on_onnxruntime import OnnxRuntimeEngine

    if device not in ("auto", "cpu"):
        raise UsageError(f"the engine onnxruntime computes on the CPU, not on {device!r}")
    return OnnxRuntimeEngine.load(path)


def _on_torch(path: Path, device: str) -> tuple[Engine, Header]:
    try:
        from pix2pix.inference.engines.on_torch import TorchEngine
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; GPUs and training need it: pip install -e '.[gpu]'"
        ) from error
    return TorchEngine.load(path, device)


def _may_have_gpu() -> bool:
    """Whether PyTorch may find a GPU, without importing it: that takes seconds."""
    driver = any(Path("/dev").glob("nvidia[0-9]*")) or Path("C:/Windows/System32/nvcuda.dll").exists()
    return driver and find_spec("torch") is not None
