"""What computes a bundle's networks: ONNX Runtime on a CPU, PyTorch on a GPU or where it is asked for.

    engine = make_engine(path, device="auto", name="auto")

All give the same pictures to within one of 255 levels. ONNX Runtime needs no PyTorch, whose import alone
takes longer than its first picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from pix2pix.bundle import Header
from pix2pix.errors import UsageError

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

EngineName = Literal["auto", "onnxruntime", "torch", "compiled", "fastest"]
ENGINES: tuple[str, ...] = get_args(EngineName)
TRIALS = 5  # photos of which the quickest tells an engine's speed


class Engine(Protocol):
    """The networks of one bundle on one device. May be shared between threads.

    M sketches (M, S, S), paper 255, N answers: z (N, Z), `rows` (N,) saying of which sketch each answer is.
    Shapes are right.
    """

    name: str
    device: str

    def answer(self, sketches: UInt8, z: Float32, rows: Int64) -> UInt8:
        """Photos (N, S, S, 3)."""
        ...

    def encode(self, photo: UInt8) -> Float32:
        """The z (Z,) of a photo (S, S, 3), by a model that has an encoder."""
        ...

    def realism(self, sketches: UInt8, photos: UInt8, rows: Int64) -> UInt8:
        """What to lay over photos (N, S, S, 3), RGBA (N, S, S, 4), by a model that has a discriminator."""
        ...


def make_engine(path: Path, device: str, name: str) -> tuple[Engine, Header]:
    """The engine of this name for a bundle, and the bundle's header.

    "auto" is PyTorch on a GPU, ONNX Runtime on a CPU. "fastest" makes all that this machine has for the
    device and keeps the one whose photo came soonest. Raises UsageError for an unknown name, for a device
    that is not there or not the engine's, and where PyTorch is needed and missing; else as `load_bundle`.
    """
    chosen = choose_engine(device, name)
    if chosen == "fastest":
        return _fastest([_of_onnxruntime, _of_torch, _of_compiled], path, device)
    return {"onnxruntime": _of_onnxruntime, "torch": _of_torch, "compiled": _of_compiled}[chosen](
        path, device
    )


def choose_engine(device: str, name: str) -> str:
    """What "auto" means on this machine; any other name as it is. Raises UsageError for an unknown one."""
    if name not in ENGINES:
        raise UsageError(f"engine {name!r} is not one of: {', '.join(ENGINES)}")
    if name != "auto":
        return name
    return "torch" if device.startswith("cuda") or (device == "auto" and _gpu_is_of_use()) else "onnxruntime"


Maker = Callable[[Path, str], tuple[Engine, Header]]


def _of_onnxruntime(path: Path, device: str) -> tuple[Engine, Header]:
    from pix2pix.engines.on_onnxruntime import OnnxRuntimeEngine

    if device not in ("auto", "cpu"):
        raise UsageError(f"the engine onnxruntime computes on the CPU, not on {device!r}")
    return OnnxRuntimeEngine.load(path)


def _of_torch(path: Path, device: str, *, compiled: bool = False) -> tuple[Engine, Header]:
    try:
        from pix2pix.engines.on_torch import TorchEngine
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed, which GPUs and training need: pip install -e '.[gpu]'"
        ) from error
    return TorchEngine.load(path, device, compiled=compiled)


def _of_compiled(path: Path, device: str) -> tuple[Engine, Header]:
    return _of_torch(path, device, compiled=True)


def _fastest(makers: list[Maker], path: Path, device: str) -> tuple[Engine, Header]:
    """Make each, and keep the one that answers soonest; one that cannot be had is passed over."""
    timed: list[tuple[float, int, tuple[Engine, Header]]] = []
    for maker in makers:
        try:
            made = maker(path, device)
            timed.append((_seconds(*made), len(timed), made))
        except (UsageError, RuntimeError, ImportError) as error:
            refusal = error
    if not timed:
        raise UsageError(f"no engine can be had: {refusal}") from refusal
    return min(timed)[2]


def _seconds(engine: Engine, header: Header) -> float:
    """The time of one photo, the first of them not counted."""
    side = header.model.size_px
    blank, z = np.full((1, side, side), 255, np.uint8), np.zeros((1, header.model.latent_size), np.float32)
    best = np.inf
    for trial in range(1 + TRIALS):
        began = time.perf_counter()
        engine.answer(blank, z, np.zeros(1, np.int64))
        if trial:
            best = min(best, time.perf_counter() - began)
    return float(best)


def _gpu_is_of_use() -> bool:
    """Whether it is worth importing PyTorch, which takes seconds, to ask it for a GPU."""
    there = any(Path("/dev").glob("nvidia[0-9]*")) or Path("C:/Windows/System32/nvcuda.dll").exists()
    return there and find_spec("torch") is not None
