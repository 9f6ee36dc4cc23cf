"""The end of a run, on photos of which some cannot be read."""

from pathlib import Path

import pytest
import torch
from conftest import TINY, make_model

from pix2pix.dataset import list_pairs
from pix2pix.errors import PairsError
from pix2pix.finishing import finish

SKETCHES = torch.ones(2, 1, 32, 32)


def test_photos_that_cannot_be_read_are_passed_over_while_others_can(pairs: Path) -> None:
    some = list_pairs(pairs, "train")
    before = {name: weight.clone() for name, weight in make_model(TINY).state_dict().items()}
    some[3].photo.write_bytes(b"no photo")
    enough = some * 3  # 8 and more of them can be read
    model = make_model(TINY)
    assert all(len(direction.vector) == 4 for direction in finish(model, enough, SKETCHES))
    assert any(not torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    with pytest.raises(PairsError, match=f"1 of {len(some)} photos"):
        finish(make_model(TINY), some, SKETCHES)
