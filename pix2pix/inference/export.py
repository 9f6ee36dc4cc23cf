"""Exports a bundle as one ONNX file that is used without this project: pixels in, pixels out.

Its metadata holds instructions for use (`USAGE`).

    export(find_bundle("shoes"), Path("shoes.onnx"), sketches)
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

from pix2pix import __version__
from pix2pix.errors import ExportMismatch
from pix2pix.files import write_atomically
from pix2pix.images.framing import UInt8
from pix2pix.inference.engines import make_engine
from pix2pix.inference.engines.on_onnxruntime import make_session, run_session
from pix2pix.model import latents
from pix2pix.model.bundle import Header, digest_of, read_weights
from pix2pix.model.onnx_graph import translate_graph

USAGE = (
    "Inputs: `sketches` (M, S, S) uint8, ink dark on paper 255, fitted to the model's square; `z` (N, Z) "
    "float32 from N(0, 1), 0 for the middle of all answers; `sketch_of` (N,) int64, the index of each "
    "answer's sketch; `strokes` (M, S/2, S/2, 4) uint8 RGBA, colours to use where they are drawn, zeros for "
    "none (a model of the paper's architecture has no such input). Outputs: `photos` (N, S, S, 3) uint8 RGB "
    "on white; `alpha` (N, S, S) uint8."
)
SEEDS = 4  # compared answers to each sketch
TOLERANCE = 1  # level of 255
STROKE = (200, 30, 40, 255)  # RGBA; on half of the compared answers
SMALLEST_HALVED = 64  # numbers: smaller constants are not worth a Cast node


@dataclass(frozen=True)
class Comparison:
    """Differences of the file's photos and alpha from PyTorch's, in levels of 255."""

    photos: int  # that were compared
    largest: int  # difference
    differing: float  # share of the photos' values that differ


def export(path: Path, output: Path, sketches: Sequence[UInt8]) -> Comparison:
    """Writes the ONNX file of a bundle, if its photos of `sketches` (S, S) equal PyTorch's.

    Raises ExportMismatch, and writes nothing, if they differ by more than one level; else as `make_engine`
    for "torch".
    """
    data, header = build(path)
    found = compare(data, path, header, sketches)
    if found.largest > TOLERANCE:
        raise ExportMismatch(
            f"photos of the ONNX file differ from PyTorch's by {found.largest} of 255 levels, more than "
            f"{TOLERANCE}: nothing was written"
        )
    write_atomically(output, data)
    return found


def build(path: Path) -> tuple[bytes, Header]:
    """Returns the ONNX file of a bundle, without a comparison, and the bundle's header.

    Weights are in half precision, as in the bundle: the file is exact. Raises as `read_weights`.
    """
    weights, header = read_weights(path)
    model = translate_graph(weights, header)
    _halve(model)
    helper.set_model_props(model, describe(header, digest_of(path)))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(), header


def describe(header: Header, digest: str) -> dict[str, str]:
    """Returns the metadata of the file."""
    return {
        "pix2pix": __version__,
        "title": header.title,
        "licence": header.licence,
        "bundle_sha256": digest,
        "size_px": str(header.model.size_px),
        "latent_size": str(header.model.latent_size),
        "header": json.dumps(dataclasses.asdict(header)),
        "usage": USAGE,
    }


def compare(model: bytes, path: Path, header: Header, sketches: Sequence[UInt8]) -> Comparison:
    """Runs both on every sketch with `SEEDS` seeds, half of them with a colour stroke."""
    reference, _ = make_engine(path, "cpu", "torch")
    session = make_session(model)
    z = np.stack([latents.draw(seed, header.model.latent_size) for seed in range(SEEDS)])
    sketch_of = np.arange(SEEDS) % 2
    side = header.model.size_px // 2
    strokes = np.zeros((2, side, side, 4), np.uint8)
    strokes[1, side // 3 : side // 2, side // 4 : -side // 4] = STROKE
    largest, differing = 0, 0.0
    for sketch in sketches:
        pair = np.stack([sketch, sketch])
        exported = run_session(session, sketches=pair, z=z, sketch_of=sketch_of, strokes=strokes)
        expected = reference.translate(pair, z, sketch_of, strokes)
        differences = [np.abs(a.astype(np.int16) - b) for a, b in zip(exported, expected, strict=True)]
        largest = max(largest, *(int(one.max()) for one in differences))
        differing += float((differences[0] > 0).mean())
    return Comparison(len(sketches) * SEEDS, largest, differing / len(sketches))


def _halve(model: onnx.ModelProto) -> None:
    """Stores constants in float16 where that is exact. Runtimes fold the Cast nodes when they load."""
    casts = []
    for constant in model.graph.initializer:
        if constant.data_type != TensorProto.FLOAT or np.prod(constant.dims) < SMALLEST_HALVED:
            continue
        values = numpy_helper.to_array(constant)
        if not np.array_equal(values.astype(np.float16), values):
            continue
        stored = numpy_helper.from_array(values.astype(np.float16), f"{constant.name}_half")
        casts.append(helper.make_node("Cast", [stored.name], [constant.name], to=TensorProto.FLOAT))
        constant.CopyFrom(stored)
    for i, cast in enumerate(casts):
        model.graph.node.insert(i, cast)
