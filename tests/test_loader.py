"""Batches are the same whoever prepares them and from wherever one begins; what cannot be read is named."""

import os
import signal
from itertools import islice
from pathlib import Path

import pytest
import torch

from pix2pix.augment import PairAugment
from pix2pix.dataset import list_pairs
from pix2pix.errors import PairsError, RunError
from pix2pix.loader import Loaded, load_batches
from pix2pix.sampler import PairSampler


def some(
    pairs: Path, count: int, *, first_step: int = 0, workers: int = 0, places: range = range(4)
) -> list[Loaded]:
    listed = list_pairs(pairs, "train")
    batches = load_batches(
        listed,
        PairAugment(flip=True, shift_scale=True, strokes=True, line_width=True),
        PairSampler(len(listed), batch_size=4, seed=1, weak_points=0.0),
        size_px=32,
        first_step=first_step,
        places=places,
        workers=workers,
    )
    return list(islice(batches, count))


def equal(a: Loaded, b: Loaded) -> bool:
    return a.indices == b.indices and all(
        torch.equal(x, y) for x, y in ((a.sketch, b.sketch), (a.photo, b.photo), (a.roughness, b.roughness))
    )


def test_a_batch_is_a_function_of_the_step(pairs: Path) -> None:
    here, there, later = some(pairs, 4), some(pairs, 4, workers=2), some(pairs, 2, first_step=2)
    assert all(equal(a, b) for a, b in zip(here, there, strict=True))
    assert all(equal(a, b) for a, b in zip(here[2:], later, strict=True))
    assert not torch.equal(here[0].photo, here[1].photo)
    assert here[0].sketch.shape == (4, 1, 32, 32) and here[0].photo.shape == (4, 3, 32, 32)


def test_processes_share_a_batch_out(pairs: Path) -> None:
    whole, even, odd = (
        some(pairs, 1)[0],
        some(pairs, 1, places=range(0, 4, 2))[0],
        some(pairs, 1, places=range(1, 4, 2))[0],
    )
    assert torch.equal(whole.photo[::2], even.photo) and torch.equal(whole.photo[1::2], odd.photo)
    assert whole.indices[::2] == even.indices


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pair_that_cannot_be_read_is_named_and_another_taken(pairs: Path, workers: int) -> None:
    (pairs / "train" / "photos" / "3.png").write_bytes(b"no picture")
    loaded = some(pairs, 3, workers=workers)
    assert all(batch.photo.shape[0] == 4 and 3 not in batch.indices for batch in loaded)
    told = {name: why for batch in loaded for name, why in batch.unreadable.items()}
    assert list(told) == ["3"] and "3.png" in told["3"]


@pytest.mark.parametrize("workers", [0, 1])
def test_where_none_can_be_read_the_run_ends_in_plain_words(pairs: Path, workers: int) -> None:
    for photo in (pairs / "train" / "photos").iterdir():
        photo.write_bytes(b"")
    with pytest.raises(PairsError, match=r"^pair \d: .*\.png"):
        some(pairs, 1, workers=workers)


def test_a_process_that_is_gone_is_told(pairs: Path) -> None:
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
        workers=1,
    )
    with pytest.raises(RunError, match="prepares pairs is gone"):
        next(batches)
