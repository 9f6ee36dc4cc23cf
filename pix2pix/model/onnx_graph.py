"""Builds a bundle's networks as ONNX graphs from its weights and header, without PyTorch.

    weights, header = read_weights(find_bundle("shoes"))
    model = translate_graph(weights, header)          an onnx.ModelProto: pixels in, pixels out

The networks are those of `networks`; a test compares their pictures. What does not depend on z is computed
once a sketch.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from pix2pix.model.bundle import Header
from pix2pix.model.config import ModelConfig
from pix2pix.model.constants import (
    CELL_PX,
    CELLS,
    COVERED_FROM,
    LAYOUT_PX,
    PRODUCT_FROM,
    SPREAD_PX,
)
from pix2pix.model.onnx_composition import compose
from pix2pix.model.onnx_layers import Graph, Weights
from pix2pix.model.onnx_layouts import (
    above,
    at_side,
    cells_of,
    complete,
    known_colours,
    lit_as_answer,
    regions_of,
    with_gaps_closed,
)


def translate_graph(weights: Weights, header: Header) -> onnx.ModelProto:
    """Sketches (M, S, S), z (N, Z), sketch_of (N,) and strokes -> photos (N, S, S, 3), alpha (N, S, S).

    All pixels are uint8. `sketch_of` is the index of each answer's sketch, strokes (M, S/2, S/2, 4) are RGBA,
    photos are on white. The paper's architecture has no strokes, and z (N, 0).
    """
    graph, config = Graph(weights), header.model
    side = config.size_px
    sketches = graph.input("sketches", TensorProto.UINT8, ["sketches", side, side])
    z = graph.input("z", TensorProto.FLOAT, ["answers", config.latent_size])
    sketch_of = graph.input("sketch_of", TensorProto.INT64, ["answers"])
    if config.architecture == "two-stage":
        strokes = graph.input("strokes", TensorProto.UINT8, ["sketches", side // 2, side // 2, 4])
        ink, coloured = read_ink(graph, sketches), read_strokes(graph, strokes)
        small = graph.pooled(ink, config.size_px // LAYOUT_PX)
        regions = regions_of(graph, small)
        layout = lit_as_answer(graph, draw_layout(graph, config, ink, small, regions, coloured, z, sketch_of))
        rgba = draw_picture(graph, config, ink, layout, sketch_of)
        regions = graph.add("Gather", with_gaps_closed(graph, regions), sketch_of, axis=0)
        photos, alpha = compose(graph, config, rgba, layout, regions)
    else:
        photos = graph.add(
            "Gather", draw_paper(graph, config, read_sketches(graph, sketches)), sketch_of, axis=0
        )
        opaque = graph.add("Shape", graph.channels(photos, 0, 1))
        alpha = graph.add("Expand", graph.constant(np.float32(255)), opaque)
    graph.output("photos", channels_last(graph, photos), TensorProto.UINT8, ["answers", side, side, 3])
    flat = graph.add("Squeeze", to_levels(graph, alpha), graph.ints(1))
    graph.output("alpha", flat, TensorProto.UINT8, ["answers", side, side])
    return graph.model()


def encode_graph(weights: Weights, header: Header) -> onnx.ModelProto:
    """A photo (S, S, 3) uint8 and its product's mask (S, S) uint8 -> z (Z,), by a two-stage model."""
    graph, side = Graph(weights), header.model.size_px
    photo = graph.input("photo", TensorProto.UINT8, [side, side, 3])
    mask = graph.input("mask", TensorProto.UINT8, [side, side])
    colour = read_photos(graph, graph.add("Unsqueeze", photo, graph.ints(0)))
    share = graph.add("Div", graph.add("Cast", mask, to=TensorProto.FLOAT), 255.0)
    share = graph.add("Unsqueeze", share, graph.ints(0, 1))
    coloured = graph.add("Concat", graph.add("Mul", colour, share), share, axis=1)
    x = cells_of(graph, coloured, side, CELLS, PRODUCT_FROM)
    for i, stride in enumerate((1, 2, 2)):
        x = graph.active_conv(x, f"encoder.down.{i}", stride)
    both = graph.plain_linear(graph.add("Flatten", x), "encoder.head")
    mean = graph.channels(both, 0, header.model.latent_size)
    z = graph.add("Squeeze", mean, graph.ints(0))
    graph.output("z", z, TensorProto.FLOAT, [header.model.latent_size])
    return graph.model()


