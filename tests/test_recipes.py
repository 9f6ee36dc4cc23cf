"""The recipes' own script: a mean is between the two that it is made of, and of no strangers."""

import importlib.util
from pathlib import Path

import pytest
import torch

from pix2pix.bundle import load_bundle
from pix2pix.config import TrainConfig
from pix2pix.errors import UsageError
from pix2pix.training import train

SCRIPT = Path(__file__).parents[1] / "docs" / "recipes" / "mean_of_weights.py"


def test_the_mean_of_a_bundle_and_the_run_that_began_with_it(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("mean_of_weights", SCRIPT)
    assert spec is not None and spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    first, second = tmp_path / "first", tmp_path / "second"
    bundle = first / "first.safetensors"
    list(train(tiny_config, pairs, first, device="cpu"))
    list(train(tiny_config, pairs, second, device="cpu", start_from=bundle))
    recipe.write_mean(bundle, second, pairs, tmp_path / "mean.safetensors")
    before, after, mean = (
        load_bundle(path)[0].generator.stem.weight
        for path in (bundle, second / "second.safetensors", tmp_path / "mean.safetensors")
    )
    assert not torch.allclose(before, after, atol=1e-3)
    assert torch.allclose(mean, (before + after) / 2, atol=1e-3)  # whitening leaves the stem as it is
    with pytest.raises(UsageError, match="did not begin with"):
        recipe.write_mean(second / "second.safetensors", second, pairs, tmp_path / "other.safetensors")
