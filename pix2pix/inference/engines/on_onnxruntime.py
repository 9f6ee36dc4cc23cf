"""A bundle on ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto
from onnxruntime.capi import onnxruntime_pybind11_state as states

from pix2pix.errors import CorruptBundle
from pix2pix.images.framing import UInt8
from pix2pix.inference.engines import Float32, Int64
from pix2pix.model import onnx_graph
from pix2pix.model.bundle import Header, read_weights
from pix2pix.model.onnx_layers import Weights

REFUSALS = (states.Fail, states.InvalidGraph, states.InvalidArgument, states.RuntimeException)


class OnnxRuntimeEngine:
    """Builds its graphs from the bundle's weights; those that few requests need, at the first request."""

    name = "onnxruntime"
    device = "cpu"

    def __init__(self, weights: Weights, header: Header) -> None:
        """Raises CorruptBundle if weights and header are not of one model."""
        self._weights, self._header = weights, header
        self._translate = self._session(onnx_graph.translate_graph)

    @classmethod
    def load(cls, path: Path) -> tuple[OnnxRuntimeEngine, Header]:
        """Returns the engine of a bundle, and its header. Raises as `read_weights`."""
        weights, header = read_weights(path)
        try:
            return cls(weights, header), header
        except CorruptBundle as error:
            raise CorruptBundle(f"{path}: {error}") from error

    def translate(self, sketches: UInt8, z: Float32, sketch_of: Int64, strokes: UInt8) -> tuple[UInt8, UInt8]:
        """See `Engine`."""
        photos, alpha = run_session(
            self._translate, sketches=sketches, z=z, sketch_of=sketch_of, strokes=strokes
        )
        return photos, alpha

    def encode(self, photo: UInt8, mask: UInt8) -> Float32:
        """See `Engine`."""
        z: Float32 = run_session(self._encode, photo=photo, mask=mask)[0]
        return z

    def realism(self, sketches: UInt8, photos: UInt8, sketch_of: Int64) -> Float32:
        """See `Engine`."""
        probabilities: Float32 = run_session(
            self._realism, sketches=sketches, photos=photos, sketch_of=sketch_of
        )[0]
        return probabilities

    @cached_property
    def _encode(self) -> onnxruntime.InferenceSession:
        return self._session(onnx_graph.encode_graph)

    @cached_property
    def _realism(self) -> onnxruntime.InferenceSession:
        return self._session(onnx_graph.realism_graph)

    def _session(self, build: Callable[[Weights, Header], ModelProto]) -> onnxruntime.InferenceSession:
        try:
            return make_session(build(self._weights, self._header).SerializeToString())
        except (KeyError, ValueError, *REFUSALS) as error:
            raise CorruptBundle(f"its tensors do not fit its own model description: {error}") from error


def make_session(model: bytes | str) -> onnxruntime.InferenceSession:
    """Returns a session for a model's bytes or path, with OMP_NUM_THREADS threads, by default one a core."""
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # OpenMP allows a list
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_session(session: onnxruntime.InferenceSession, **inputs: Any) -> list[Any]:
    """Returns all outputs of a session. Ignores inputs that the model does not have."""
    names = {one.name for one in session.get_inputs()}
    feed = {name: np.ascontiguousarray(value) for name, value in inputs.items() if name in names}
    outputs: list[Any] = session.run(None, feed)
    return outputs
