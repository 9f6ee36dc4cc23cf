"""A move is that of the whole batch: in parts where memory is short, in several processes, at its turn."""

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

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pix2pix.bundle import load_bundle
from pix2pix.checkpoint import load_state
from pix2pix.config import TrainConfig
from pix2pix.errors import RunError, UsageError
from pix2pix.game import DRAWS, WINDOW, Game, window
from pix2pix.networks import Discriminator, Generator
from pix2pix.processes import make_fabric
from pix2pix.run_folder import Status
from pix2pix.training import train


@pytest.fixture
def config(tiny_config: TrainConfig) -> TrainConfig:
    return replace(tiny_config, batch_size=8, steps=3, sample_every=100, save_every=100)


def finish(config: TrainConfig, pairs: Path, run: Path, **options: object) -> list[Status]:
    return list(train(config, pairs, run, device="cpu", **options))  # type: ignore[arg-type]


def memory_for(most: int, monkeypatch: pytest.MonkeyPatch, player: type[torch.nn.Module]) -> None:
    """Let a player run out of memory with more pictures than that, in the words of torch."""
    forward: Callable[..., object] = player.forward

    def limited(self: torch.nn.Module, given: Tensor, *rest: Tensor) -> object:
        if len(given) > most and torch.is_grad_enabled():
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"
            )
        return forward(self, given, *rest)

    monkeypatch.setattr(player, "forward", limited)


@pytest.mark.parametrize("player", [Generator, Discriminator])
def test_out_of_memory_halves_the_batch_and_makes_the_same_move(
    config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, player: type
) -> None:
    whole = finish(config, pairs, tmp_path / "whole")
    told: list[str] = []
    with monkeypatch.context() as patch:
        memory_for(3, patch, player)
        parts = finish(config, pairs, tmp_path / "parts", notify=told.append)
    assert [line for line in told if "2 pictures at a time" in line] and len(told) == 2  # by 4, then by 2
    for one, other in zip(whole, parts, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-3, abs=1e-4)
        assert one.standing == pytest.approx(other.standing, rel=2e-3, abs=1e-3)


