"""TensorBoard's own reader finds what was logged, once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pix2pix.training.tensorboard import Events


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_numbers_come_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    events = Events(tmp_path)
    events.log(50, {"d": 2.0, "p_real_pixels": 0.5})
    events.log(100, {"d": 1.5})
    events.close()
    assert read(tmp_path) == {"d": [(50, 2.0), (100, 1.5)], "p_real_pixels": [(50, 0.5)]}


def test_a_resumed_run_drops_the_events_of_steps_taken_again(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    killed = Events(tmp_path)
    for step in (50, 100, 150, 200):
        killed.log(step, {"d": 9.0})
    killed.close()
    resumed = Events(tmp_path, after=100)
    resumed.log(150, {"d": 1.0})
    resumed.close()
    assert read(tmp_path) == {"d": [(50, 9.0), (100, 9.0), (150, 1.0)]}


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as where it is not installed
    events = Events(tmp_path)
    events.log(50, {"d": 2.0})
    events.close()
    assert list(tmp_path.iterdir()) == []
