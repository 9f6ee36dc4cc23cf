"""`layouts` and `lighting` as parts of ONNX graphs; each function is named after what it repeats."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from pix2pix.model.config import ModelConfig
from pix2pix.model.constants import (
    ANSWER_LIGHT,
    CELLS,
    EVEN_STEPS,
    EVEN_WIDTH,
    INK_STOPS,
    KNOWN_FROM,
    LAYOUT_PX,
    LIGHTEST,
    LINE_PX,
    LINE_STOPS,
    LITTLE_WEIGHT,
    LUMA,
    MOSTLY,
    NO_WEIGHT,
    PART_FROM,
    PRODUCT_FROM,
    RARE_SHARE,
    REGION_STEPS,
    RIM_REACH,
    RIM_WEIGHT,
    SHOULDER,
    SMALLEST_SHARE,
    SMALLEST_VARIANCE,
    SPREAD_PX,
    SPREAD_STEPS,
    STROKED_FROM,
)
from pix2pix.model.onnx_layers import Graph


def regions_of(graph: Graph, ink: str) -> str:
    """`layouts.regions_of`, of ink (M, 1, 64, 64): (M, 64 * 64)."""
    return connected(graph, graph.add("Sub", 1.0, above(graph, ink, LINE_STOPS)))


def connected(graph: Graph, free: str) -> str:
    """`layouts.connected`: (M, 64 * 64)."""
    numbers = np.arange(1, LAYOUT_PX**2 + 1, dtype=np.float32).reshape(1, 1, LAYOUT_PX, LAYOUT_PX)
    region = graph.add("Flatten", graph.add("Mul", graph.constant(numbers), free))
    line = graph.add("Mul", graph.channels(region, 0, 1), 0.0)
    follows = graph.add("Concat", line, region, axis=1)
    for _ in range(REGION_STEPS):
        region = graph.channels(follows, 1, LAYOUT_PX**2 + 1)
        square = graph.add("Reshape", region, graph.ints(0, 1, LAYOUT_PX, LAYOUT_PX))
        across = graph.add("MaxPool", square, kernel_shape=[1, 3], pads=[0, 1, 0, 1])
        along = graph.add("MaxPool", square, kernel_shape=[3, 1], pads=[1, 0, 1, 0])
        largest = graph.add("Flatten", graph.add("Mul", graph.add("Max", across, along), free))
        index = graph.add("Cast", region, to=TensorProto.INT64)
        follows = graph.add("ScatterElements", follows, index, largest, axis=1, reduction="max")
        index = graph.add("Cast", follows, to=TensorProto.INT64)
        follows = graph.add("GatherElements", follows, index, axis=1)
    region = graph.channels(follows, 1, LAYOUT_PX**2 + 1)
    return graph.add("Cast", region, to=TensorProto.INT64)


def with_gaps_closed(graph: Graph, regions: str) -> str:
    """`layouts.with_gaps_closed`: (M, 64 * 64)."""
    free = inside(graph, regions)
    square = {"kernel_shape": [3, 3], "pads": [1] * 4}
    far = graph.add("Neg", graph.add("MaxPool", graph.add("Neg", free), **square))
    apart = graph.add("Cast", connected(graph, far), to=TensorProto.FLOAT)
    apart = graph.add("Reshape", apart, graph.ints(0, 1, LAYOUT_PX, LAYOUT_PX))
    grown = graph.add("Flatten", graph.add("Mul", graph.add("MaxPool", apart, **square), free))
    is_open = graph.add("Flatten", summed(graph, at_border(graph, free), 1, regions))
    is_divided = graph.add("Greater", graph.add("Mul", is_open, grown), 0.0)
    return graph.add("Where", is_divided, graph.add("Cast", grown, to=TensorProto.INT64), regions)


def at_border(graph: Graph, free: str) -> str:
    """`layouts.at_border`: (M, 1, 64, 64)."""
    border = np.ones((LAYOUT_PX, LAYOUT_PX), np.float32)
    border[1:-1, 1:-1] = 0
    return graph.add("Mul", free, graph.constant(border))


def filled(graph: Graph, coloured: str, regions: str) -> str:
    """`layouts.filled`: (N, 4, 64, 64)."""
    mask = graph.channels(coloured, 3, 4)
    product = above(graph, mask, MOSTLY)
    free = inside(graph, regions)
    far = graph.add("Neg", graph.add("MaxPool", graph.add("Neg", free), kernel_shape=[5, 5], pads=[2] * 4))
    weight = graph.add("Add", graph.add("Mul", far, 1 - RIM_WEIGHT), RIM_WEIGHT)
    summands = graph.add(
        "Concat", graph.add("Mul", coloured, weight), product, ones_like(graph, product), axis=1
    )
    sums = summed(graph, summands, 6, regions)
    least = graph.add("Mul", graph.channels(sums, 5, 6), PART_FROM)
    is_part = above(graph, graph.channels(sums, 4, 5), least)
    known = graph.add("Mul", graph.add("Mul", product, free), is_part)
    of_region = mean_colour(graph, sums)
    colour = graph.add("Mul", of_region, known)
    layout = spread_out(graph, graph.add("Concat", colour, known, axis=1), LINE_PX, product)
    is_free = graph.add("Greater", free, 0.0)
    rest = graph.add("Mul", graph.add("Where", is_free, of_region, mean_colour(graph, coloured)), product)
    is_known = graph.add("Greater", graph.channels(layout, 3, 4), 0.0)
    return graph.add("Where", is_known, layout, graph.add("Concat", rest, product, axis=1))


def evened(graph: Graph, cells: str) -> str:
    """`layouts.evened`: (N, 4, 16, 16)."""
    flat = graph.add("Reshape", cells, graph.ints(0, 4, CELLS**2))  # (N, 4, 256)
    colour, mask = graph.channels(flat, 0, 3), graph.channels(flat, 3, 4)
    of_ground = graph.add("Mul", graph.add("Sub", 1.0, mask), NO_WEIGHT)
    for _ in range(EVEN_STEPS):
        log_weights = graph.add("Add", log_kernel(graph, colour), of_ground)
        colour = graph.add("Mul", weighted_mean(graph, colour, log_weights), mask)
    log_weights = graph.add("Add", log_kernel(graph, colour), of_ground)
    count = graph.add("Max", graph.add("ReduceSum", mask, graph.ints(2)), 1.0)  # (N, 1, 1)
    share = graph.add("Div", graph.add("ReduceSum", graph.add("Exp", log_weights), graph.ints(2)), count)
    is_rare = graph.add("Sub", 1.0, above(graph, share, RARE_SHARE))  # (N, 256, 1)
    of_rare = graph.add("Mul", graph.add("Transpose", is_rare, perm=[0, 2, 1]), LITTLE_WEIGHT)
    log_weights = graph.add("Add", log_weights, of_rare)
    colour = graph.add("Mul", weighted_mean(graph, colour, log_weights), mask)
    return graph.add("Reshape", graph.add("Concat", colour, mask, axis=1), graph.ints(0, 4, CELLS, CELLS))


def log_kernel(graph: Graph, colour: str) -> str:
    """`layouts._log_kernel`, of colours (N, 3, K): (N, K, K)."""
    of_one, of_other = (graph.add("Unsqueeze", colour, graph.ints(axis)) for axis in (3, 2))
    apart = graph.add("Sub", of_one, of_other)  # (N, 3, K, K)
    distance = graph.add("ReduceSum", graph.add("Mul", apart, apart), graph.ints(1), keepdims=0)
    return graph.add("Mul", distance, -0.5 / EVEN_WIDTH**2)


def weighted_mean(graph: Graph, colour: str, log_weights: str) -> str:
    """`layouts._weighted_mean`, of colours (N, 3, K): (N, 3, K)."""
    rows = graph.add("Transpose", colour, perm=[0, 2, 1])
    rows = graph.add("MatMul", graph.add("Softmax", log_weights, axis=-1), rows)
    return graph.add("Transpose", rows, perm=[0, 2, 1])


def summed(graph: Graph, x: str, channels: int, regions: str) -> str:
    """`layouts.summed`: (N, C, 64, 64)."""
    flat = graph.add("Reshape", x, graph.ints(0, channels, -1))
    index = graph.add("Expand", graph.add("Unsqueeze", regions, graph.ints(1)), graph.add("Shape", flat))
    empty = graph.add("Mul", flat, 0.0)
    of_lines = graph.add("Slice", empty, graph.ints(0), graph.ints(1), graph.ints(2))
    sums = graph.add("Concat", empty, of_lines, axis=2)  # the number 0 is that of lines
    sums = graph.add("ScatterElements", sums, index, flat, axis=2, reduction="add")
    of_region = graph.add("GatherElements", sums, index, axis=2)
    return graph.add("Reshape", of_region, graph.ints(0, channels, LAYOUT_PX, LAYOUT_PX))


def inside(graph: Graph, regions: str) -> str:
    """`layouts.inside`: (N, 1, 64, 64)."""
    free = graph.add("Cast", graph.add("Greater", regions, graph.ints(0)), to=TensorProto.FLOAT)
    return graph.add("Reshape", free, graph.ints(0, 1, LAYOUT_PX, LAYOUT_PX))


def known_colours(graph: Graph, config: ModelConfig, strokes: str, ink: str) -> str:
    """`layouts.known_colours`: (M, 4, 32, 32)."""
    lines = graph.pooled(ink, config.size_px // SPREAD_PX)
    free = graph.add("Sub", 1.0, above(graph, lines, INK_STOPS))
    known = cells_of(graph, strokes, config.size_px // 2, SPREAD_PX, KNOWN_FROM)
    return spread_out(graph, known, SPREAD_STEPS, free)


def complete(graph: Graph, colour: str, mask: str, known: str, regions: str) -> str:
    """`layouts.complete`: (N, 4, 64, 64)."""
    product = graph.repeated(above(graph, mask), LAYOUT_PX // CELLS)
    known = graph.repeated(known, LAYOUT_PX // SPREAD_PX)
    is_known = graph.channels(known, 3, 4)
    sums = summed(graph, graph.add("Concat", known, ones_like(graph, is_known), axis=1), 5, regions)
    least = graph.add("Mul", graph.channels(sums, 4, 5), STROKED_FROM)
    stroked = above(graph, graph.channels(sums, 3, 4), least)
    stroked = graph.add("Mul", stroked, inside(graph, regions))
    drawn = graph.add("Mul", graph.repeated(colour, LAYOUT_PX // CELLS), product)
    layout = filled(graph, graph.add("Concat", drawn, product, axis=1), regions)
    even = evened(graph, cells_of(graph, layout, LAYOUT_PX, CELLS, PRODUCT_FROM))
    even = graph.repeated(graph.channels(even, 0, 3), LAYOUT_PX // CELLS)
    colour = graph.add("Where", graph.add("Greater", stroked, 0.0), mean_colour(graph, sums), even)
    coloured = graph.add("Concat", graph.add("Mul", colour, product), product, axis=1)
    layout = filled(graph, coloured, regions)
    is_known = graph.add("Greater", is_known, 0.0)
    colour = graph.add("Where", is_known, graph.channels(known, 0, 3), graph.channels(layout, 0, 3))
    return graph.add("Concat", graph.add("Mul", colour, product), product, axis=1)


def lit_as_answer(graph: Graph, layout: str) -> str:
    """`lighting.lit_as_answer`: (N, 4, 64, 64)."""
    colour, product = graph.channels(layout, 0, 3), graph.channels(layout, 3, 4)
    count = graph.add("Max", graph.add("ReduceSum", product, graph.ints(2, 3)), 1.0)
    near, window = product, 2 * RIM_REACH + 1
    for kernel, pads in (([1, window], [0, RIM_REACH] * 2), ([window, 1], [RIM_REACH, 0] * 2)):
        near = graph.add("AveragePool", near, kernel_shape=kernel, pads=pads, count_include_pad=1)
    rim = graph.add("Clip", graph.add("Sub", 2.0, graph.add("Mul", near, 2.0)), 0.0, 1.0)
    rim = graph.add("Mul", rim, rim)
    *slopes, of_rim = ANSWER_LIGHT
    added = graph.add("Mul", centred(graph, rim, product, count), of_rim)
    across = np.linspace(-1, 1, LAYOUT_PX, dtype=np.float32).reshape(1, 1, 1, LAYOUT_PX)
    for coordinate, slope in zip((across.swapaxes(2, 3), across), slopes, strict=True):
        x = centred(graph, graph.constant(coordinate), product, count)
        squares = graph.add("ReduceSum", graph.add("Mul", x, x), graph.ints(2, 3))
        variance = graph.add("Add", graph.add("Div", squares, count), SMALLEST_VARIANCE)
        added = graph.add(
            "Add", added, graph.add("Mul", x, graph.add("Div", slope, graph.add("Sqrt", variance)))
        )
    bright = graph.add("Mul", graph.add("Clip", graph.add("Add", colour, added), -1.0, 1.0), product)
    above, most = graph.add("Relu", graph.add("Sub", luma_of(graph, bright), SHOULDER)), LIGHTEST - SHOULDER
    bent = graph.add("Mul", graph.add("Tanh", graph.add("Div", above, most)), most)
    darker = graph.add("Clip", graph.add("Add", bright, graph.add("Sub", bent, above)), -1.0, 1.0)
    return graph.add("Concat", graph.add("Mul", darker, product), product, axis=1)


def luma_of(graph: Graph, colour: str) -> str:
    """`lighting.luma_of`: (N, 1, H, W)."""
    return graph.add("Conv", colour, graph.constant(np.array(LUMA, np.float32).reshape(1, 3, 1, 1)))


def centred(graph: Graph, x: str, product: str, count: str) -> str:
    """x minus its mean over the product (N, 1, 64, 64) of `count` (N, 1, 1, 1) pixels, 0 elsewhere."""
    sums = graph.add("ReduceSum", graph.add("Mul", x, product), graph.ints(2, 3))
    return graph.add("Mul", graph.add("Sub", x, graph.add("Div", sums, count)), product)


def spread_out(graph: Graph, layout: str, times: int, free: str) -> str:
    """`layouts.spread_out`, into `free` pixels."""
    for _ in range(times):
        near = graph.add("AveragePool", layout, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
        reached = graph.add("Mul", above(graph, graph.channels(near, 3, 4)), free)
        colour = graph.add("Mul", mean_colour(graph, near), reached)
        is_there = graph.add("Greater", graph.channels(layout, 3, 4), 0.0)
        grown = graph.add("Concat", colour, reached, axis=1)
        layout = graph.add("Where", is_there, layout, grown)
    return layout


def cells_of(graph: Graph, coloured: str, side: int, cells: int, least: float) -> str:
    """`layouts.cells_of`: colour times mask, and mask (N, 4, side, side) -> (N, 4, cells, cells).

    A cell is empty if the mean of its mask is at most `least`.
    """
    means = graph.pooled(coloured, side // cells)
    product = above(graph, graph.channels(means, 3, 4), least)
    return graph.add("Concat", graph.add("Mul", mean_colour(graph, means), product), product, axis=1)


def mean_colour(graph: Graph, coloured: str) -> str:
    """Colour times mask, and mask (N, 4 or more, H, H) -> colour (N, 3, H, H)."""
    mask = graph.add("Max", graph.channels(coloured, 3, 4), SMALLEST_SHARE)
    return graph.add("Div", graph.channels(coloured, 0, 3), mask)


def ones_like(graph: Graph, x: str) -> str:
    """1 everywhere, of the shape of x."""
    return graph.add("Add", graph.add("Mul", x, 0.0), 1.0)


def above(graph: Graph, x: str, limit: str | float = 0.0) -> str:
    """1 where x is above the limit, else 0."""
    return graph.add("Cast", graph.add("Greater", x, limit), to=TensorProto.FLOAT)


def at_side(graph: Graph, layout: str, side: int) -> str:
    """`layers.resized`, of a layout."""
    if side < LAYOUT_PX:
        return graph.pooled(layout, LAYOUT_PX // side)
    return layout if side == LAYOUT_PX else graph.resized(layout, side // LAYOUT_PX)
