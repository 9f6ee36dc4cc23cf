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
    ALPHA_GAIN,
    CELL_PX,
    CELLS,
    CHROMA_SHARE,
    COVERED_FROM,
    DARKEST,
    GAIN,
    LAYOUT_PX,
    LIGHTEST,
    LUMA,
    NORM_EPSILON,
    PRODUCT_FROM,
    SMALLEST_SHARE,
    SPREAD_PX,
)
from pix2pix.model.onnx_layers import Graph, Weights
from pix2pix.model.onnx_layouts import cells_of, complete, known_colours, positive, regions_of

COLOUR_SCALE = np.array([127.5, 127.5, 127.5, 1], np.float32)  # colours are in levels, alpha is a logit
PAPER = np.array([-127.5, -127.5, -127.5, 0], np.float32)  # added once, so that white is 0


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
        layout = draw_layout(graph, config, ink, coloured, z, sketch_of)
        rgba = draw_picture(graph, config, ink, layout, sketch_of)
        photos, alpha = compose(graph, recoloured(graph, config, rgba, layout))
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
    head = [graph.weight(f"encoder.head.{part}") for part in ("weight", "bias")]
    both = graph.add("Gemm", graph.add("Flatten", x), *head, transB=1)
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
    probabilities = judge(graph, header, graph.pooled(seen, side // header.model.seen_px))
    flat = graph.add("Squeeze", probabilities, graph.ints(1))
    graph.output("probabilities", flat, TensorProto.FLOAT, ["answers", "height", "width"])
    return graph.model()


# Networks.


def draw_layout(graph: Graph, config: ModelConfig, ink: str, strokes: str, z: str, sketch_of: str) -> str:
    """`TwoStage.draw_layout`: (N, 4, 64, 64)."""
    small = graph.pooled(ink, config.size_px // LAYOUT_PX)
    stem = graph.active_conv(graph.add("SpaceToDepth", small, blocksize=CELL_PX), "layout.stem")
    no_latent = graph.constant(graph.weights["layout.mapping.0.bias"])

    regions, known = regions_of(graph, small), known_colours(graph, config, strokes, ink)
    cells = cells_of(graph, known, SPREAD_PX, CELLS, COVERED_FROM)
    levels, of_known = encode_layout(graph, config, stem, graph.add("Mul", cells, 0.0))
    of_sketches = decode_layout(graph, levels, graph.add("Add", of_known, no_latent), "")
    mask = graph.channels(of_sketches, 3, 4)

    cells = graph.add("Mul", cells, positive(graph, mask))
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
        x = graph.doubling_conv(x, style, f"layout.up.{i}", skip(graph, "layout", i, level, sketch_of))
        x = graph.modulated_conv(x, style, f"layout.conv.{i}")
    return graph.output_conv(graph.modulated_conv(x, style, "layout.last"), "layout.out")


def draw_picture(graph: Graph, config: ModelConfig, ink: str, layout: str, sketch_of: str) -> str:
    """`PictureGenerator`: colour in levels below white, and the logit of alpha, (N, 4, S, S)."""
    style = graph.leaky(graph.linear(statistics(graph, layout), "picture.layout_style"))
    style = graph.leaky(graph.linear(style, "picture.mapping"))
    levels = look_at_ink(graph, config, ink, layout, sketch_of)
    regions_px = config.size_px // 2 >> config.depth_of_regions
    regions = layout if regions_px == LAYOUT_PX else graph.pooled(layout, LAYOUT_PX // regions_px)
    x = graph.modulated_conv(levels.pop(), style, "picture.middle")
    rgba = ""
    for i in range(len(config.widths) - 1):
        shared = len(levels) - 1 < config.depth_of_cells  # by all answers to a sketch
        beside = skip(graph, "picture", i, levels.pop(), sketch_of if shared else "")
        x = graph.doubling_conv(x, style, f"picture.up.{i}", beside)
        if len(levels) == config.depth_of_regions:
            x = add_scaled(graph, x, graph.active_conv(regions, "picture.regions"), "picture.regions_gain")
        x = graph.modulated_conv(x, style, f"picture.conv.{i}")
        drawn = graph.output_conv(x, f"picture.to_rgba.{i}", COLOUR_SCALE)
        rgba = graph.add("Add", graph.doubled(rgba), drawn) if rgba else drawn
    bias = graph.weights["picture.detail.up.bias"]
    fine = graph.leaky(graph.conv(ink, "picture.detail.ink", gain=GAIN))
    beside = graph.add(
        "Gather", graph.add("Add", fine, graph.constant(bias[:, None, None])), sketch_of, axis=0
    )
    x = graph.doubling_conv(x, style, "picture.detail.up", beside)
    x = graph.modulated_conv(x, style, "picture.detail.conv")
    drawn = graph.output_conv(x, "picture.detail.to_rgba", COLOUR_SCALE, PAPER)
    return graph.add("Add", graph.doubled(rgba), drawn)


def recoloured(graph: Graph, config: ModelConfig, rgba: str, layout: str) -> str:
    """`picture_gan.recoloured`, of colour in levels below white."""
    own = graph.add(
        "Clip", graph.add("Add", graph.add("Div", graph.channels(rgba, 0, 3), 255.0), 1.0), 0.0, 1.0
    )
    near = layout if config.size_px == LAYOUT_PX else graph.resized(layout, config.size_px // LAYOUT_PX)
    mean = graph.add("Unsqueeze", graph.channels(statistics(graph, layout), 0, 3), graph.ints(2, 3))
    colour = graph.add("Add", graph.channels(near, 0, 3), graph.add("Mul", mean, SMALLEST_SHARE))
    colour = graph.add("Div", colour, graph.add("Add", graph.channels(near, 3, 4), SMALLEST_SHARE))
    given = graph.add("Mul", graph.add("Add", colour, 1.0), 0.5)
    luma, given_luma = luma_of(graph, own), luma_of(graph, given)
    limited = graph.add("Clip", given_luma, DARKEST, LIGHTEST)
    darker = graph.add("Div", luma, limited)
    lighter = graph.add("Div", graph.add("Sub", 1.0, luma), graph.add("Sub", 1.0, limited))
    shade = graph.add("Clip", graph.add("Min", darker, lighter), 0.0, 1.0)
    tinted = graph.add("Mul", graph.add("Mul", shade, CHROMA_SHARE), graph.add("Sub", given, given_luma))
    of_own = graph.add("Mul", graph.add("Sub", own, luma), 1 - CHROMA_SHARE)
    mixed = graph.add("Clip", graph.add("Add", graph.add("Add", luma, tinted), of_own), 0.0, 1.0)
    colour = graph.add("Mul", graph.add("Sub", mixed, 1.0), 255.0)
    return graph.add("Concat", colour, graph.channels(rgba, 3, 4), axis=1)


def luma_of(graph: Graph, colour: str) -> str:
    """Colour (N, 3, H, W) -> (N, 1, H, W)."""
    return graph.add("Conv", colour, graph.constant(np.array(LUMA, np.float32)[None, :, None, None]))


def look_at_ink(graph: Graph, config: ModelConfig, ink: str, layout: str, sketch_of: str) -> list[str]:
    """Features of all levels, the largest first: of each sketch, and from the layout on of each answer."""
    folded = graph.add("SpaceToDepth", ink, blocksize=2)
    levels = [graph.leaky(graph.output_conv(folded, "picture.stem", GAIN))]
    cells = cells_of(graph, layout, LAYOUT_PX, CELLS, PRODUCT_FROM)
    for i in range(len(config.widths) - 1):
        x = graph.active_conv(levels[-1], f"picture.down.{i}", stride=2)
        if i < config.depth_of_cells:
            x = add_scaled(graph, x, graph.active_conv(x, f"picture.refine.{i}"), f"picture.refine_gain.{i}")
        if i + 1 == config.depth_of_cells:
            x = graph.add("Gather", x, sketch_of, axis=0)
            x = add_scaled(graph, x, graph.active_conv(cells, "picture.cells"), "picture.cells_gain")
        levels.append(x)
    return levels


def skip(graph: Graph, net: str, i: int, features: str, sketch_of: str) -> str:
    """The skip connection to doubling convolution `i`, with its bias; of answers if `sketch_of` is given."""
    x = graph.conv(features, f"{net}.skip.{i}", more_bias=graph.weights[f"{net}.up.{i}.bias"])
    return graph.add("Gather", x, sketch_of, axis=0) if sketch_of else x


def draw_paper(graph: Graph, config: ModelConfig, sketches: str) -> str:
    """`PaperGenerator`: (M, 3, S, S) in levels of 255."""
    x, levels = sketches, []
    depth = len(config.widths)
    for i in range(depth):
        x = plain_conv(graph, graph.leaky(x) if i else x, f"generator.downs.{i}", 2)
        if 0 < i < depth - 1:
            x = instance_norm(graph, x, f"generator.down_norms.{i - 1}")
        levels.append(x)
    levels.pop()
    for i in range(depth):
        weight, bias = (graph.weight(f"generator.ups.{i}.{part}") for part in ("weight", "bias"))
        x = graph.add("ConvTranspose", graph.add("Relu", x), weight, bias, strides=[2] * 2, pads=[1] * 4)
        if i < depth - 1:
            x = instance_norm(graph, x, f"generator.up_norms.{i}")
            x = graph.add("Concat", x, graph.leaky(levels.pop()), axis=1)
    return graph.add("Mul", graph.add("Add", graph.add("Tanh", x), 1.0), 127.5)


def judge(graph: Graph, header: Header, x: str) -> str:
    """`PatchDiscriminator`: sketch and photo (N, 4, H, H) -> probability of real patches, (N, 1, h, w)."""
    assert header.discriminator is not None
    *inner, last = header.discriminator.strides
    for i, stride in enumerate(inner):
        x = plain_conv(graph, x, f"discriminator.convs.{i}", stride)
        x = graph.leaky(instance_norm(graph, x, f"discriminator.norms.{i - 1}") if i else x)
    return graph.add("Sigmoid", plain_conv(graph, x, f"discriminator.convs.{len(inner)}", last))


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


def add_scaled(graph: Graph, x: str, more: str, gain: str) -> str:
    """x plus `more` times a gain for each channel."""
    scale = graph.constant(graph.weights[gain][:, None, None])
    return graph.add("Add", x, graph.add("Mul", more, scale))


def plain_conv(graph: Graph, x: str, name: str, stride: int) -> str:
    """A 4x4 convolution of the paper."""
    parts = [graph.weight(f"{name}.{part}") for part in ("weight", "bias")]
    return graph.add("Conv", x, *parts, strides=[stride] * 2, pads=[1] * 4)


def instance_norm(graph: Graph, x: str, name: str) -> str:
    """`discriminators.InstanceNorm` of more than one pixel."""
    parts = [graph.weight(f"{name}.{part}") for part in ("weight", "bias")]
    return graph.add("InstanceNormalization", x, *parts, epsilon=NORM_EPSILON)


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


def compose(graph: Graph, rgba: str) -> tuple[str, str]:
    """`picture_gan.compose`: the picture on white (N, 3, S, S), and alpha (N, 1, S, S), in levels of 255."""
    alpha = graph.add("Sigmoid", graph.add("Mul", graph.channels(rgba, 3, 4), ALPHA_GAIN))
    covered = graph.add("Mul", graph.channels(rgba, 0, 3), alpha)
    return graph.add("Add", covered, 255.0), graph.add("Mul", alpha, 255.0)


def channels_last(graph: Graph, photos: str) -> str:
    """(N, C, S, S) in levels of 255 -> (N, S, S, C) uint8."""
    return graph.add("Transpose", to_levels(graph, photos), perm=[0, 2, 3, 1])


def to_levels(graph: Graph, x: str) -> str:
    """Levels of 255 -> uint8, the nearest."""
    return graph.add("Cast", graph.add("Round", graph.add("Clip", x, 0.0, 255.0)), to=TensorProto.UINT8)
