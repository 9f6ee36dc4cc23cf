"""Light: shades across a whole product."""

import numpy as np
import pytest
import torch
from onnx import TensorProto
from onnxruntime import InferenceSession
from torch import Tensor

from pix2pix.model import onnx_layouts
from pix2pix.model.constants import ANSWER_LIGHT, LIGHTEST, SHOULDER
from pix2pix.model.layouts import regions_of
from pix2pix.model.lighting import light_of, lit, lit_as_answer, luma_of, patterns, shades_of
from pix2pix.model.onnx_layers import Graph

GREY = (0.0, 0.0, 0.0)
RED = (0.6, -0.4, -0.2)


def boxes(*colours: tuple[float, float, float]) -> Tensor:
    """Layouts of a box with an opening, each in one colour."""
    product = torch.zeros(len(colours), 1, 64, 64)
    product[..., 12:56, 4:60] = 1
    product[..., 20:24, 20:44] = 0
    return torch.cat([torch.tensor(colours)[..., None, None] * product, product], 1)


@pytest.mark.parametrize(
    ("light", "lighter", "darker"),
    [
        ((0.2, 0.0, 0.0), (50, 30), (14, 30)),
        ((0.0, 0.2, 0.0), (40, 56), (40, 8)),
        ((0.0, 0.0, 0.2), (40, 4), (40, 32)),
    ],
)
def test_light_comes_from_below_from_the_right_and_at_the_rim(
    light: tuple[float, float, float], lighter: tuple[int, int], darker: tuple[int, int]
) -> None:
    shades = shades_of(boxes(GREY)[:, 3:], torch.tensor([light]))[0, 0]
    assert shades[lighter] > 0.05 > -0.02 > shades[darker]


def test_patterns_are_zero_on_average_and_outside_of_the_product() -> None:
    product = boxes(GREY)[:, 3:]
    found = patterns(product)
    torch.testing.assert_close(found.mean((2, 3)), torch.zeros(1, 3), atol=1e-6, rtol=0)
    assert not (found * (1 - product)).any()
    deviation = (found[:, :2].square().sum((2, 3)) / product.sum()).sqrt()
    torch.testing.assert_close(deviation, torch.ones(1, 2), atol=1e-2, rtol=0)
    assert not patterns(torch.zeros(1, 1, 64, 64)).any()


def test_light_keeps_chroma_and_mask() -> None:
    before = boxes(RED)
    after = lit(before, shades_of(before[:, 3:], torch.tensor([[0.1, 0.05, -0.2]])))
    assert torch.equal(after[:, 3], before[:, 3]) and not (after[:, :3] * (1 - before[:, 3:])).any()
    chroma = (x[:, :3] - luma_of(x[:, :3]) for x in (after, before))
    torch.testing.assert_close(*chroma, atol=1e-6, rtol=0)


def test_the_light_of_a_photo_is_found_whatever_the_colours_of_its_parts() -> None:
    """Products of nine parts, each in a colour of its own."""
    light = torch.tensor([[0.2, -0.1, 0.3], [-0.05, 0.1, -0.4]])
    product, ink = boxes(GREY, GREY)[:, 3:], torch.zeros(2, 1, 64, 64)
    ink[..., ::22, :] = ink[..., ::22] = 1
    regions = regions_of(ink)
    assert len(regions[0].unique()) == 10
    colours = torch.linspace(-0.4, 0.4, 64**2 + 1)[regions].reshape(2, 1, 64, 64)
    coloured = torch.cat([(colours + shades_of(product, light)).expand(-1, 3, -1, -1) * product, product], 1)
    torch.testing.assert_close(light_of(coloured, product, regions), light, atol=0.02, rtol=0.05)


def test_a_photo_without_clear_product_has_no_light() -> None:
    layout = boxes(RED)
    assert not light_of(0.5 * layout, layout[:, 3:], torch.ones(1, 64 * 64, dtype=torch.long)).any()


def test_answers_are_lit_from_above_left_with_dark_rims() -> None:
    shades = lit_as_answer(boxes(GREY))[0, 0]
    assert shades[14, 30] > shades[54, 30] and shades[40, 6] > shades[40, 57]
    assert shades[40, 30] - (shades[40, 4] + shades[40, 59]) / 2 > -ANSWER_LIGHT[2] / 2


def test_white_products_differ_from_the_ground_and_keep_their_shades() -> None:
    white, pale, grey = (lit_as_answer(boxes((x, x, x)))[0, 0] for x in (1.0, 0.7, 0.0))
    product = boxes(GREY)[0, 3] > 0
    assert white[product].max() < LIGHTEST and white[product].max() - white[product].min() > 0.1
    assert (white - pale)[product].min() > 0 and (white - pale)[product].mean() > 0.05
    darker = grey < SHOULDER
    plain = shades_of(boxes(GREY)[:, 3:], torch.tensor([ANSWER_LIGHT]))[0, 0]
    torch.testing.assert_close(grey[darker & product], plain[darker & product])


def test_a_white_sole_below_a_dark_upper_stays_light() -> None:
    layout = boxes((-0.8, -0.8, -0.8))
    layout[:, :3, 48:56] = layout[:, 3:, 48:56]
    assert lit_as_answer(layout)[0, 0, 48:56, 10:50].mean() > 0.5


def test_the_light_of_answers_is_the_same_in_onnx() -> None:
    thin = torch.zeros(1, 4, 64, 64)
    thin[:, :, 30] = 1
    others = torch.zeros(1, 4, 64, 64), torch.full((1, 4, 64, 64), 1.0), thin
    layout = torch.cat([boxes(RED, (1.0, 0.9, 0.8), (-1.0, -0.9, -1.0)), *others])
    graph = Graph({})
    given = graph.input("layout", TensorProto.FLOAT, ["n", 4, 64, 64])
    graph.output("lit", onnx_layouts.lit_as_answer(graph, given), TensorProto.FLOAT, ["n", 4, 64, 64])
    session = InferenceSession(graph.model().SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"layout": layout.numpy()})
    np.testing.assert_allclose(found, lit_as_answer(layout).numpy(), atol=1e-5)