def realism_graph(weights: Weights, header: Header) -> onnx.ModelProto:
    """Sketches (M, S, S), photos (N, S, S, 3), sketch_of (N,) -> probability of real patches (N, h, w)."""
    graph, side = Graph(weights), header.model.size_px
    sketches = graph.input("sketches", TensorProto.UINT8, ["sketches", side, side])
    photos = graph.input("photos", TensorProto.UINT8, ["answers", side, side, 3])
    sketch_of = graph.input("sketch_of", TensorProto.INT64, ["answers"])
    given = graph.add("Gather", read_sketches(graph, sketches), sketch_of, axis=0)
    seen = graph.add("Concat", given, read_photos(graph, photos), axis=1)
    probabilities = judge(graph, header, seen)
    flat = graph.add("Squeeze", probabilities, graph.ints(1))
    graph.output("probabilities", flat, TensorProto.FLOAT, ["answers", "height", "width"])
    return graph.model()


# Networks.


def draw_layout(
    graph: Graph,
    config: ModelConfig,
    ink: str,
    small: str,
    regions: str,
    strokes: str,
    z: str,
    sketch_of: str,
) -> str:
    """`TwoStage.draw_layout`: (N, 4, 64, 64); `small` is the ink at 64 px."""
    stem = graph.active_conv(graph.add("SpaceToDepth", small, blocksize=CELL_PX), "layout.stem")
    no_latent = graph.constant(graph.weights["layout.mapping.0.bias"])

    known = known_colours(graph, config, strokes, ink)
    cells = cells_of(graph, known, SPREAD_PX, CELLS, COVERED_FROM)
    levels, of_known = encode_layout(graph, config, stem, graph.add("Mul", cells, 0.0))
    of_sketches = decode_layout(graph, levels, graph.add("Add", of_known, no_latent), "")
    mask = graph.channels(of_sketches, 3, 4)

    cells = graph.add("Mul", cells, above(graph, mask))
    levels, of_known = encode_layout(graph, config, stem, cells)
    of_answers = graph.add(
        "Add", graph.linear(z, "layout.mapping.0"), graph.add("Gather", of_known, sketch_of, axis=0)
    )
    colour = graph.channels(decode_layout(graph, levels, of_answers, sketch_of), 0, 3)
    of_sketch = (graph.add("Gather", x, sketch_of, axis=0) for x in (mask, known, regions))
    return complete(graph, colour, *of_sketch)


def encode_layout(graph: Graph, config: ModelConfig, stem: str, known: str) -> tuple[list[str], str]:
    """The layout generator's first half: features at 16, 8 and 4 cells, and a part of the style."""
    levels = [graph.active_conv(graph.add("Concat", stem, known, axis=1), "layout.enter")]
    for i in range(len(config.layout_widths) - 1):
        levels.append(graph.active_conv(levels[-1], f"layout.down.{i}", stride=2))
    return levels, graph.linear(statistics(graph, known), "layout.known_style")


def decode_layout(graph: Graph, levels: list[str], style: str, sketch_of: str) -> str:
    """The layout generator's second half: four channels of answers, or, without `sketch_of`, of sketches."""
    style = graph.leaky(graph.linear(graph.leaky(style), "layout.mapping.1"))
    *outer, coarsest = levels
    coarsest = graph.add("Gather", coarsest, sketch_of, axis=0) if sketch_of else coarsest
    x = graph.modulated_conv(coarsest, style, "layout.middle")
    for i, level in enumerate(reversed(outer)):
        name = f"layout.up.{i}"
        beside = graph.conv(level, f"layout.skip.{i}", more_bias=graph.weights[f"{name}.bias"])
        beside = graph.add("Gather", beside, sketch_of, axis=0) if sketch_of else beside
        x = graph.doubling_conv(x, style, name, beside)
        x = graph.modulated_conv(x, style, f"layout.conv.{i}")
    return graph.output_conv(graph.modulated_conv(x, style, "layout.last"), "layout.out")


