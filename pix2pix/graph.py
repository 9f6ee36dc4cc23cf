"""A bundle's networks as ONNX graphs, built from its weights and its header: no PyTorch needed.

    weights, header = read_weights(find_bundle("shoes"))
    model = answer_graph(weights, header)          an onnx.ModelProto, complete: pixels in, pixels out

The layers are those of `pix2pix.networks`, with everything folded that inference does not need: kernels of
the enlarging convolutions are summed, spectral norms divided out. A test holds both to the same pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pix2pix.architecture import (
    ENCODER_PX,
    LOST,
    MADE,
    NORM_EPSILON,
    OPACITY,
    REAL,
    ROUGHNESS_SPREAD,
    SLOPE,
    TAPS,
    fixed_noise,
)
from pix2pix.bundle import Header
from pix2pix.config import DiscriminatorConfig
from pix2pix.errors import BundleError

Array = NDArray[np.float32]
Weights = Mapping[str, Array]

OPSET = 17  # what every ONNX Runtime since 1.12 runs, in the browser too
IR_VERSION = 8


def answer_graph(weights: Weights, header: Header) -> onnx.ModelProto:
    """Sketches (M, S, S) uint8, z (N, Z), rows (N,) -> photos (N, S, S, 3) uint8.

    `rows` says of which sketch each answer is.
    """
    net = _Net(weights, header)
    side = header.model.size_px
    rows = net.input("rows", TensorProto.INT64, ["answers"])
    z = net.input("z", TensorProto.FLOAT, ["answers", header.model.latent_size])
    given, features = net.look_at_sketches()
    photos = net.draw(given, features, z, net.roughness(features, rows), rows)
    net.output("photos", net.to_pixels(photos), TensorProto.UINT8, ["answers", side, side, 3])
    return net.model()


def encode_graph(weights: Weights, header: Header) -> onnx.ModelProto:
    """A photo (S, S, 3) uint8 -> its z (Z,)."""
    net = _Net(weights, header)
    side = header.model.size_px
    photo = net.input("photo", TensorProto.UINT8, [side, side, 3])
    x = net.pooled(net.from_pixels(net.add("Unsqueeze", photo, net.ints([0]))), side, min(ENCODER_PX, side))
    for i in range(len(header.model.encoder_widths)):
        x = net.leaky(net.conv(x, f"encoder.convs.{i}", stride=2))
    spread = net.linear(net.mean(x), "encoder.head")
    mean = net.channels(spread, 0, header.model.latent_size)
    net.output("z", net.add("Squeeze", mean, net.ints([0])), TensorProto.FLOAT, [header.model.latent_size])
    return net.model()


def realism_graph(weights: Weights, header: Header) -> onnx.ModelProto:
    """As `answer_graph`, with photos (N, S, S, 3) for z -> what to lay over them, RGBA (N, S, S, 4) uint8."""
    assert header.discriminator is not None
    net = _Net(weights, header)
    side = header.model.size_px
    rows = net.input("rows", TensorProto.INT64, ["answers"])
    photos = net.input("photos", TensorProto.UINT8, ["answers", side, side, 3])
    given, features = net.look_at_sketches()
    roughness = net.roughness(features, rows)
    chances = net.judge(
        net.add("Gather", given, rows, axis=0), net.from_pixels(photos), roughness, header.discriminator
    )
    overlay = net.tint(chances, side)
    net.output("overlay", net.to_pixels(overlay, low=0.0), TensorProto.UINT8, ["answers", side, side, 4])
    return net.model()


class _Net:
    """A graph that is being built. Values are called by their names; pictures are (N, C, H, W) in [-1, 1]."""

    def __init__(self, weights: Weights, header: Header) -> None:
        self.weights, self.header, self.config = weights, header, header.model
        self.light = header.model.architecture == "light"
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    # What is drawn and looked at.

    def look_at_sketches(self) -> tuple[str, list[str]]:
        """The sketches (M, 1, S, S), and what the U-Net sees on its way down, from half the resolution on."""
        side = self.config.size_px
        sketches = self.input("sketches", TensorProto.UINT8, ["sketches", side, side])
        given = self.add("Unsqueeze", self._unit(sketches), self.ints([1]))
        if self.light:
            x = self.conv(self.add("SpaceToDepth", given, blocksize=2), "generator.stem", stride=1)
        else:
            x = self.leaky(self.conv(given, "generator.stem.conv", stride=2))
        features = [x]
        for i in range(len(self.config.widths) - 1):
            x = self.conv(x, f"generator.downs.{i}.conv", stride=2)
            x = self.leaky(self.norm(x, f"generator.downs.{i}.norm") if self._has_norm(i) else x)
            features.append(x)
        return given, features

    def roughness(self, features: Sequence[str], rows: str) -> str | None:
        """The model's guess of how rough the hand was, (N,); None for a model that makes none."""
        if not self.config.roughness:
            return None
        pooled = self.add("Concat", *(self.mean(x) for x in features), axis=1)
        hidden = self.add("Relu", self.linear(pooled, "generator.guess.layers.0"))
        guessed = self.add("Sigmoid", self.linear(hidden, "generator.guess.layers.2"))
        return self.add("Gather", self.add("Squeeze", guessed, self.ints([1])), rows, axis=0)

    def draw(self, given: str, features: list[str], z: str, roughness: str | None, rows: str) -> str:
        """The photos (N, 3, S, S)."""
        condition = z
        if roughness is not None:
            centred = self.add("Sub", roughness, self.number(0.5))
            told = self.add("Mul", centred, self.number(ROUGHNESS_SPREAD))
            condition = self.add("Concat", z, self.add("Unsqueeze", told, self.ints([1])), axis=1)
        left = list(features)
        x = self.add("Gather", left.pop(), rows, axis=0)
        side = self.config.size_px >> len(self.config.widths)  # of x
        for i in range(len(self.config.widths) - 1):
            side *= 2
            x = self._up(x, left.pop(), condition, rows, i, side)
        if self.light:
            drawn = self._enlarge_and_join(x, given, rows, "generator.head", 1)
            if self.config.detail_width:
                finer = self.conv(x, "generator.detail.conv", stride=1)
                finer = self.leaky(self._noise(finer, "generator.detail.noise", self.config.size_px // 2))
                finer = self.conv(finer, "generator.detail.pixels", stride=1)
                drawn = self.add("Add", drawn, self.add("DepthToSpace", finer, blocksize=2, mode="CRD"))
            return self.add("Tanh", drawn)
        return self.add("Tanh", self._enlarge(x, "generator.head"))

    def judge(self, given: str, photos: str, roughness: str | None, config: DiscriminatorConfig) -> str:
        """How likely each patch is real, (N, 1, H', W')."""
        seen = [self.pooled(x, self.config.size_px, config.size_px) for x in (given, photos)]
        if roughness is not None:
            shape = self.add("Shape", seen[0])
            seen.append(self.add("Expand", self.add("Unsqueeze", roughness, self.ints([1, 2, 3])), shape))
        x = self.add("Concat", *seen, axis=1)
        last = len(config.strides) - 1
        for i, stride in enumerate(config.strides):
            name = f"discriminator.scales.0.convs.{i}"
            x = self._conv(x, self._whole(name), self.weights[f"{name}.bias"], stride=stride)
            if i < last and i > 0 and config.norm == "instance":
                x = self.norm(x, f"discriminator.scales.0.norms.{i - 1}")
            x = self.leaky(x) if i < last else self.add("Sigmoid", x)
        return x

    def tint(self, chances: str, side: int) -> str:
        """As `pix2pix.realism.tint`: RGBA (N, 4, side, side) in 0..1."""
        padded = self.add("Pad", chances, self.ints([0, 0, LOST, LOST] * 2), mode="edge")
        count = self.add("Slice", self.add("Shape", padded), self.ints([0]), self.ints([2]))
        sizes = self.add("Concat", count, self.ints([side, side]), axis=0)
        grown = self.add(
            "Resize", padded, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel"
        )
        sure = self.add("Abs", self.add("Sub", self.add("Mul", grown, self.number(2.0)), self.number(1.0)))
        colours = [
            self.constant(np.array(colour, np.float32)[None, :, None, None]) for colour in (MADE, REAL)
        ]
        colour = self.add("Where", self.add("Less", grown, self.number(0.5)), *colours)
        return self.add("Concat", colour, self.add("Mul", sure, self.number(OPACITY)), axis=1)

    # Layers.

    def conv(self, x: str, name: str, stride: int) -> str:
        return self._conv(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], stride=stride)

    def _conv(
        self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None, stride: int
    ) -> str:
        parts = [kernel] if bias is None else [kernel, bias]
        constants = [self.constant(part) for part in parts]
        return self.add("Conv", x, *constants, strides=[stride] * 2, pads=[1] * 4)

    def _enlarge(self, x: str, name: str) -> str:
        """The paper's transposed convolution."""
        constants = [self.constant(self.weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self.add("ConvTranspose", x, *constants, strides=[2] * 2, pads=[1] * 4)

    def _enlarge_and_join(self, x: str, skip: str, rows: str, name: str, c_skip: int) -> str:
        """As `networks.ResizeConv`, its kernel summed."""
        kernel = self.weights[f"{name}.weight"]
        c_in, taps = kernel.shape[1] - c_skip, np.array(TAPS, np.float32)
        summed = np.einsum("ti,oxij,uj->xotu", taps, kernel[:, :c_in], taps)
        bias = self.constant(self.weights[f"{name}.bias"])
        enlarged = self.add("ConvTranspose", x, self.constant(summed), bias, strides=[2] * 2, pads=[1] * 4)
        of_skip = self._conv(skip, kernel[:, c_in:], None, stride=1)
        return self.add("Add", enlarged, self.add("Gather", of_skip, rows, axis=0))

    def _up(self, x: str, skip: str, condition: str, rows: str, depth: int, side: int) -> str:
        name = f"generator.ups.{depth}"
        if self.light:
            x = self._enlarge_and_join(x, skip, rows, f"{name}.conv", self.config.widths[-2 - depth])
            x = self._noise(x, f"{name}.noise", side)
            return self.add("Relu", self._modulate(x, condition, f"{name}.modulate", side))
        x = self._modulate(self._enlarge(x, f"{name}.conv"), condition, f"{name}.modulate", side)
        return self.add("Relu", self.add("Concat", x, self.add("Gather", skip, rows, axis=0), axis=1))

    def _noise(self, x: str, name: str, side: int) -> str:
        """As `networks.Noise`, where there is one."""
        strength = self.weights.get(f"{name}.strength")
        if strength is None:
            return x
        noise = self.add("Mul", self.constant(strength[:, None, None]), self.constant(fixed_noise(side)))
        return self.add("Add", x, noise)

    def norm(self, x: str, name: str, side: int = 2) -> str:
        """Instance norm with a learned scale and shift; of one pixel, only those."""
        parts = [self.weights[f"{name}.{part}"] for part in ("weight", "bias")]
        if side > 1:
            return self.add("InstanceNormalization", x, *map(self.constant, parts), epsilon=NORM_EPSILON)
        scale, shift = (self.constant(part[:, None, None]) for part in parts)
        return self.add("Add", self.add("Mul", x, scale), shift)

    def _modulate(self, x: str, condition: str, name: str, side: int) -> str:
        x = self.norm(x, f"{name}.norm", side)
        if f"{name}.film.weight" not in self.weights:
            return x
        film = self.add("Unsqueeze", self.linear(condition, f"{name}.film"), self.ints([2, 3]))
        half = len(self.weights[f"{name}.norm.weight"])
        scale, shift = (self.channels(film, at, at + half) for at in (0, half))
        return self.add("Add", self.add("Mul", x, self.add("Add", scale, self.number(1.0))), shift)

    def linear(self, x: str, name: str) -> str:
        """(N, K) -> (N, L)."""
        constants = [self.constant(self.weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self.add("Gemm", x, *constants, transB=1)

    def channels(self, x: str, start: int, end: int) -> str:
        """Some of the channels."""
        return self.add("Slice", x, self.ints([start]), self.ints([end]), self.ints([1]))

    def leaky(self, x: str) -> str:
        return self.add("LeakyRelu", x, alpha=SLOPE)

    def mean(self, x: str) -> str:
        """(N, C, H, W) -> (N, C)."""
        return self.add("Squeeze", self.add("GlobalAveragePool", x), self.ints([2, 3]))

    def pooled(self, x: str, side: int, to: int) -> str:
        """Averaged down to a side that divides it."""
        if side == to:
            return x
        if side % to:
            raise BundleError(
                f"pictures of {side} px cannot be averaged down to {to} px: no whole number of times"
            )
        return self.add("AveragePool", x, kernel_shape=[side // to] * 2, strides=[side // to] * 2)

    # Pixels.

    def from_pixels(self, pixels: str) -> str:
        """(N, S, S, 3) uint8 -> (N, 3, S, S)."""
        return self.add("Transpose", self._unit(pixels), perm=[0, 3, 1, 2])

    def _unit(self, pixels: str) -> str:
        """uint8 -> float32 in [-1, 1], white +1."""
        whole = self.add("Cast", pixels, to=TensorProto.FLOAT)
        return self.add("Sub", self.add("Div", whole, self.number(127.5)), self.number(1.0))

    def to_pixels(self, x: str, low: float = -1.0) -> str:
        """(N, C, S, S) in [low, 1] -> (N, S, S, C) uint8, the nearest."""
        scaled = self.add("Mul", self.add("Sub", x, self.number(low)), self.number(255 / (1 - low)))
        whole = self.add("Cast", self.add("Round", scaled), to=TensorProto.UINT8)
        return self.add("Transpose", whole, perm=[0, 2, 3, 1])

    # The graph itself.

    def input(self, name: str, kind: int, shape: Sequence[str | int]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[str | int]) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """The name of a new node's output."""
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, array: NDArray[Any] | np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def number(self, value: float) -> str:
        return self.constant(np.float32(value))

    def ints(self, values: Sequence[int]) -> str:
        return self.constant(np.array(values, np.int64))

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "pix2pix", self.inputs, self.outputs, list(self.constants.values())
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pix2pix")

    def _has_norm(self, down: int) -> bool:
        return f"generator.downs.{down}.norm.weight" in self.weights

    def _whole(self, name: str) -> NDArray[np.float32]:
        """The kernel of a convolution, divided by its spectral norm where it has one."""
        if f"{name}.weight" in self.weights:
            return self.weights[f"{name}.weight"]
        kernel = self.weights[f"{name}.parametrizations.weight.original"]
        u, v = (self.weights[f"{name}.parametrizations.weight.0.{part}"] for part in ("_u", "_v"))
        return np.asarray(kernel / (u @ (kernel.reshape(len(kernel), -1) @ v)), np.float32)