def test_memory_that_does_not_hold_two_pictures_ends_the_run_in_plain_words(
    config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_for(1, monkeypatch, Generator)
    with pytest.raises(RunError, match="out of memory with 2 pictures"):
        finish(config, pairs, tmp_path / "run")


def test_g_moves_at_its_turn_only(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    statuses = finish(replace(config, critic_steps=3, steps=7), pairs, tmp_path / "run")
    moved = [status.step for status in statuses if "g_gradient" in status.standing]
    assert moved == [3, 6]
    assert all("d_gradient" in status.standing for status in statuses)


def test_d_may_have_a_head_start(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    statuses = finish(replace(config, head_start=4, steps=6), pairs, tmp_path / "run")
    assert [status.step for status in statuses if "g_gradient" in status.standing] == [5, 6]
    assert all("d_gradient" in status.standing for status in statuses)


def test_d_is_told_as_probabilities(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    d = replace(config.discriminator, scales=2)
    status = finish(replace(config, discriminator=d), pairs, tmp_path / "run")[-1]
    names = [f"{name}_{k}" for name in ("p_real", "p_fake", "accuracy") for k in (1, 2)]
    assert all(0 < status.standing[name] < 1 for name in names)
    assert status.standing["g_gradient"] > 0


TRAIN = [str(Path(sys.executable).with_name("pix2pix")), "train"]


def command(pairs: Path, runs: Path, name: str, *options: str) -> list[str]:
    where = ["--name", name, "--runs", str(runs), "--device", "cpu", "--threads", "1", "--workers", "0"]
    small = ["--preset", "fast", "--size", "64", "--set", "score_every=0"]
    return [*TRAIN, str(pairs), *where, *small, *options]


LOSSES = """
import json, sys, torch
from pathlib import Path
from pix2pix.config import TrainConfig, from_json
from pix2pix.training import train

torch.set_num_threads(1)
told, pairs, run, devices = sys.argv[1:]
config = from_json(TrainConfig, told)
for status in train(config, Path(pairs), Path(run), device="cpu", devices=int(devices)):
    print(json.dumps({**status.losses, **status.standing}))
"""


def test_two_processes_play_the_game_of_one(config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    """The same losses to one part in a thousand, over 12 steps.

    With the default learning rate Adam turns the last digits of gradients near zero into whole steps, as it
    would between any two machines: so with a hundredth of it.
    """
    told = replace(config, steps=12, generator_lr=4e-6, discriminator_lr=4e-6, differentiable_augment=True)
    script = tmp_path / "losses.py"
    script.write_text(LOSSES)
    lines: dict[str, list[dict[str, float]]] = {}
    for devices in ("1", "2"):
        arguments = [json.dumps(dataclasses.asdict(told)), str(pairs), str(tmp_path / devices), devices]
        command = [sys.executable, str(script), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        lines[devices] = [json.loads(line) for line in done.stdout.splitlines()]  # the first one alone speaks
    assert len(lines["1"]) == 12
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
        _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "another process of this run is gone" in told and "--resume" in told
    assert load_state(tmp_path / "run" / "state.pt")["step"] >= 1


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_batch_that_cannot_be_shared_out_is_refused(
    config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="multiple of 6"):
        finish(config, pairs, tmp_path / "run", devices=3)
    assert not (tmp_path / "run").exists()


def test_a_window_is_a_part_of_the_picture_where_the_draws_say() -> None:
    x = torch.arange(2 * 8 * 8.0).reshape(2, 1, 8, 8)
    draws = torch.zeros(2, DRAWS)
    draws[1, WINDOW] = torch.tensor([0.999, 0.5])  # of the five places in each direction: the last, the third
    cut = window(x, draws, 4)
    assert torch.equal(cut[0], x[0, :, :4, :4]) and torch.equal(cut[1], x[1, :, 4:, 2:6])
    assert torch.equal(window(x, draws, 8), x)


class SeenBy(torch.nn.Module):
    """In the place of LPIPS: keeps the photos that it is shown."""

    def __init__(self, seen: list[Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        self.seen.append(real)
        return (made - real).square().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("close_up", [False, True])
def test_a_close_up_is_looked_at_in_full_detail(
    config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close_up: bool
) -> None:
    """Stripes of one pixel are grey from afar; half of the looks of LPIPS are at a window."""
    for photo in (pairs / "train" / "photos").iterdir():
        Image.fromarray(np.tile(np.uint8([[[0] * 3, [255] * 3]]), (32, 16, 1))).save(photo)
    shown: list[Tensor] = []
    monkeypatch.setattr("pix2pix.game.PerceptualDistance", lambda _: SeenBy(shown))
    d = replace(config.discriminator, close_up=close_up, size_px=16)
    told = replace(config, discriminator=d, coarse_fraction=1.0, perceptual_weight=1.0, steps=12)
    told = replace(told, size_px=32, shift_scale=False, differentiable_augment=False)
    status = finish(told, pairs, tmp_path / "run")[-1]
    striped = [bool(real.std() > 0.5) for real in shown]
    assert len(striped) == 12 and (2 < sum(striped) < 10 if close_up else not any(striped))
    assert ("p_real_2" in status.standing) == close_up


def test_a_close_up_that_a_bundle_has_not_begins_as_what_looks_at_the_whole(
    config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    finish(config, pairs, tmp_path / "first")
    d = replace(config.discriminator, close_up=True)
    game = Game(replace(config, discriminator=d), make_fabric("cpu", "auto"))
    game.begin_with(tmp_path / "first" / "first.safetensors")
    whole, close = game.discriminator.scales[0], game.discriminator.close_up
    assert close is not None
    theirs, header = load_bundle(tmp_path / "first" / "first.safetensors")
    assert header.discriminator and not header.discriminator.close_up and theirs.discriminator is not None
    for name, value in theirs.discriminator.scales[0].state_dict().items():
        assert torch.equal(whole.state_dict()[name], value) and torch.equal(close.state_dict()[name], value)
