"""The command that began a run goes on with it when --resume is added; what differs is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import TINY, save_untrained

from app.cli.main import main
from pix2pix.errors import RunError
from pix2pix.training import loop
from pix2pix.training.config import TrainConfig
from pix2pix.training.loop import train

BEGUN = ["--preset", "fast", "--size", "64", "--set", "batch_size=2", "--set", "discriminator_lr=2e-4"]
BEGUN += ["--steps", "4", "--time-limit", "90m"]


@pytest.fixture
def config(tiny_config: TrainConfig) -> TrainConfig:
    """As BEGUN gives, with tiny networks."""
    return replace(tiny_config, discriminator_lr=2e-4, time_limit_s=5400.0)


def again(pairs: Path, run: Path, *options: str) -> Result:
    arguments = ["train", str(pairs), "--name", run.name, "--runs", str(run.parent), "--resume", "--dry-run"]
    return CliRunner().invoke(main, [*arguments, *options])


def begin(config: TrainConfig, pairs: Path, run: Path, start_from: Path | None = None) -> Path:
    for status in train(config, pairs, run, start_from=start_from, device="cpu"):
        if status.step == 3:  # step 2 is saved
            break
    return run


def test_the_same_command_goes_on_with_the_run(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    run = begin(config, pairs, tmp_path / "runs/a")
    result = again(pairs, run, *BEGUN)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["config"] == json.loads((run / "config.json").read_text())["train"]


def test_longer_limits_and_another_title_are_taken(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    run = begin(config, pairs, tmp_path / "runs/a")
    longer = ["--steps", "9", "--time-limit", "2h", "--title", "Mine", "--licence", "CC0"]
    printed = json.loads(again(pairs, run, *BEGUN, *longer).stdout)["config"]
    assert [printed[name] for name in ("steps", "time_limit_s", "title", "licence")] == [
        9,
        7200,
        "Mine",
        "CC0",
    ]
    assert json.loads(again(pairs, run, "--set", "steps=9").stdout)["config"]["steps"] == 9


def test_only_what_differs_is_refused_with_both_values(
    config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    run = begin(config, pairs, tmp_path / "runs/a")
    for options, named in (
        (["--preset", "default"], ["--preset default (the run has fast)"]),
        (["--size", "128"], ["--size 128 (the run has 64)"]),
        (["--set", "batch_size=4"], ["--set batch_size=4 (the run has 2)"]),
        (["--set", "model.latent_size=8"], ["--set model.latent_size=8 (the run has 4)"]),
        (["--from", "shoes"], ["--from shoes (the run has untrained)"]),
        (
            ["--size", "64", "--preset", "paper", "--set", "flip=false"],
            ["--preset paper", "--set flip=false"],
        ),
    ):
        result = again(pairs, run, *options)
        assert result.exit_code == 2
        assert not [words for words in named if words not in result.stderr], result.stderr
        assert result.stderr.count("the run has") == len(named)


def test_the_model_a_run_began_with_is_remembered(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    bundle = save_untrained(tmp_path / "models/tiny.safetensors", TINY)
    copy = Path(shutil.copy(bundle, tmp_path / "copy.safetensors"))
    other = save_untrained(tmp_path / "models/other.safetensors", TINY, title="Other")
    run = begin(config, pairs, tmp_path / "runs/a", bundle)
    for same in (bundle, copy):
        assert again(pairs, run, "--from", str(same)).exit_code == 0
    assert f"--from {other} (the run has {bundle})" in again(pairs, run, "--from", str(other)).stderr
    assert [status.step for status in train(config, pairs, run, resume=True, device="cpu")] == [3, 4]
    bundle.unlink()  # what a run began with is not needed any more
    assert again(pairs, run, "--from", str(bundle)).exit_code == 0
    assert again(pairs, run, "--from", "gone").exit_code == 2


def test_a_dry_run_refuses_other_pairs_as_the_run_does(
    config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    """It printed the plan as if all was well."""
    run = begin(config, pairs, tmp_path / "runs/a")
    for kind in ("sketches", "photos"):
        (pairs / "train" / kind / "0.png").unlink()
    result = again(pairs, run)
    assert result.exit_code == 2
    assert f"{run} was trained on other pairs" in result.stderr and "--other-pairs" in result.stderr
    assert again(pairs, run, "--other-pairs").exit_code == 0


def test_a_run_of_an_earlier_version_does_not_say_what_it_began_with(
    config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    run = begin(config, pairs, tmp_path / "runs/a")
    recorded = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({name: recorded[name] for name in ("train", "data_hash")}))
    assert again(pairs, run, "--from", "shoes").exit_code == 0


def test_a_run_without_a_checkpoint_is_refused_before_anything_is_loaded(
    config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It built the networks first, and might download the features of the losses."""
    run = begin(config, pairs, tmp_path / "runs/a")
    for state in run.glob("state*.pt"):
        state.unlink()
    monkeypatch.setattr(loop, "TrainingStep", lambda *_: pytest.fail("networks are built"))
    words = f"nothing to resume: {run} has no checkpoint; `pix2pix train` without --resume begins"
    result = again(pairs, run)
    assert result.exit_code == 2 and words in result.stderr
    with pytest.raises(RunError, match="has no checkpoint"):
        next(train(config, pairs, run, resume=True, device="cpu"))


def test_going_on_trains_to_the_end(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    run = begin(
        config, pairs, tmp_path / "runs/a", save_untrained(tmp_path / "models/tiny.safetensors", TINY)
    )
    arguments = ["train", str(pairs), "--name", "a", "--runs", str(run.parent), "--device", "cpu"]
    arguments += [*BEGUN, "--from", str(tmp_path / "models/tiny.safetensors"), "--workers", "0", "--resume"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines()[-1].startswith("4 steps")
