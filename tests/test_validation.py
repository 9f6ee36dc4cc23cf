"""Scores of a run on validation pairs and on training pairs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY, make_header, make_model

from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.pairs import Pair, evenly, list_pairs
from pix2pix.training.config import TrainConfig
from pix2pix.training.validation import Scorer


def test_val_and_training_pairs_are_scored_each_by_themselves(tiny_config: TrainConfig, pairs: Path) -> None:
    """By KID, whose network comes with a package."""
    config = replace(tiny_config, best_metric="kid")
    listed = list_pairs(pairs, "train")
    some, others = listed[:3], listed[3:]

    torch.manual_seed(0)
    discriminator = PatchDiscriminator(config.discriminator)

    def score(train: list[Pair], val: list[Pair]) -> dict[str, float]:
        scorer = Scorer(config, train, val, torch.device("cpu"), pytest.fail)
        header = replace(make_header(TINY), discriminator=config.discriminator)
        return scorer.score(make_model(TINY), header, discriminator)

    one, other = score(some, others), score(others, some)
    assert one["kid"] == pytest.approx(other["kid_train"]) and one["kid_train"] == pytest.approx(other["kid"])
    assert one["kid"] != pytest.approx(one["kid_train"])
    assert one["p_val"] == pytest.approx(other["p_train"]) and 0 < one["p_made"] < 1
    assert one["spread"] > 0 and one["across"] > 0


@pytest.mark.parametrize(("count", "most", "chosen"), [(7, 3, [0, 2, 4]), (127, 2, [0, 63]), (2, 3, [0, 1])])
def test_some_of_the_pairs_are_evenly_spaced(count: int, most: int, chosen: list[int]) -> None:
    pairs = [Pair(str(i), Path(), Path()) for i in range(count)]
    assert [int(pair.name) for pair in evenly(pairs, most)] == chosen
