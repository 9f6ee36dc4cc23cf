"""Batches do not depend on the number of workers or the first step; unreadable pairs are named."""

import os
import signal
from collections.abc import Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import draw_pair
from PIL import Image

from pix2pix.errors import PairsError, RunError
from pix2pix.model.layouts import coloured_by
from pix2pix.pairs import list_pairs
from pix2pix.training.data.augment import PairAugment
from pix2pix.training.data.loader import Loaded, load_batches
from pix2pix.training.data.sampler import PairSampler


def some(
    pairs: Path,
    count: int,
    *,
    first_step: int = 0,
    workers: int = 0,
    places: Sequence[int] = range(4),
    pictures: int = 4,
) -> list[Loaded]:
    listed = list_pairs(pairs, "train")
    batches = load_batches(
        listed,
        PairAugment(flip=True, shift_scale=True, strokes=True, line_width=True),
        PairSampler(len(listed), batch_size=4, seed=1, weak_points=0.0),
        size_px=32,
        first_step=first_step,
        places=places,
        pictures=pictures,
        workers=workers,
    )
    return list(islice(batches, count))


def equal(a: Loaded, b: Loaded) -> bool:
    sides = [[getattr(one, field.name) for one in (a, b)] for field in fields(Loaded)]
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in sides)


def test_a_batch_is_a_function_of_the_step(pairs: Path) -> None:
    here, there, later = some(pairs, 4), some(pairs, 4, workers=2), some(pairs, 2, first_step=2)
    assert all(equal(a, b) for a, b in zip(here, there, strict=True))
    assert all(equal(a, b) for a, b in zip(here[2:], later, strict=True))
    assert not torch.equal(here[0].photo, here[1].photo)
    assert not torch.equal(here[0].coloured, here[1].coloured)


def test_the_layout_gan_takes_all_pairs_and_the_picture_gan_the_first(pairs: Path) -> None:
    (batch,), (whole,) = some(pairs, 1, pictures=2), some(pairs, 1)
    shapes = {name: tuple(value.shape) for name, value in vars(batch).items() if hasattr(value, "shape")}
    assert shapes == {
        "ink": (4, 1, 64, 64),
        "coloured": (4, 4, 64, 64),
        "sketch": (2, 1, 32, 32),
        "photo": (2, 3, 32, 32),
        "foreground": (2, 3, 32, 32),
        "alpha": (2, 1, 32, 32),
        "roughness": (2,),
    }
    assert len(batch.indices) == 4 and torch.equal(batch.coloured, whole.coloured)
    assert torch.equal(batch.photo, whole.photo[:2])


def test_both_gans_get_the_same_drawing(pairs: Path) -> None:
    (batch,) = some(pairs, 1)
    coloured = F.avg_pool2d(batch.coloured, 2)
    torch.testing.assert_close(coloured, coloured_by(batch.foreground, batch.alpha))
    torch.testing.assert_close(F.avg_pool2d(batch.ink, 2), (1 - batch.sketch) / 2)
    assert batch.coloured[:, 3].any() and batch.ink.any()


def test_processes_share_a_batch_out(pairs: Path) -> None:
    whole, even, odd = (
        some(pairs, 1, places=places, pictures=2)[0] for places in (range(4), range(0, 4, 2), range(1, 4, 2))
    )
    assert torch.equal(whole.coloured[::2], even.coloured) and torch.equal(whole.coloured[1::2], odd.coloured)
    assert torch.equal(whole.photo[:1], even.photo) and torch.equal(whole.photo[1:], odd.photo)
    assert whole.indices[::2] == even.indices


def test_the_mask_moves_with_the_photo(pairs: Path) -> None:
    """Photos are black where there is product, so that each side tells the other."""
    (pairs / "train" / "masks").mkdir()
    for photo in (pairs / "train" / "photos").iterdir():
        mask = (draw_pair(int(photo.stem))[1] < 255).any(axis=2) * np.uint8(255)
        Image.fromarray(mask).save(pairs / "train" / "masks" / photo.name)
        Image.fromarray(np.repeat(255 - mask[:, :, None], 3, axis=2)).save(photo)
    for batch in some(pairs, 5):
        level = batch.photo[:, :1]
        assert (batch.alpha[level == -1] == 1).all() and not batch.alpha[level == 1].any()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pair_that_cannot_be_read_is_named_and_another_taken(pairs: Path, workers: int) -> None:
    (pairs / "train" / "photos" / "3.png").write_bytes(b"no picture")
    loaded = some(pairs, 3, workers=workers)
    assert all(batch.photo.shape[0] == 4 and 3 not in batch.indices for batch in loaded)
    reasons = {name: reason for batch in loaded for name, reason in batch.unreadable.items()}
    assert list(reasons) == ["3"] and "3.png" in reasons["3"]


@pytest.mark.parametrize("workers", [0, 1])
def test_where_none_can_be_read_the_run_ends_with_a_message(pairs: Path, workers: int) -> None:
    for photo in (pairs / "train" / "photos").iterdir():
        photo.write_bytes(b"")
    with pytest.raises(PairsError, match=r"^pair \d: .*\.png"):
        some(pairs, 1, workers=workers)


def test_a_worker_that_has_ended_is_an_error(pairs: Path) -> None:
    class Killed(PairAugment):
        def __call__(self, *arguments: object) -> tuple:  # type: ignore[override]
            os.kill(os.getpid(), signal.SIGKILL)
            return ()

    listed = list_pairs(pairs, "train")
    batches = load_batches(
        listed,
        Killed(flip=False, shift_scale=False, strokes=False, line_width=False),
        PairSampler(len(listed), batch_size=2, seed=1, weak_points=0.0),
        size_px=32,
        first_step=0,
        places=range(2),
        pictures=2,
        workers=1,
    )
    with pytest.raises(RunError, match="prepares pairs has ended"):
        next(batches)
