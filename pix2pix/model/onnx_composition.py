"""The functions of `pix2pix.model.composition` as nodes of an ONNX graph."""

from __future__ import annotations

import math

import numpy as np

from pix2pix.model.config import ModelConfig
from pix2pix.model.constants import (
    ALPHA_GAIN,
    CHROMA_MARGIN,
    GLINT_KEPT,
    GLINT_MARGIN,
    LAYOUT_PX,
    LITTLE_PRODUCT,
    LUMA,
    NEARBY,
    OPENING_REACH,
    OUTLINE_BLUR,
    OUTLINE_GAIN,
    RIM_GAIN,
    WHOLE_FROM,
)
from pix2pix.model.onnx_layers import Graph
from pix2pix.model.onnx_layouts import above, at_border, at_side, inside, luma_of, summed


def compose(graph: Graph, config: ModelConfig, rgba: str, layout: str, regions: str) -> tuple[str, str]:
    """`composition.compose`: the picture on white (N, 3, S, S), and alpha (N, 1, S, S), in levels of 255."""
    alpha = decided(graph, graph.channels(rgba, 3, 4))
    alpha = with_smooth_outline(graph, config, *with_whole_regions(graph, config, alpha, regions))
    colour = with_chroma_of(graph, config, layout, graph.channels(rgba, 0, 3))
    colour = without_glints(graph, config, layout, colour)
    below_white = graph.add("Mul", graph.add("Sub", colour, 1.0), 127.5)
    covered = graph.add("Mul", below_white, alpha)
    return graph.add("Add", covered, 255.0), graph.add("Mul", alpha, 255.0)


def decided(graph: Graph, logit: str) -> str:
    """`composition.decided`: (N, 1, H, W)."""
    clear, soft = (graph.add("Sigmoid", graph.add("Mul", logit, gain)) for gain in (ALPHA_GAIN, RIM_GAIN))
    square = {"kernel_shape": [3, 3], "pads": [1] * 4}
    least = graph.add("Neg", graph.add("MaxPool", graph.add("Neg", clear), **square))
    return graph.add("Min", graph.add("Max", soft, least), graph.add("MaxPool", clear, **square))


def with_whole_regions(graph: Graph, config: ModelConfig, alpha: str, regions: str) -> tuple[str, str]:
    """`composition.with_whole_regions`: (N, 1, S, S) each."""
    free = inside(graph, regions)
    away = graph.add("Neg", graph.add("MaxPool", graph.add("Neg", free), kernel_shape=[3, 3], pads=[1] * 4))
    small = graph.add("Mul", graph.pooled(alpha, config.size_px // LAYOUT_PX), away)
    sums = summed(graph, graph.add("Concat", small, away, at_border(graph, free), axis=1), 3, regions)
    product, count, reach = (graph.channels(sums, i, i + 1) for i in range(3))
    whole = graph.add("ReduceSum", small, graph.ints(2, 3))
    closed = graph.add("Sub", 1.0, above(graph, reach))
    little = above(graph, graph.add("Mul", whole, LITTLE_PRODUCT), product)
    is_product = graph.add("Mul", closed, above(graph, product, graph.add("Mul", count, WHOLE_FROM)))
    is_ground = above(graph, graph.add("Mul", count, 1 - WHOLE_FROM), product)
    is_ground = graph.add("Mul", graph.add("Max", closed, little), is_ground)
    is_product, is_ground = (graph.add("Mul", away, x) for x in (is_product, is_ground))
    window = {"kernel_shape": [2 * OPENING_REACH + 1] * 2, "pads": [OPENING_REACH] * 4}
    openings = graph.add("MaxPool", graph.add("Mul", is_ground, closed), **window)
    three = graph.add("Concat", is_product, graph.add("Add", is_product, is_ground), openings, axis=1)
    three = at_side(graph, three, config.size_px)
    is_product, is_decided, openings = (graph.channels(three, i, i + 1) for i in range(3))
    kept = graph.add("Mul", alpha, graph.add("Sub", 1.0, is_decided))
    return graph.add("Add", kept, is_product), openings


def with_smooth_outline(graph: Graph, config: ModelConfig, alpha: str, openings: str) -> str:
    """`composition.with_smooth_outline`: (N, 1, S, S)."""
    deviation = OUTLINE_BLUR * config.size_px
    reach = math.ceil(3 * deviation)
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1, dtype=np.float32) / deviation))
    kernel /= kernel.sum()
    x = graph.add("Pad", alpha, graph.ints(0, 0, reach, reach, 0, 0, reach, reach), mode="edge")
    x = graph.add("Conv", x, graph.constant(kernel[None, None, :, None]))
    x = graph.add("Conv", x, graph.constant(kernel[None, None, None]))
    steep = graph.add("Mul", graph.add("Sub", x, 0.5), OUTLINE_GAIN)
    smooth = graph.add("Clip", graph.add("Add", steep, 0.5), 0.0, 1.0)
    return graph.add("Max", smooth, graph.add("Mul", alpha, openings))


def with_chroma_of(graph: Graph, config: ModelConfig, layout: str, colour: str) -> str:
    """`composition.with_chroma_of`: (N, 3, S, S)."""
    given, own = chroma_of(graph, graph.channels(layout, 0, 3)), chroma_of(graph, colour)
    both = graph.add("Concat", given, graph.add("Neg", given), axis=1)
    both = graph.add("Add", graph.add("Relu", largest_nearby(graph, both)), CHROMA_MARGIN)
    both = at_side(graph, both, config.size_px)
    least = graph.add("Max", own, graph.add("Neg", graph.channels(both, 3, 6)))
    limited = graph.add("Min", least, graph.channels(both, 0, 3))
    luma = graph.add("Sub", colour, own)
    return graph.add("Clip", graph.add("Add", luma, chroma_of(graph, limited)), -1.0, 1.0)


def without_glints(graph: Graph, config: ModelConfig, layout: str, colour: str) -> str:
    """`composition.without_glints`: (N, 3, S, S)."""
    product = graph.channels(layout, 3, 4)
    ground = graph.add("Sub", 1.0, product)
    given = graph.add("Sub", luma_of(graph, graph.channels(layout, 0, 3)), ground)
    most = graph.add("Add", largest_nearby(graph, given), GLINT_MARGIN)
    is_near = graph.add("Greater", largest_nearby(graph, product), 0.0)
    most = at_side(graph, graph.add("Where", is_near, most, 1.0), config.size_px)
    too_light = graph.add("Relu", graph.add("Sub", luma_of(graph, colour), most))
    darkened = graph.add("Sub", colour, graph.add("Mul", too_light, 1 - GLINT_KEPT))
    return graph.add("Clip", darkened, -1.0, 1.0)


def largest_nearby(graph: Graph, x: str) -> str:
    """`composition.largest_nearby`: (N, C, 64, 64)."""
    return graph.add("MaxPool", x, kernel_shape=[2 * NEARBY + 1] * 2, pads=[NEARBY] * 4)


def chroma_of(graph: Graph, colour: str) -> str:
    """`composition.chroma_of`: (N, 3, H, W)."""
    kernel = (np.eye(3) - np.array(LUMA)).astype(np.float32)
    return graph.add("Conv", colour, graph.constant(kernel[:, :, None, None]))
