"""A step is that of the whole batch: in parts where memory is short, and in several processes."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pix2pix.errors import RunError, UsageError
from pix2pix.model.layout_gan import LayoutGenerator
from pix2pix.model.picture_gan import PictureGenerator
from pix2pix.training.checkpoint import load_state
from pix2pix.training.config import TrainConfig
from pix2pix.training.loop import train
from pix2pix.training.run_folder import Status
from pix2pix.training.steps.discriminators import PictureDiscriminators


@pytest.fixture
def config(tiny_config: TrainConfig) -> TrainConfig:
    return replace(tiny_config, batch_size=8, steps=3, sample_every=100, save_every=100)


def finish(config: TrainConfig, pairs: Path, run: Path, **options: object) -> list[Status]:
    return list(train(config, pairs, run, device="cpu", **options))  # type: ignore[arg-type]


def limit_memory(most: int, monkeypatch: pytest.MonkeyPatch, network: type) -> None:
    """Let a network run out of memory with more pictures than that, with the message of torch."""
    before: Callable[..., object] = network.forward  # type: ignore[attr-defined]

    def limited(self: torch.nn.Module, given: Tensor, *rest: object) -> object:
        if len(given) > most and torch.is_grad_enabled():
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"
            )
        return before(self, given, *rest)

    monkeypatch.setattr(network, "forward", limited)


@pytest.mark.parametrize("network", [PictureGenerator, PictureDiscriminators])
def test_out_of_memory_halves_the_batch_and_makes_the_same_step(
    config: TrainConfig,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: type,
) -> None:
    whole = finish(config, pairs, tmp_path / "whole")
    messages: list[str] = []
    with monkeypatch.context() as patch:
        limit_memory(3, patch, network)
        parts = finish(config, pairs, tmp_path / "parts", notify=messages.append)
    assert [line for line in messages if "2 pictures at a time" in line] and len(
        messages
    ) == 2  # by 4, then by 2
    for one, other in zip(whole, parts, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-3, abs=1e-4)
        assert one.statistics == pytest.approx(other.statistics, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (PictureGenerator, "with 1 picture at a time"),
        (LayoutGenerator, r"with the layout GAN \(.*\); a smaller layout.batch_size needs less"),
    ],
)
def test_memory_that_does_not_hold_the_least_ends_the_run_with_a_message(
    config: TrainConfig,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: type,
    message: str,
) -> None:
    limit_memory(0, monkeypatch, network)
    with pytest.raises(RunError, match=f"out of memory {message}"):
        finish(config, pairs, tmp_path / "run")


TRAIN = [str(Path(sys.executable).with_name("pix2pix")), "train"]


def command(pairs: Path, runs: Path, name: str, *options: str) -> list[str]:
    where = ["--name", name, "--runs", str(runs), "--device", "cpu", "--threads", "1", "--workers", "0"]
    small = ["--preset", "fast", "--size", "64", "--set", "score_every=0"]
    return [*TRAIN, str(pairs), *where, *small, *options]


LOSSES = """
import json, sys, torch
from pathlib import Path
from pix2pix.model.config import from_json
from pix2pix.training.config import TrainConfig
from pix2pix.training.loop import train

torch.set_num_threads(1)
text, pairs, run = sys.argv[1:]
config = from_json(TrainConfig, text)
for status in train(config, Path(pairs), Path(run), device="cpu", devices=2):
    print(json.dumps({**status.losses, **status.statistics}))
"""


def test_two_processes_make_the_steps_of_one(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    """The same losses to one part in a thousand, over six steps.

    With the default learning rate Adam turns the last digits of gradients near zero into whole steps, as it
    would between any two machines: so with a hundredth of it.
    """
    layout = replace(config.layout, batch_size=16, generator_lr=4e-5, discriminator_lr=4e-5)
    config = replace(config, steps=6, generator_lr=4e-5, discriminator_lr=4e-6, layout=layout)
    lines = {"1": [status.losses | status.statistics for status in finish(config, pairs, tmp_path / "1")]}
    script = tmp_path / "losses.py"
    script.write_text(LOSSES)
    arguments = [json.dumps(dataclasses.asdict(config)), str(pairs), str(tmp_path / "2")]
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    lines["2"] = [json.loads(line) for line in done.stdout.splitlines()]  # of the first process
    assert len(lines["1"]) == 6
    for one, two in zip(lines["1"], lines["2"], strict=True):
        assert one == pytest.approx(two, rel=1e-3, abs=1e-5)
    one, two = (load_state(tmp_path / devices / "state.pt") for devices in ("1", "2"))
    assert torch.equal(one["sampler"]["measured"], two["sampler"]["measured"])


def test_a_killed_process_ends_the_run_with_a_message(pairs: Path, tmp_path: Path) -> None:
    options = ("--steps", "100000", "--devices", "2", "--set", "save_every=1")
    with subprocess.Popen(
        command(pairs, tmp_path, "run", *options), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        while not (tmp_path / "run" / "state.pt").exists() and time.monotonic() < until:
            time.sleep(0.2)
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "another process of this run has ended" in stderr and "--resume" in stderr
    assert load_state(tmp_path / "run" / "state.pt")["step"] >= 1


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_batch_that_cannot_be_shared_out_is_refused(
    config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="multiple of 3"):
        finish(config, pairs, tmp_path / "run", devices=3)
    assert not (tmp_path / "run").exists()
