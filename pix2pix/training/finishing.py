"""Finishing a copy of a run: its learning rates fall to zero, and the run itself can go on.

A long run keeps its rates, so that it can always be resumed. Weights are best once the rates have fallen.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

from pix2pix.errors import RunError
from pix2pix.training.checkpoint import load_state, save_state
from pix2pix.training.config import TrainConfig
from pix2pix.training.run_folder import RunFolder
from pix2pix.training.snapshots import Best

COPIED = ("config.json", "stats.jsonl", "scores.jsonl")
NO_LIMIT = 10**9  # steps


def copy_to_finish(run: Path, copy: Path, seconds: float, title: str | None = None) -> TrainConfig:
    """Copy a run's last checkpoint into a new folder; the configuration with which it ends after `seconds`.

    `loop.train` resumes the copy with it. Only time ends the copy, also where the run had reached
    its steps; its best score begins anew, as its pairs may be others. `run` may go on meanwhile. Raises
    RunError if `run` holds no run that can be resumed, or if `copy` is there already.
    """
    if copy.exists():
        raise RunError(f"{copy} is there already: choose another name for what is finished")
    source = RunFolder(run)
    recorded = source.config()
    state = load_state(source.state_file)
    before = state["seconds"]
    copy.mkdir(parents=True)
    for name in COPIED:
        if (run / name).is_file():
            shutil.copyfile(run / name, copy / name)
    save_state(RunFolder(copy).state_file, {**state, "best": asdict(Best())})
    return replace(
        recorded,
        title=title or recorded.title,
        steps=NO_LIMIT,
        time_limit_s=before + seconds,
        decay_fraction=seconds / (before + seconds),
    )
