"""What is done to pictures before D sees them: sketch and photo together, gradients through it."""

import torch

from pix2pix import diffaugment


def augment(sketch: torch.Tensor, photo: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.rand(len(photo), diffaugment.DRAWS, generator=torch.Generator().manual_seed(seed))
    return diffaugment.augment(sketch, photo, draws)


def pictures(n: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """An inked and coloured square in the middle of white paper."""
    sketch, photo = torch.ones(n, 1, 32, 32), torch.ones(n, 3, 32, 32)
    sketch[:, :, 12:20, 12:20] = -1
    photo[:, 0, 12:20, 12:20] = -1
    return sketch, photo


def test_it_is_a_function_of_its_draws_and_differs_from_picture_to_picture() -> None:
    sketch, photo = pictures()
    first, again, other = (augment(sketch, photo, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
    assert len({tuple(x.flatten().tolist()) for x in first[1]}) == 16


def test_sketch_and_photo_move_and_are_cut_together() -> None:
    sketch, photo = augment(*pictures(), seed=3)
    for ink, colours in zip(sketch, photo, strict=True):
        inked, cut = ink[0] == -1, ink[0] == 0
        assert (colours[:, cut] == 0).all()
        square = colours[0][inked]
        assert square.numel() == 0 or square.std(correction=0) < 1e-5  # the square lies under its ink
    assert len({int((x[0] == -1).sum()) for x in sketch}) > 3  # by some the cut hides a part
    places = [(x[0] == -1).nonzero().float().mean(dim=0) for x in sketch if (x[0] == -1).any()]
    assert torch.stack(places).std(dim=0).min() > 0.5


def test_gradients_reach_the_photo() -> None:
    sketch, photo = pictures(2)
    photo.requires_grad_()
    augment(sketch, photo, seed=1)[1].sum().backward()
    assert photo.grad is not None and (photo.grad != 0).float().mean() > 0.3