def draw_picture(graph: Graph, config: ModelConfig, ink: str, layout: str, sketch_of: str) -> str:
    """`PictureGenerator`: colour in [-1, 1] and the logit of alpha, (N, 4, S, S)."""
    style, stages = statistics(graph, layout), len(config.widths) - 1
    sketch = graph.add("Sub", 1.0, graph.add("Mul", ink, 2.0))
    folded = graph.add("SpaceToDepth", sketch, blocksize=2)
    levels = [graph.plain_conv(folded, "picture.stem")]
    for i in range(stages):
        x = graph.plain_conv(levels[-1], f"picture.down.{i}.conv", stride=2)
        has_norm = 0 < i < stages - 1  # as in `PictureGenerator`
        levels.append(graph.leaky(graph.instance_norm(x, f"picture.down.{i}.norm") if has_norm else x))
    x = graph.add("Gather", levels.pop(), sketch_of, axis=0)
    side = config.size_px >> len(config.widths)
    for i in range(stages):
        name, side = f"picture.up.{i}", 2 * side
        x = join(graph, x, levels.pop(), at_side(graph, layout, side), sketch_of, f"{name}.join")
        film = graph.add("Unsqueeze", graph.plain_linear(style, f"{name}.film"), graph.ints(2, 3))
        half = len(graph.weights[f"{name}.norm.weight"])
        scale, shift = graph.channels(film, 0, half), graph.channels(film, half, 2 * half)
        x = graph.add("Mul", graph.instance_norm(x, f"{name}.norm"), graph.add("Add", scale, 1.0))
        x = graph.add("Relu", graph.add("Add", x, shift))
    drawn = join(graph, x, sketch, at_side(graph, layout, config.size_px), sketch_of, "picture.head")
    colour = graph.add("Tanh", graph.channels(drawn, 0, 3))
    return graph.add("Concat", colour, graph.channels(drawn, 3, 4), axis=1)


def join(graph: Graph, x: str, skip: str, layout: str, sketch_of: str, name: str) -> str:
    """`picture_gan.Joint`; the layout is at the double side."""
    beside = graph.add("Gather", graph.plain_conv(skip, f"{name}.skip"), sketch_of, axis=0)
    of_layout = graph.add("Conv", layout, graph.weight(f"{name}.layout.weight"), pads=[1] * 4)
    return graph.add("Add", graph.add("Add", graph.doubled(x, name), beside), of_layout)


def draw_paper(graph: Graph, config: ModelConfig, sketches: str) -> str:
    """`PaperGenerator`: (M, 3, S, S) in levels of 255."""
    x, levels = sketches, []
    depth = len(config.widths)
    for i in range(depth):
        x = graph.plain_conv(graph.leaky(x) if i else x, f"generator.downs.{i}", 2)
        if 0 < i < depth - 1:
            x = graph.instance_norm(x, f"generator.down_norms.{i - 1}")
        levels.append(x)
    levels.pop()
    for i in range(depth):
        weight, bias = (graph.weight(f"generator.ups.{i}.{part}") for part in ("weight", "bias"))
        x = graph.add("ConvTranspose", graph.add("Relu", x), weight, bias, strides=[2] * 2, pads=[1] * 4)
        if i < depth - 1:
            x = graph.instance_norm(x, f"generator.up_norms.{i}")
            x = graph.add("Concat", x, graph.leaky(levels.pop()), axis=1)
    return graph.add("Mul", graph.add("Add", graph.add("Tanh", x), 1.0), 127.5)


