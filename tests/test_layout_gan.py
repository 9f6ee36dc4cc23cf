"""The networks that draw and judge the cells of layouts."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.model.layout_gan import LayoutDiscriminator, LayoutEncoder, LayoutGenerator


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def generator() -> LayoutGenerator:
    return LayoutGenerator(4, style_size=8, widths=(8, 12, 16)).eval()


def some_cells(count: int) -> Tensor:
    mask = (torch.rand(count, 1, 16, 16) < 0.1).float()
    return torch.cat([torch.randn(count, 3, 16, 16) * mask, mask], 1)


def test_rows_give_what_separate_calls_give(generator: LayoutGenerator) -> None:
    ink, known, z, sketch_of = (
        torch.rand(2, 1, 64, 64),
        some_cells(2),
        torch.randn(3, 4),
        torch.tensor([1, 0, 1]),
    )
    together = generator(ink, known, z, sketch_of)
    assert together.shape == (3, 4, 16, 16)
    for answer, own, row in zip(together, z, sketch_of, strict=True):
        alone = generator(ink[row][None], known[row][None], own[None])[0]
        torch.testing.assert_close(answer, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("given", ["ink", "known", "z"])
def test_ink_known_cells_and_z_all_change_the_layout(generator: LayoutGenerator, given: str) -> None:
    taken = {"ink": torch.rand(1, 1, 64, 64), "known": some_cells(1), "z": torch.randn(1, 4)}
    before = generator(**taken)
    taken[given] = torch.zeros_like(taken[given])
    assert (generator(**taken) - before).abs().max() > 0.01


def test_the_encoder_tells_colours_apart_and_sees_no_batch_mates() -> None:
    encoder = LayoutEncoder(4, 8)
    cells = torch.zeros(1, 4, 16, 16)
    cells[0, 0, 4:12, 4:8], cells[0, 2, 4:12, 8:12], cells[0, 3, 4:12, 4:12] = 1, 1, 1
    mean, log_variance = encoder(torch.cat([cells, cells.flip(3)]))
    assert mean.shape == log_variance.shape == (2, 4)
    assert (mean[0] - mean[1]).abs().max() > 0.05
    torch.testing.assert_close(encoder(cells)[0], mean[:1])


def test_log_variances_are_bounded() -> None:
    encoder = LayoutEncoder(2, 8)
    _, log_variance = encoder(1e6 * torch.randn(8, 4, 16, 16))
    assert log_variance.min() == -8 and log_variance.max() == 4


def test_the_discriminator_sees_the_deviation_of_four_layouts_and_of_no_others() -> None:
    discriminator = LayoutDiscriminator((8, 8, 8))
    ink = torch.rand(1, 1, 64, 64).expand(8, -1, -1, -1)
    same = torch.randn(1, 4, 16, 16).repeat(8, 1, 1, 1)
    logits = discriminator(same, ink)
    assert logits.shape == (8,)
    same[7] += 1
    after = discriminator(same, ink)
    torch.testing.assert_close(after[::2], logits[::2])  # members of a group are two apart
    assert ((after[1:7:2] - logits[1:7:2]).abs() > 1e-4).all()


def test_the_discriminator_sees_whose_sketch_a_layout_is() -> None:
    discriminator, layout = LayoutDiscriminator((8, 8, 8)), torch.randn(4, 4, 16, 16)
    ink = torch.rand(4, 1, 64, 64)
    assert not torch.allclose(discriminator(layout, ink), discriminator(layout, ink.roll(1, 0)))


def test_the_discriminator_sees_ink_finer_than_a_cell() -> None:
    """Lines at two places of one cell are two sketches."""
    discriminator, layout = LayoutDiscriminator((8, 8, 8)), torch.randn(4, 4, 16, 16)
    line = torch.zeros(4, 1, 64, 64)
    line[..., 20, :] = 1
    torch.testing.assert_close(F.avg_pool2d(line, 4), F.avg_pool2d(line.roll(1, 2), 4))
    assert not torch.allclose(discriminator(layout, line), discriminator(layout, line.roll(1, 2)))
