"""Light: shades across a whole product."""

import numpy as np
import pytest
import torch
from onnx import TensorProto
from onnxruntime import InferenceSession
from torch import Tensor

from pix2pix.model import onnx_layouts
from pix2pix.model.constants import ANSWER_LIGHT, LIGHTEST
from pix2pix.model.layouts import regions_of
from pix2pix.model.lighting import light_of, lit, lit_as_answer, luma_of, patterns
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
    shades = lit(boxes(GREY), torch.tensor([light]))[0, 0]
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
    after = lit(before, torch.tensor([[0.1, 0.05, -0.2]]))
    assert torch.equal(after[:, 3], before[:, 3]) and not (after[:, :3] * (1 - before[:, 3:])).any()
    chroma = (x[:, :3] - luma_of(x[:, :3]) for x in (after, before))
    torch.testing.assert_close(*chroma, atol=1e-6, rtol=0)


def test_the_light_of_a_photo_is_found_whatever_its_colours() -> None:
    light = torch.tensor([[0.2, -0.1, 0.3], [-0.05, 0.1, -0.4]])
    layout, ink = boxes(RED, GREY), torch.zeros(2, 1, 64, 64)
    ink[..., 32] = 1
    found = light_of(lit(layout, light), layout, regions_of(ink))
    torch.testing.assert_close(found, light, atol=0.05, rtol=0.1)


def test_a_photo_without_clear_product_has_no_light() -> None:
    layout = boxes(GREY)
    assert not light_of(0.5 * layout, layout, torch.ones(1, 64 * 64, dtype=torch.long)).any()


def test_answers_are_lit_from_above_left_with_dark_rims() -> None:
    shades = lit_as_answer(boxes(GREY))[0, 0]
    assert shades[14, 30] > shades[54, 30] and shades[40, 6] > shades[40, 57]
    assert shades[40, 30] - (shades[40, 4] + shades[40, 59]) / 2 > -ANSWER_LIGHT[2] / 2


def test_pale_products_stay_darker_than_the_ground_and_are_shaded_as_others() -> None:
    shades = [lit_as_answer(boxes(colour))[0, 0] for colour in ((1.0, 1.0, 1.0), GREY)]
    product = boxes(GREY)[0, 3] > 0
    assert shades[0].max() == pytest.approx(LIGHTEST, abs=1e-5)
    contrast = [(x[product].max() - x[product].min()).item() for x in shades]
    assert contrast[0] == pytest.approx(contrast[1], abs=1e-5) and contrast[1] > 0.3


def test_the_light_of_answers_is_the_same_in_onnx() -> None:
    layout = torch.cat([boxes(RED, (1.0, 0.9, 0.8), (-1.0, -0.9, -1.0)), torch.zeros(1, 4, 64, 64)])
    graph = Graph({})
    given = graph.input("layout", TensorProto.FLOAT, ["n", 4, 64, 64])
    graph.output("lit", onnx_layouts.lit_as_answer(graph, given), TensorProto.FLOAT, ["n", 4, 64, 64])
    session = InferenceSession(graph.model().SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"layout": layout.numpy()})
    np.testing.assert_allclose(found, lit_as_answer(layout).numpy(), atol=1e-5)
