"""The layers of `pix2pix.model.layers` as nodes of an ONNX graph.

All factors of a kernel are folded into one: its length, the equalised learning rate, and the gain of a leaky
ReLU, which positive factors pass through unchanged. Weights stay as in the bundle, exact in half precision;
runtimes compute what depends on constants only once, when they load the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pix2pix.model.constants import BLUR, DOUBLE, GAIN, NORM_EPSILON, SLOPE

Array = NDArray[np.float32]
Weights = Mapping[str, Array]

OPSET = 18  # supported by ONNX Runtime since 1.14, also in the browser
IR_VERSION = 8


class Graph:
    """A graph under construction. Values are strings, their names; pictures are (N, C, H, W)."""

    def __init__(self, weights: Weights) -> None:
        """`weights` have their names of the bundle."""
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: Sequence[str | int]) -> str:
        """Adds an input; returns its name."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[str | int]) -> None:
        """Adds an output."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def add(self, op: str, *inputs: str | float, **attributes: Any) -> str:
        """Adds a node; returns the name of its output. Numbers among the inputs become constants."""
        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [name], **attributes))
        return name

    def constant(self, array: NDArray[Any] | np.floating[Any] | float) -> str:
        """Adds a constant; returns its name. Floats become float32."""
        name = f"constant_{len(self.constants)}"
        kind = np.float32 if np.asarray(array).dtype.kind == "f" else np.int64
        self.constants[name] = numpy_helper.from_array(np.asarray(array, kind, order="C"), name)
        return name

    def ints(self, *values: int) -> str:
        """Adds a constant of integers, such as axes."""
        return self.constant(np.array(values, np.int64))

    def model(self) -> onnx.ModelProto:
        """Returns the finished graph."""
        graph = helper.make_graph(
            self.nodes, "pix2pix", self.inputs, self.outputs, list(self.constants.values())
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pix2pix")

    # Layers.

    def weight(self, name: str) -> str:
        """Adds a tensor of the bundle; returns its name."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(self.weights[name], name)
        return name

    def linear(self, x: str, name: str) -> str:
        """`layers.Linear`: (N, K) -> (N, L)."""
        scale = self.weights[f"{name}.weight"].shape[1] ** -0.5
        return self.add(
            "Gemm", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), alpha=scale, transB=1
        )

    def conv(
        self, x: str, name: str, stride: int = 1, gain: float = 1.0, more_bias: Array | float = 0.0
    ) -> str:
        """`layers.Conv` with a kernel of unit length; its result times `gain`, plus `more_bias`."""
        length = np.sqrt(np.square(self.weights[f"{name}.weight"]).sum((1, 2, 3), keepdims=True) + 1e-8)
        bias = gain * self.weights[f"{name}.bias"] + more_bias
        return self.scaled_conv(x, f"{name}.weight", gain / length, bias, stride)

    def active_conv(self, x: str, name: str, stride: int = 1) -> str:
        """`layers.Conv`, activated."""
        return self.leaky(self.conv(x, name, stride, GAIN))

    def output_conv(self, x: str, name: str) -> str:
        """`layers.Conv` whose kernel keeps its length."""
        return self.scaled_conv(x, f"{name}.weight", self._fan_scale(name), self.weights[f"{name}.bias"])

    def scaled_conv(
        self, x: str, weight: str, scale: Array | float, bias: Array | None = None, stride: int = 1
    ) -> str:
        """A convolution with a kernel times `scale` that keeps the side, or with a stride of 2 halves it."""
        side = self.weights[weight].shape[-1]
        kernel = self.add("Mul", self.weight(weight), self.constant(scale))
        biases = [] if bias is None else [self.constant(bias)]
        return self.add("Conv", x, kernel, *biases, strides=[stride] * 2, pads=[(side - 1) // 2] * 4)

    def modulated_conv(self, x: str, style: str, name: str) -> str:
        """`layers.ModulatedConv` of the same side, activated."""
        scale, demodulation = self.modulation(style, name)
        y = self.scaled_conv(self.add("Mul", x, scale), f"{name}.weight", GAIN * self._fan_scale(name))
        bias = self.constant(GAIN * self.weights[f"{name}.bias"][:, None, None])
        return self.leaky(self.add("Add", self.add("Mul", y, demodulation), bias))

    def doubling_conv(self, x: str, style: str, name: str, beside: str) -> str:
        """`layers.ModulatedConv` that doubles the side, activated.

        `beside` includes this layer's bias. The factors after the sum and after the rectifier, sqrt(1/2) and
        sqrt(2), cancel out.
        """
        scale, demodulation = self.modulation(style, name)
        y = self.doubled(self.add("Mul", x, scale), name, self._fan_scale(name))
        return self.leaky(self.add("Add", self.add("Mul", y, demodulation), beside))

    def doubled(self, x: str, name: str, scale: float = 1.0) -> str:
        """`layers.Doubling` with a kernel times `scale`."""
        taps = np.array(DOUBLE, np.float32)
        kernel = self.add("Mul", self.weight(f"{name}.weight"), scale)
        kernel = self.add("MatMul", self.add("MatMul", self.constant(taps), kernel), self.constant(taps.T))
        kernel = self.add("Transpose", kernel, perm=[1, 0, 2, 3])
        y = self.add("ConvTranspose", x, kernel, strides=[2] * 2, pads=[1] * 4)
        channels = len(self.weights[f"{name}.weight"])
        blur = np.tile(np.outer(BLUR, BLUR).astype(np.float32), (channels, 1, 1, 1))
        return self.add("Conv", y, self.constant(blur), pads=[1] * 4, group=channels)

    def modulation(self, style: str, name: str) -> tuple[str, str]:
        """Scales of the input channels of a modulated convolution, and of its output's: (N, C, 1, 1) each."""
        scale = self.linear(style, f"{name}.style")
        kernel = self.weight(f"{name}.weight")
        powers = self.add("ReduceSum", self.add("Mul", kernel, kernel), self.ints(2, 3), keepdims=0)
        power = self.add(
            "Gemm", self.add("Mul", scale, scale), powers, 1e-6, alpha=self._fan_scale(name) ** 2, transB=1
        )
        demodulation = self.add("Reciprocal", self.add("Sqrt", power))
        axes = self.ints(2, 3)
        return self.add("Unsqueeze", scale, axes), self.add("Unsqueeze", demodulation, axes)

    def _fan_scale(self, name: str) -> float:
        """The factor of a layer's kernel for an equalised learning rate."""
        return float(self.weights[f"{name}.weight"][0].size ** -0.5)

    def plain_linear(self, x: str, name: str) -> str:
        """`nn.Linear`: (N, K) -> (N, L)."""
        return self.add("Gemm", x, *self._weight_and_bias(name), transB=1)

    def plain_conv(self, x: str, name: str, stride: int = 1) -> str:
        """`nn.Conv2d`, padded by half of its kernel, rounded down."""
        padding = (self.weights[f"{name}.weight"].shape[-1] - 1) // 2
        return self.add("Conv", x, *self._weight_and_bias(name), strides=[stride] * 2, pads=[padding] * 4)

    def instance_norm(self, x: str, name: str) -> str:
        """`layers.InstanceNorm` of more than one pixel."""
        return self.add("InstanceNormalization", x, *self._weight_and_bias(name), epsilon=NORM_EPSILON)

    def scale(self, x: str, name: str) -> str:
        """`patch_discriminator.Scale`."""
        weight, bias = (self.per_channel(f"{name}.{part}") for part in ("weight", "bias"))
        return self.add("Add", self.add("Mul", x, weight), bias)

    def per_channel(self, name: str) -> str:
        """A tensor (C,) of the bundle as (C, 1, 1)."""
        return self.constant(self.weights[name][:, None, None])

    def _weight_and_bias(self, name: str) -> list[str]:
        names = [f"{name}.{part}" for part in ("weight", "bias")]
        if len(self.weights[names[0]]) != len(self.weights[names[1]]):
            # ONNX Runtime would notice it at the first picture only.
            raise ValueError(f"weight and bias of {name} have different numbers of outputs")
        return [self.weight(one) for one in names]

    def leaky(self, x: str) -> str:
        """The leaky ReLU."""
        return self.add("LeakyRelu", x, alpha=SLOPE)

    def pooled(self, x: str, times: int) -> str:
        """Averaged down to a side `times` smaller."""
        return self.add("AveragePool", x, kernel_shape=[times] * 2, strides=[times] * 2)

    def resized(self, x: str, times: int) -> str:
        """Bilinearly enlarged to a side `times` larger."""
        scales = self.constant(np.array([1, 1, times, times], np.float32))
        return self.add("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")

    def repeated(self, x: str, times: int) -> str:
        """Enlarged to a side `times` larger, each pixel repeated."""
        scales = self.constant(np.array([1, 1, times, times], np.float32))
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", x, "", scales, **nearest)

    def channels(self, x: str, start: int, end: int) -> str:
        """Some of the channels."""
        return self.add("Slice", x, self.ints(start), self.ints(end), self.ints(1))

    def unit(self, pixels: str) -> str:
        """uint8 -> float32 in [-1, 1], white +1."""
        return self.add("Sub", self.add("Div", self.add("Cast", pixels, to=TensorProto.FLOAT), 127.5), 1.0)
