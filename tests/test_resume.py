"""A run that was killed, at any step or while it wrote, goes on as if it had never stopped."""

import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pix2pix.errors import FolderInUse, RunError
from pix2pix.files import only_writer
from pix2pix.model.bundle import load_bundle
from pix2pix.training.checkpoint import load_state, save_state
from pix2pix.training.config import TrainConfig
from pix2pix.training.loop import train
from pix2pix.training.run_folder import spare_of

# Trains until the kernel kills it while it writes a checkpoint: from step 3 on, files may grow to half of
# the size of the checkpoint before.
TRAIN_AND_DIE = """
import os, resource, signal, sys
from pathlib import Path
from pix2pix.model.config import from_json
from pix2pix.training.config import TrainConfig
from pix2pix.training.loop import train

config, pairs, run = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
for status in train(from_json(TrainConfig, config), Path(pairs), Path(run), device="cpu"):
    if status.step == 3:
        half = (Path(run) / "state.pt").stat().st_size // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (half, half))
"""


@pytest.fixture
def config(tiny_config: TrainConfig) -> TrainConfig:
    return replace(tiny_config, steps=7, save_every=2, sample_every=100)


@contextmanager
def full_disk(largest_file: int) -> Iterator[None]:
    """No file can grow beyond so many bytes: writing fails, as Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stop_after(config: TrainConfig, pairs: Path, run: Path, step: int) -> None:
    """Trains and ends after a step without saving, as if killed."""
    steps = train(config, pairs, run, device="cpu")
    assert next(status.step for status in steps if status.step == step) == step
    steps.close()  # type: ignore[attr-defined]


def go_on(config: TrainConfig, pairs: Path, run: Path, **options: object) -> list[int]:
    return [status.step for status in train(config, pairs, run, device="cpu", **options)]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TrainConfig, Path], Path]:
    """The run folder of a run that never stopped, made once for each configuration."""
    runs: dict[TrainConfig, Path] = {}

    def run_of(config: TrainConfig, pairs: Path) -> Path:
        if config not in runs:
            runs[config] = tmp_path_factory.mktemp("undisturbed") / "whole"
            go_on(config, pairs, runs[config])
        return runs[config]

    return run_of


def assert_same_run(run: Path, whole: Path) -> None:
    """Bit for bit the same state and bundle."""
    found, expected = (load_state(folder / "state.pt") for folder in (run, whole))
    for part in expected.keys() - {"seconds"}:
        assert_equal(found[part], expected[part])
    ended, straight = (load_bundle(folder / f"{folder.name}.safetensors")[0] for folder in (run, whole))
    assert_equal(dict(ended.state_dict()), dict(straight.state_dict()))
    assert not list(run.glob(".*")) and not list(run.glob("*.new.pt"))


def assert_equal(found: object, expected: object) -> None:
    """Of nested containers of tensors and numbers."""
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)  # unknown difficulties
    elif isinstance(expected, dict):
        assert isinstance(found, dict) and found.keys() == expected.keys()
        for key, value in expected.items():
            assert_equal(found[key], value)
    elif isinstance(expected, list | tuple):
        assert isinstance(found, list | tuple) and len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other)
    else:
        assert found == expected


Undisturbed = Callable[[TrainConfig, Path], Path]


@pytest.mark.parametrize("step", [3, 6])
@pytest.mark.parametrize("weak_points", [0.0, 0.5])
def test_a_run_that_ended_without_saving_goes_on_bit_for_bit(
    config: TrainConfig, pairs: Path, tmp_path: Path, undisturbed: Undisturbed, step: int, weak_points: float
) -> None:
    run, config = tmp_path / "run", replace(config, weak_points=weak_points)
    stop_after(config, pairs, run, step)
    saved = (step - 1) // 2 * 2  # a step is saved when the next one is asked for
    assert go_on(config, pairs, run, resume=True) == list(range(saved + 1, 8))
    assert_same_run(run, undisturbed(config, pairs))


def test_the_best_weights_are_those_of_a_run_never_stopped(
    config: TrainConfig, pairs: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    """By KID, whose network comes with a package."""
    scored = replace(config, score_every=2, best_metric="kid", generator_lr=0.02)
    for kind in ("sketches", "photos"):
        shutil.copy(pairs / "train" / kind / "0.png", pairs / "val" / kind / "0.png")
    run = tmp_path / "run"
    stop_after(scored, pairs, run, 6)
    go_on(scored, pairs, run, resume=True)
    whole = undisturbed(scored, pairs)
    assert_same_run(run, whole)
    scores = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    assert [line["step"] for line in scores] == [2, 4, 6, 7]
    best = min(scores, key=lambda line: line["kid"])
    assert best == [line for line in scores if line["best"]][-1]
    kept, header = load_bundle(run / "run-best.safetensors")
    assert header.steps == best["step"] and header.metrics["kid"] == pytest.approx(best["kid"], abs=1e-4)
    assert header.directions  # finished: ready for use
    straight, _ = load_bundle(whole / "whole-best.safetensors")
    assert_equal(dict(kept.state_dict()), dict(straight.state_dict()))


def test_a_run_killed_while_it_writes_its_state_goes_on_bit_for_bit(
    config: TrainConfig, pairs: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    run = tmp_path / "run"
    text = json.dumps(dataclasses.asdict(config))
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-c", TRAIN_AND_DIE, text, str(pairs), str(run)]
    died = subprocess.run(command, check=False, timeout=300, env={**os.environ, "PYTHONPATH": paths})
    assert died.returncode == -signal.SIGXFSZ
    assert list(run.glob(".*.part"))  # half of a state
    assert go_on(config, pairs, run, resume=True)[0] == 3
    assert_same_run(run, undisturbed(config, pairs))


def test_a_full_disk_leaves_the_state_there_was(
    config: TrainConfig, pairs: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    run = tmp_path / "run"
    steps = train(config, pairs, run, device="cpu")
    assert next(status.step for status in steps if status.step == 3) == 3
    with (
        full_disk((run / "state.pt").stat().st_size // 2),
        pytest.raises(OSError, match="File too large") as e,
    ):
        list(steps)
    assert "state.new.pt" in str(e.value)
    assert not list(run.glob(".*.part"))
    assert go_on(config, pairs, run, resume=True)[0] == 3
    assert_same_run(run, undisturbed(config, pairs))


@pytest.mark.parametrize("damage", ["torn", "flipped", "gone"])
def test_for_a_damaged_checkpoint_the_spare_is_read_with_a_message(
    config: TrainConfig, pairs: Path, tmp_path: Path, undisturbed: Undisturbed, damage: str
) -> None:
    whole = undisturbed(config, pairs)
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    (run / "whole.safetensors").rename(run / "run.safetensors")
    state, content = run / "state.pt", bytearray((run / "state.pt").read_bytes())
    if damage == "flipped":
        for i in range(len(content) // 2, len(content) // 2 + 100):  # 64 may be padding
            content[i] ^= 1
    state.write_bytes(content[: len(content) // 2] if damage == "torn" else content)
    if damage == "gone":
        state.unlink()
    messages: list[str] = []
    assert go_on(config, pairs, run, resume=True, notify=messages.append) == [7]  # the spare is of step 6
    assert any("state.spare.pt" in message and "state.pt" in message for message in messages)
    assert_same_run(run, whole)


def test_two_damaged_states_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    for step in (1, 2):
        save_state(path, {"step": step, "weights": torch.zeros(1000)})
    assert (load_state(path)["step"], load_state(spare_of(path))["step"]) == (2, 1)
    for file in (path, spare_of(path)):
        file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(RunError, match="damaged"):
        load_state(path)


def test_the_log_of_a_resumed_run_has_every_step_once(
    config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pix2pix.training.loop.LOG_EVERY", 5)
    run, longer = tmp_path / "run", replace(config, steps=11, save_every=4)
    stop_after(longer, pairs, run, 6)
    with (run / "stats.jsonl").open("a") as file:
        file.write('{"step": 6, "d"')  # torn
    go_on(longer, pairs, run, resume=True)
    lines = [json.loads(line)["step"] for line in (run / "stats.jsonl").read_text().splitlines()]
    assert lines == [5, 10]


def test_a_run_folder_in_use_is_refused(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    go_on(config, pairs, run)
    with only_writer(run), pytest.raises(FolderInUse, match="another process writes"):
        go_on(config, pairs, run, resume=True)