def judge(graph: Graph, header: Header, x: str) -> str:
    """`PatchDiscriminator.probabilities`: sketch and photo (N, 4, S, S) -> (N, 1, h, w)."""
    config = header.discriminator
    assert config is not None
    x = graph.pooled(x, header.model.size_px // (header.model.seen_px * config.fold))
    if config.fold > 1:
        x = graph.add("SpaceToDepth", x, blocksize=config.fold)
        order = np.arange(4 * config.fold**2).reshape(-1, 4).T  # PyTorch has the pixels of a channel together
        x = graph.add("Gather", x, graph.ints(*order.ravel().tolist()), axis=1)
    *inner, last = config.strides
    normalise = graph.instance_norm if config.instance_norm else graph.scale
    for i, stride in enumerate(inner):
        x = graph.plain_conv(x, f"discriminator.convs.{i}", stride)
        x = graph.leaky(normalise(x, f"discriminator.norms.{i - 1}") if i else x)
    return graph.add("Sigmoid", graph.plain_conv(x, f"discriminator.convs.{len(inner)}", last))


# Parts of them.


def statistics(graph: Graph, coloured: str) -> str:
    """`layers.statistics`: (N, 4, H, W) -> (N, 7)."""
    colour, mask = graph.channels(coloured, 0, 3), graph.channels(coloured, 3, 4)

    def total(x: str) -> str:
        return graph.add("ReduceSum", x, graph.ints(2, 3), keepdims=0)

    count = graph.add("Max", total(mask), 1.0)
    mean = graph.add("Div", total(colour), count)
    squares = graph.add("Mul", graph.add("Mul", colour, colour), mask)
    variance = graph.add("Sub", graph.add("Div", total(squares), count), graph.add("Mul", mean, mean))
    deviation = graph.add("Sqrt", graph.add("Add", graph.add("Max", variance, 0.0), 1e-6))
    there = graph.add("ReduceMax", mask, graph.ints(2, 3), keepdims=0)
    return graph.add("Concat", mean, deviation, there, axis=1)


# Pixels.


def read_sketches(graph: Graph, sketches: str) -> str:
    """(M, S, S) uint8 -> (M, 1, S, S) in [-1, 1], paper +1."""
    return graph.add("Unsqueeze", graph.unit(sketches), graph.ints(1))


def read_ink(graph: Graph, sketches: str) -> str:
    """(M, S, S) uint8 -> (M, 1, S, S) in 0..1, paper 0."""
    levels = graph.add("Cast", sketches, to=TensorProto.FLOAT)
    ink = graph.add("Add", graph.add("Mul", levels, -1 / 255), 1.0)
    return graph.add("Unsqueeze", ink, graph.ints(1))


def read_photos(graph: Graph, photos: str) -> str:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) in [-1, 1]."""
    return graph.add("Transpose", graph.unit(photos), perm=[0, 3, 1, 2])


def read_strokes(graph: Graph, strokes: str) -> str:
    """RGBA (M, H, H, 4) uint8 -> colour in [-1, 1] times mask, and mask, (M, 4, H, H)."""
    levels = graph.add("Cast", graph.add("Transpose", strokes, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    mask = graph.add("Div", graph.channels(levels, 3, 4), 255.0)
    colour = graph.add("Sub", graph.add("Div", graph.channels(levels, 0, 3), 127.5), 1.0)
    return graph.add("Concat", graph.add("Mul", colour, mask), mask, axis=1)


def channels_last(graph: Graph, photos: str) -> str:
    """(N, C, S, S) in levels of 255 -> (N, S, S, C) uint8."""
    return graph.add("Transpose", to_levels(graph, photos), perm=[0, 2, 3, 1])


def to_levels(graph: Graph, x: str) -> str:
    """Levels of 255 -> uint8, the nearest."""
    return graph.add("Cast", graph.add("Round", graph.add("Clip", x, 0.0, 255.0)), to=TensorProto.UINT8)
