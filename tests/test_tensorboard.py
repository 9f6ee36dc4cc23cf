"""TensorBoard's own reader finds each logged value once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pix2pix.training.run_folder import TensorBoard


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    reader = accumulator.EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def test_numbers_come_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    writer = TensorBoard(tmp_path)
    writer.log(50, {"d": 2.0, "p_real_pixels": 0.5})
    writer.log(100, {"d": 1.5})
    writer.close()
    assert read(tmp_path) == {"d": [(50, 2.0), (100, 1.5)], "p_real_pixels": [(50, 0.5)]}


def test_a_resumed_run_drops_the_events_of_steps_taken_again(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    killed = TensorBoard(tmp_path)
    for step in (50, 100, 150, 200):
        killed.log(step, {"d": 9.0})
    killed.close()
    resumed = TensorBoard(tmp_path, after=100)
    resumed.log(150, {"d": 1.0})
    resumed.close()
    assert read(tmp_path) == {"d": [(50, 9.0), (100, 9.0), (150, 1.0)]}


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as where it is not installed
    writer = TensorBoard(tmp_path)
    writer.log(50, {"d": 2.0})
    writer.close()
    assert list(tmp_path.iterdir()) == []
