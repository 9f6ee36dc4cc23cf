"""A step updates all networks; a resumed run equals one never stopped; errors lose nothing that was saved."""

import dataclasses
import json
import math
from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import LITERAL

from pix2pix.errors import PairsError, RunError, UsageError
from pix2pix.images.tensors import to_pixels
from pix2pix.model.bundle import load_bundle
from pix2pix.model.config import DiscriminatorConfig, ModelConfig, from_json
from pix2pix.model.latents import draw
from pix2pix.pairs import list_pairs, load_pair, to_tensors
from pix2pix.training.checkpoint import copy_to_finish, load_state, save_state
from pix2pix.training.config import PRESETS, LayoutConfig, TrainConfig, train_config, with_settings
from pix2pix.training.loop import _rate, train
from pix2pix.training.run_folder import RunFolder


def finish(config: TrainConfig, pairs: Path, run: Path, **options: object) -> list:
    return list(train(config, pairs, run, device="cpu", **options))  # type: ignore[arg-type]


NETWORKS = ("model", "average", "picture_discriminators", "layout_discriminator")


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = load_state(run / "state.pt")
    return {f"{part}.{k}": v for part in NETWORKS for k, v in state[part].items()}


def test_a_step_updates_every_network(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    finish(replace(tiny_config, steps=1), pairs, tmp_path / "one")
    finish(replace(tiny_config, steps=2), pairs, tmp_path / "two")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    generators = ("layout", "encoder", "picture.stem", "picture.head")
    for part in (*(f"model.{name}" for name in generators), *NETWORKS):
        assert any(not torch.equal(one[k], two[k]) for k in one if k.startswith(part)), part


def test_the_paper_s_architecture_trains(pairs: Path, tmp_path: Path) -> None:
    config = replace(
        PRESETS["paper"],
        model=replace(LITERAL, dropout=0.5),
        discriminator=DiscriminatorConfig(widths=(4, 8)),
        steps=40,
        batch_size=4,
        score_every=0,
        generator_lr=2e-3,
    )
    statuses = finish(config, pairs, tmp_path / "run")
    assert set(statuses[0].losses) == {"d", "g_pixels", "g_reconstruction"}
    l1 = [s.losses["g_reconstruction"] for s in statuses]
    assert sum(l1[-5:]) < 0.7 * sum(l1[:5])
    model, header = load_bundle(tmp_path / "run" / "run.safetensors")
    assert header.model.architecture == "paper" and model.discriminator is not None


def test_training_learns(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    config = replace(
        tiny_config,
        layout=replace(tiny_config.layout, generator_lr=3e-2),
        steps=150,
        save_every=150,
        sample_every=150,
        batch_size=4,
        shift_scale=False,
        strokes=False,
    )
    statuses = finish(config, pairs, tmp_path / "run")
    for term in ("g_reconstruction", "g_alpha", "layout_reconstruction"):
        values = [s.losses[term] for s in statuses]
        assert sum(values[-10:]) < 0.75 * sum(values[:10]), term


def test_a_resumed_run_equals_one_never_stopped(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    finish(tiny_config, pairs, tmp_path / "whole")
    answers = iter([False, False, True])  # stop after the second step
    finish(tiny_config, pairs, tmp_path / "parts", stop=lambda: next(answers))
    assert load_state(tmp_path / "parts" / "state.pt")["step"] == 2
    finish(tiny_config, pairs, tmp_path / "parts", resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_a_run_folder_explains_itself(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where numbers are logged, the gradient of each term is measured."""
    monkeypatch.setattr("pix2pix.training.loop.LOG_EVERY", 6)
    run = tmp_path / "boxes"
    statuses = finish(replace(tiny_config, steps=6, sample_every=3), pairs, run)
    assert [s.step for s in statuses] == list(range(1, 7))
    assert json.loads((run / "config.json").read_text())["train"]["steps"] == 6
    line = json.loads((run / "stats.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 6 and line["images"] == 12 and {"d", "g_reconstruction", "layout_d"} <= set(line)
    for term in ("pixels", "coarse", "outline", "reconstruction", "alpha"):
        assert line[f"at_picture_g_{term}"] > 0, term
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["0000003.png", "0000006.png"]
    _, header = load_bundle(run / "boxes.safetensors")
    assert (header.steps, header.images, header.model) == (6, 12, tiny_config.model)


def test_a_time_limit_ends_the_run(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    ticks = iter(range(10_000))  # one tick to begin, then one a step
    config = replace(tiny_config, steps=1000, time_limit_s=20.0)
    statuses = finish(config, pairs, tmp_path / "run", clock=lambda: float(next(ticks)))
    assert len(statuses) == 20
    assert load_state(tmp_path / "run" / "state.pt")["step"] == len(statuses)


def test_a_run_that_has_ended_keeps_the_limits_that_it_ended_by(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    """Regression: --resume --time-limit 5s had nothing to do, and the report said 5 s instead of 20."""
    ticks = iter(range(10_000))
    config, run = replace(tiny_config, steps=1000, time_limit_s=20.0), tmp_path / "run"
    finish(config, pairs, run, clock=lambda: float(next(ticks)))
    shorter = replace(config, steps=3, time_limit_s=5.0, title="Another")
    assert finish(shorter, pairs, run, resume=True) == []
    assert RunFolder(run).config() == replace(config, title="Another")


def test_a_loss_that_is_not_finite_stops_and_names_itself(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    config = replace(tiny_config, reconstruction_weight=1e39)  # beyond float32
    with pytest.raises(RunError, match="g_reconstruction"):
        finish(config, pairs, tmp_path / "run")
    assert not (tmp_path / "run" / "state.pt").exists()


def test_fine_tuning_begins_with_the_bundle(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    finish(tiny_config, pairs, tmp_path / "first")
    bundle = tmp_path / "first" / "first.safetensors"
    frozen = replace(
        tiny_config, steps=1, generator_lr=0.0, layout=replace(tiny_config.layout, generator_lr=0.0)
    )
    finish(frozen, pairs, tmp_path / "second", start_from=bundle)
    expected, before = load_bundle(bundle)
    got, after = load_bundle(tmp_path / "second" / "second.safetensors")
    assert after.images == before.images + frozen.batch_size  # the generator has seen both runs' pictures
    theirs, ours = expected.state_dict(), got.state_dict()
    assert all(torch.equal(v, ours[k]) for k, v in theirs.items() if not k.startswith("discriminator"))
    with pytest.raises(UsageError, match="another model"):
        finish(PRESETS["fast"], pairs, tmp_path / "third", start_from=bundle)


def test_a_run_is_neither_overwritten_nor_resumed_on_other_pairs(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(RunError, match="nothing to resume"):
        finish(tiny_config, pairs, run, resume=True)
    finish(tiny_config, pairs, run)
    with pytest.raises(RunError, match="--resume"):
        finish(tiny_config, pairs, run)
    (pairs / "train" / "sketches" / "0.png").unlink()
    with pytest.raises(RunError, match="other pairs"):
        finish(tiny_config, pairs, run, resume=True)
    longer = replace(tiny_config, steps=6)
    assert [s.step for s in finish(longer, pairs, run, resume=True, other_pairs=True)] == [5, 6]
    assert finish(longer, pairs, run, resume=True) == []  # they are its pairs from now on


def test_an_empty_pairs_folder_names_what_was_expected(tiny_config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(PairsError, match=r"train/sketches/NAME\.png"):
        finish(tiny_config, tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_configurations_survive_json() -> None:
    for preset in PRESETS.values():
        assert from_json(TrainConfig, json.dumps(dataclasses.asdict(preset))) == preset
    with pytest.raises(UsageError, match="default, fast, paper"):
        train_config("quick")
    with pytest.raises(UsageError, match="learning_rate"):
        train_config("default", learning_rate=1)


@pytest.mark.parametrize(
    "text, named",
    [('{"widths": "x"}', "widths"), ('{"depth": 3}', "depth"), ('{"latent_size": -3}', "-3"), ("[", "all")],
)
def test_a_damaged_configuration_names_the_field(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        from_json(ModelConfig, text)


def test_what_fails_before_training_leaves_no_run_behind(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    """A run that had failed at its device could neither be begun again nor resumed."""
    run = tmp_path / "run"
    with pytest.raises(UsageError, match="cuda:7"):
        list(train(tiny_config, pairs, run, device="cuda:7"))
    with pytest.raises(UsageError, match="16-mixed"):
        finish(tiny_config, pairs, run, precision="16-mixed")
    assert not run.exists()
    finish(tiny_config, pairs, run, stop=lambda: True)  # stopped before the first step: nothing to keep
    assert len(finish(tiny_config, pairs, run)) == tiny_config.steps


def test_a_state_of_something_else_is_refused_and_changes_nothing(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    finish(tiny_config, pairs, run)
    before = (run / "config.json").read_text()
    save_state(run / "state.pt", {"a": 1})
    with pytest.raises(
        RunError, match=r"not a checkpoint of this run \(missing keys: average, .*; unexpected keys: a\)"
    ):
        finish(replace(tiny_config, steps=9), pairs, run, resume=True)
    assert (run / "config.json").read_text() == before


@pytest.mark.parametrize("workers", [0, 1])
def test_pairs_that_turn_unreadable_on_the_way_lose_nothing(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, workers: int
) -> None:
    """One is left out and named; when none is left, the steps made so far are saved."""
    run, messages = tmp_path / "run", []
    config = replace(tiny_config, steps=1000, save_every=1000, sample_every=1000)
    photos = sorted((pairs / "train" / "photos").iterdir())
    steps = train(config, pairs, run, device="cpu", workers=workers, notify=messages.append)
    last = next(steps).step
    photos[0].write_bytes(b"")
    while not messages:
        last = next(steps).step
    assert "pair 0 is left out" in messages[0] and "0.png" in messages[0]
    for photo in photos:
        photo.write_bytes(b"")
    with pytest.raises(PairsError, match=r"pair \d: "):
        for status in steps:
            last = status.step
    assert load_state(run / "state.pt")["step"] == last
    assert [line for line in messages if "pair 0 " in line] == messages[:1]


def test_a_slow_run_saves_by_the_clock(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    ticks = iter(range(0, 10_000, 200))  # 200 s a step
    run = tmp_path / "run"
    steps = train(
        replace(tiny_config, steps=9, save_every=500), pairs, run, device="cpu", clock=lambda: next(ticks)
    )
    saved = [(run / "state.pt").is_file() for _ in steps]
    assert saved[:4] == [False, False, True, True]


def test_a_slow_run_reports_before_its_first_pictures(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pix2pix.training.loop.LOG_EVERY", 5)
    ticks = iter(range(0, 10_000, 20))  # 20 s a step
    run = tmp_path / "run"
    config = replace(tiny_config, steps=200, sample_every=500, save_every=500)
    steps = train(config, pairs, run, device="cpu", clock=lambda: next(ticks))
    reported = next(status.step for status in steps if (run / "report.html").is_file())
    assert reported == 5


def test_the_last_samples_show_the_bundle(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    finish(tiny_config, pairs, tmp_path / "run")
    *_, last = sorted((tmp_path / "run" / "samples").iterdir())
    shown = cv2.cvtColor(cv2.imread(str(last)), cv2.COLOR_BGR2RGB)
    shipped, header = load_bundle(tmp_path / "run" / "run.safetensors")
    sketch, photo = load_pair(list_pairs(pairs, "val")[0])
    given, _ = to_tensors([sketch], [photo])
    with torch.no_grad():
        answer, _ = shipped(given, torch.from_numpy(draw(1, header.model.latent_size))[None])
    expected = to_pixels(answer)[0].permute(1, 2, 0).numpy().astype(int)
    cell = shown[2:66, 2 + 2 * 66 : 2 * 66 + 66]  # third of the first row, 2 px between
    assert np.abs(cell - expected).max() <= 2


def test_discriminators_go_on_from_the_file_beside_the_bundle(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    finish(tiny_config, pairs, tmp_path / "first")
    bundle = tmp_path / "first" / "first.safetensors"
    before = load_state(tmp_path / "first" / "state.pt")
    still = replace(
        tiny_config, steps=1, discriminator_lr=0.0, layout=replace(tiny_config.layout, discriminator_lr=0.0)
    )
    notes: list[str] = []
    finish(still, pairs, tmp_path / "second", start_from=bundle, notify=notes.append)
    after = load_state(tmp_path / "second" / "state.pt")
    for part in ("layout_discriminator", "picture_discriminators"):
        for key, value in before[part].items():
            torch.testing.assert_close(after[part][key], value, rtol=1e-3, atol=1e-3)  # half precision
    assert not [note for note in notes if "start untrained" in note]
    (tmp_path / "first" / "discriminators.safetensors").unlink()
    finish(still, pairs, tmp_path / "third", start_from=bundle, notify=notes.append)
    assert [note for note in notes if "start untrained" in note and "first.safetensors" in note]
    alone = load_state(tmp_path / "third" / "state.pt")["picture_discriminators"]
    for key, value in before["picture_discriminators"].items():  # the bundle has the one on pixels
        is_kept = torch.allclose(alone[key], value, rtol=1e-3, atol=1e-3)
        assert is_kept or not key.startswith("pixels."), key
    assert not torch.allclose(
        alone["coarse.last.weight"], before["picture_discriminators"]["coarse.last.weight"]
    )


def test_a_run_whose_end_failed_is_ended_by_resuming(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("pix2pix.training.loop.find_directions", fails)
        with pytest.raises(OSError, match="full"):
            finish(tiny_config, pairs, tmp_path / "run")
    bundle = tmp_path / "run" / "run.safetensors"
    assert not load_bundle(bundle)[1].directions  # as it was saved on the way
    while finish(tiny_config, pairs, tmp_path / "run", resume=True):
        pass
    finish(tiny_config, pairs, tmp_path / "other")
    assert load_bundle(bundle)[1].directions
    ended, straight = load_bundle(bundle)[0], load_bundle(tmp_path / "other" / "other.safetensors")[0]
    assert all(torch.equal(v, ended.state_dict()[k]) for k, v in straight.state_dict().items())


def test_a_finished_copy_leaves_the_run_as_it_is(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    run, copy = tmp_path / "run", tmp_path / "copy"
    ticks = iter(range(10_000))
    long_run = replace(tiny_config, steps=10**9, decay_fraction=0.0, save_every=1)
    answers = iter([False] * 5 + [True])
    finish(long_run, pairs, run, stop=lambda: next(answers), clock=lambda: float(next(ticks)))
    before = (run / "state.pt").read_bytes()
    config = copy_to_finish(run, copy, seconds=10.0, title="Done")
    ticks = iter(range(10_000))
    statuses = finish(config, pairs, copy, resume=True, other_pairs=True, clock=lambda: float(next(ticks)))
    assert [s.step for s in statuses] == list(range(6, 16))  # ten seconds, a step each
    assert (run / "state.pt").read_bytes() == before
    assert load_bundle(copy / "copy.safetensors")[1].title == "Done"
    with pytest.raises(RunError, match="already"):
        copy_to_finish(run, copy, seconds=10.0)


def test_a_run_that_reached_its_steps_is_finished_by_time_alone(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    run, copy = tmp_path / "run", tmp_path / "copy"
    finish(tiny_config, pairs, run, clock=count(0.0).__next__)
    (run / "state.pt").rename(run / "state.spare.pt")  # as between the two renames of a save
    state = load_state(run / "state.pt")
    torch.save({**state, "best": {"value": 0.0, "step": 2}}, run / "state.spare.pt")
    config = copy_to_finish(run, copy, seconds=3.0)
    statuses = finish(config, pairs, copy, resume=True, other_pairs=True, clock=count(0.0).__next__)
    assert [s.step for s in statuses] == [5, 6, 7]
    assert load_state(copy / "state.pt")["best"] == {"value": math.inf, "step": 0}  # of its own pairs


def test_rates_rise_stay_and_fall(tiny_config: TrainConfig) -> None:
    config = replace(tiny_config, warmup_steps=10, decay_fraction=0.5)
    assert [_rate(config, step, 0.0) for step in (0, 4, 9, 50)] == [0.1, 0.5, 1.0, 1.0]
    assert [_rate(config, 99, progress) for progress in (0.5, 0.75, 1.0)] == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    "option",
    [
        {"batch_size": 0},
        {"steps": 0},
        {"weak_points": 2.0},
        {"generator_lr": -1e-4},
        {"discriminator_lr": math.nan},
        {"generator_lr": math.inf},
        {"pixels_weight": -1.0},
        {"betas": (0.5, 1.0)},
        {"seed": -1},
        {"time_limit_s": 0.0},
        {"decay_fraction": -0.1},
        {"warmup_steps": -1},
        {"sample_every": 0},
        {"save_every": 0},
        {"ema_half_life_images": 0},
    ],
)
def test_what_cannot_be_trained_is_refused(tiny_config: TrainConfig, option: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        replace(tiny_config, **option)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("layout.penalty_weight=-1", "layout.penalty_weight -1"),
        ("preset=foo", "--preset"),
        ("model.widths=" + "[" * 100_000, "model.widths"),
        ("layout.batch_size=12", "12 is not a multiple of 8"),
        ("layout.batch_size=8", "layout.batch_size 8 is below batch_size 16"),
    ],
)
def test_a_setting_that_cannot_be_trained_with_is_named(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        with_settings(train_config("fast"), [setting])


@pytest.mark.parametrize(
    "kind, field, value",
    [
        (LayoutConfig, "discriminator_widths", (8, 8)),
        (DiscriminatorConfig, "coarse_widths", (8, 8, 8, 8)),
        (ModelConfig, "layout_widths", (8, 8, 0)),
    ],
)
def test_widths_of_which_no_network_can_be_built_are_refused(kind: type, field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        kind(**{field: value})


def test_a_layout_batch_that_does_not_hold_the_pictures_is_refused(tiny_config: TrainConfig) -> None:
    with pytest.raises(UsageError, match=r"layout\.batch_size 8 .* batch_size 9"):
        replace(tiny_config, batch_size=9)
    with pytest.raises(UsageError, match="multiple of 8"):
        replace(tiny_config, layout=LayoutConfig(batch_size=12))
