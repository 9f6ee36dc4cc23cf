"""A bundle as one ONNX file that needs nothing of this project: pixels in, pixels out.

Its metadata says how it is used, in the words below the example.

    export(find_bundle("shoes"), Path("shoes.onnx"), sketches)

Inputs: `sketches` (M, S, S) uint8, ink dark on paper 255, fitted to the model's square; `z` (N, Z) float32
from N(0, 1), 0 for the middle of all answers; `rows` (N,) int64, of which sketch each answer is. Output:
`photos` (N, S, S, 3) uint8 RGB.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pix2pix import __version__, latents
from pix2pix.bundle import Header, digest_of, read_weights
from pix2pix.engines import UInt8, make_engine
from pix2pix.engines.on_onnxruntime import make_session, run_session
from pix2pix.errors import ExportMismatch
from pix2pix.files import write_atomically
from pix2pix.graph import answer_graph

SEEDS = 4  # answers to each sketch that are compared
TOLERANCE = {False: 1, True: 2}  # levels of 255, without and with half precision
SMALLEST_HALVED = 64  # numbers: shapes and constants stay as they are


@dataclass(frozen=True)
class Comparison:
    """Photos of the file against PyTorch's of the same bundle, in levels of 255."""

    photos: int
    largest: int
    differing: float  # share of values


def export(path: Path, output: Path, sketches: Sequence[UInt8], *, half: bool = False) -> Comparison:
    """Write the ONNX file of a bundle, once its photos of `sketches` (S, S) are those of PyTorch.

    `half` stores weights in float16, which halves the file. Raises ExportMismatch, and writes nothing, where
    they differ by more than one level (two with `half`); else as `make_engine` for "torch".
    """
    data, header = build(path, half=half)
    found = compare(data, path, header, sketches)
    if found.largest > TOLERANCE[half]:
        raise ExportMismatch(
            f"photos of the ONNX file differ from PyTorch's by {found.largest} of 255 levels, more than "
            f"{TOLERANCE[half]}: nothing was written"
        )
    write_atomically(output, data)
    return found


def build(path: Path, *, half: bool = False) -> tuple[bytes, Header]:
    """The ONNX file of a bundle, compared with nothing, and the bundle's header. Raises as `read_weights`."""
    weights, header = read_weights(path)
    model = answer_graph(weights, header)
    if half:
        _halve(model)
    helper.set_model_props(model, describe(header, digest_of(path)))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(), header


def describe(header: Header, digest: str) -> dict[str, str]:
    """What the file says of itself."""
    return {
        "pix2pix": __version__,
        "title": header.title,
        "licence": header.licence,
        "bundle_sha256": digest,
        "size_px": str(header.model.size_px),
        "latent_size": str(header.model.latent_size),
        "header": json.dumps(dataclasses.asdict(header)),
        "usage": " ".join((__doc__ or "").split("\n\n", 3)[3].split()),
    }


def compare(model: bytes, path: Path, header: Header, sketches: Sequence[UInt8]) -> Comparison:
    """Run both on every sketch, with `SEEDS` seeds each."""
    reference, _ = make_engine(path, "cpu", "torch")
    session = make_session(model)
    z = np.stack([latents.draw(seed, header.model.latent_size) for seed in range(SEEDS)])
    rows = np.zeros(SEEDS, np.int64)
    largest, differing = 0, 0.0
    for sketch in sketches:
        made = run_session(session, sketches=sketch[None], z=z, rows=rows)[0]
        expected = reference.answer(sketch[None], z, rows)
        apart = np.abs(made.astype(np.int16) - expected)
        largest, differing = max(largest, int(apart.max())), differing + float((apart > 0).mean())
    return Comparison(len(sketches) * SEEDS, largest, differing / len(sketches))


def _halve(model: onnx.ModelProto) -> None:
    """Store large float32 constants as float16, with a Cast for each, which runtimes fold when they load."""
    casts = []
    for constant in model.graph.initializer:
        if constant.data_type != TensorProto.FLOAT or np.prod(constant.dims) < SMALLEST_HALVED:
            continue
        stored = numpy_helper.from_array(
            numpy_helper.to_array(constant).astype(np.float16), f"{constant.name}_half"
        )
        casts.append(helper.make_node("Cast", [stored.name], [constant.name], to=TensorProto.FLOAT))
        constant.CopyFrom(stored)
    for i, cast in enumerate(casts):
        model.graph.node.insert(i, cast)
