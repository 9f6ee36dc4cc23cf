"""A step moves both players; a resumed run is the same run; what goes wrong is said and nothing is lost."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pix2pix.bundle import load_bundle, read_header
from pix2pix.checkpoint import load_state, save_state
from pix2pix.config import PRESETS, DiscriminatorConfig, ModelConfig, TrainConfig, from_json, train_config
from pix2pix.dataset import list_pairs, load_pair, to_tensors
from pix2pix.errors import PairsError, RunError, UsageError
from pix2pix.latents import draw
from pix2pix.pixels import to_pixels
from pix2pix.run_folder import RunFolder
from pix2pix.strokes import redraw, trace
from pix2pix.training import train


def finish(config: TrainConfig, pairs: Path, run: Path, **options: object) -> list:
    return list(train(config, pairs, run, device="cpu", **options))  # type: ignore[arg-type]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = load_state(run / "state.pt")
    return {
        f"{part}.{k}": v for part in ("model", "discriminator", "average") for k, v in state[part].items()
    }


def test_one_step_moves_both_players(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    finish(replace(tiny_config, steps=1), pairs, tmp_path / "one")
    finish(replace(tiny_config, steps=2), pairs, tmp_path / "two")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for part in ("model.generator", "model.encoder", "discriminator", "average"):
        assert any(not torch.equal(one[k], two[k]) for k in one if k.startswith(part)), part


def test_a_resumed_run_equals_one_never_stopped(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    finish(tiny_config, pairs, tmp_path / "whole")
    asked = iter([False, False, True])  # stop after the second step
    finish(tiny_config, pairs, tmp_path / "parts", stop=lambda: next(asked))
    assert load_state(tmp_path / "parts" / "state.pt")["step"] == 2
    finish(tiny_config, pairs, tmp_path / "parts", resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_a_run_folder_explains_itself(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "boxes"
    statuses = finish(replace(tiny_config, steps=50, sample_every=25), pairs, run)
    assert [s.step for s in statuses] == list(range(1, 51))
    assert json.loads((run / "config.json").read_text())["train"]["steps"] == 50
    line = json.loads((run / "stats.jsonl").read_text().splitlines()[-1])
    assert (
        line["step"] == 50 and line["images"] == 100 and {"d", "g_reconstruction", "g_roughness"} <= set(line)
    )
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["0000025.png", "0000050.png"]
    _, header = load_bundle(run / "boxes.safetensors")
    assert (header.steps, header.images, header.model) == (50, 100, tiny_config.model)


def test_training_learns(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    config = replace(
        tiny_config, steps=120, batch_size=4, generator_lr=2e-3, shift_scale=False, coarse_fraction=0.0
    )
    l1 = [s.losses["g_reconstruction"] for s in finish(config, pairs, tmp_path / "run")]
    assert sum(l1[-10:]) < 0.5 * sum(l1[:10])


def test_trained_backwards_it_draws_the_outline_of_what_it_sees(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    """Photos of coloured boxes in, their outlines out; without an investigator."""
    config = replace(
        tiny_config,
        model=replace(tiny_config.model, draws="sketch", roughness=False, latent_size=0, encoder_widths=()),
        adversarial_weight=0.0,
        reconstruction="balanced",
        steps=150,
        batch_size=4,
        generator_lr=4e-3,
        flip=False,
        shift_scale=False,
        strokes=False,
        line_width=False,
    )
    statuses = finish(config, pairs, tmp_path / "run")
    assert set(statuses[-1].losses) == {"g_reconstruction"}
    model, header = load_bundle(tmp_path / "run" / "run.safetensors")
    assert header.model.draws == "sketch"
    for pair in list_pairs(pairs, "train"):
        sketch, photo = load_pair(pair)
        _, x = to_tensors([sketch], [photo])
        with torch.no_grad():
            drawn, _ = model.generator(x, torch.zeros(1, 0))
        on_the_line = drawn[0, 0].numpy()[sketch == 0]
        assert on_the_line.mean() < -0.5 < 0.5 < drawn[0, 0, :2].mean()


def test_it_learns_to_tell_rough_hands_from_edge_maps(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    config = replace(
        tiny_config, steps=250, batch_size=4, generator_lr=1e-2, shift_scale=False, line_width=False
    )
    finish(config, pairs, tmp_path / "run")
    model, _ = load_bundle(tmp_path / "run" / "run.safetensors")
    guesses = []
    for pair in list_pairs(pairs, "train"):
        sketch, photo = load_pair(pair)
        rough = redraw(trace(sketch), 1.0, np.random.default_rng(0), line_width_px=2)
        x, _ = to_tensors([sketch, rough], [photo, photo])
        with torch.no_grad():
            guesses.append(model.generator(x, torch.zeros(2, config.model.latent_size))[1].tolist())
    literal, loose = np.mean(guesses, axis=0)
    assert literal < loose - 0.04  # at 32 px a rough hand is hard to see


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


def test_the_discriminator_looks_from_afar_first(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    config = replace(tiny_config, steps=4, coarse_fraction=0.5)
    seen = [status.seen_px for status in finish(config, pairs, tmp_path / "run")]
    assert seen == [16, 16, 32, 32]


def test_a_bundle_says_at_which_size_its_discriminator_looked(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    """Regression: of a run from afar throughout it said the full size, which misled the realism map."""
    for fraction, size_px in ((1.0, 16), (0.5, 32)):
        finish(replace(tiny_config, coarse_fraction=fraction), pairs, tmp_path / str(size_px))
        header = read_header(tmp_path / str(size_px) / f"{size_px}.safetensors")
        assert header.discriminator and header.discriminator.size_px == size_px


def test_a_loss_that_is_not_finite_stops_and_names_itself(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    config = replace(tiny_config, reconstruction_weight=float("inf"))
    with pytest.raises(RunError, match="g_reconstruction"):
        finish(config, pairs, tmp_path / "run")
    assert not (tmp_path / "run" / "state.pt").exists()


def test_fine_tuning_begins_with_the_bundle(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    finish(tiny_config, pairs, tmp_path / "first")
    bundle = tmp_path / "first" / "first.safetensors"
    frozen = replace(tiny_config, generator_lr=0.0)
    asked = iter([False, True])  # stopped after a step: only the end of a run changes z
    finish(frozen, pairs, tmp_path / "second", start_from=bundle, stop=lambda: next(asked))
    expected, before = load_bundle(bundle)
    got, after = load_bundle(tmp_path / "second" / "second.safetensors")
    assert after.images == before.images + frozen.batch_size  # the generator has seen both runs' pictures
    theirs, ours = expected.state_dict(), got.state_dict()
    assert all(torch.equal(v, ours[k]) for k, v in theirs.items() if not k.startswith("discriminator"))
    with pytest.raises(UsageError, match="another model"):
        finish(PRESETS["fast"], pairs, tmp_path / "third", start_from=bundle)


def test_a_stage_for_detail_may_be_added_to_a_bundle_and_not_taken_from_it(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    finish(tiny_config, pairs, tmp_path / "first")
    more = replace(tiny_config, model=replace(tiny_config.model, detail_width=6, noise=True))
    finish(more, pairs, tmp_path / "second", start_from=tmp_path / "first" / "first.safetensors")
    _, header = load_bundle(tmp_path / "second" / "second.safetensors")
    assert header.model.detail_width == 6 and header.model.noise
    with pytest.raises(UsageError, match="detail_width 6, here 0"):
        finish(tiny_config, pairs, tmp_path / "third", start_from=tmp_path / "second" / "second.safetensors")


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
    with pytest.raises(UsageError, match="default, edges, fast, paper"):
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
    with pytest.raises(RunError, match="not a state of this run"):
        finish(replace(tiny_config, steps=9), pairs, run, resume=True)
    assert (run / "config.json").read_text() == before


@pytest.mark.parametrize("workers", [0, 1])
def test_pairs_that_turn_unreadable_on_the_way_lose_nothing(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, workers: int
) -> None:
    """One is left out and named; when none is left, the steps made so far are saved."""
    run, told = tmp_path / "run", []
    config = replace(tiny_config, steps=1000, save_every=1000, sample_every=1000)
    photos = sorted((pairs / "train" / "photos").iterdir())
    steps = train(config, pairs, run, device="cpu", workers=workers, notify=told.append)
    last = next(steps).step
    photos[0].write_bytes(b"")
    while not told:
        last = next(steps).step
    assert "pair 0 is left out" in told[0] and "0.png" in told[0]
    for photo in photos:
        photo.write_bytes(b"")
    with pytest.raises(PairsError, match=r"pair \d: "):
        for status in steps:
            last = status.step
    assert load_state(run / "state.pt")["step"] == last
    assert [line for line in told if "pair 0 " in line] == told[:1]


def test_a_slow_run_saves_by_the_clock(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    ticks = iter(range(0, 10_000, 200))  # 200 s a step
    run = tmp_path / "run"
    steps = train(
        replace(tiny_config, steps=9, save_every=500), pairs, run, device="cpu", clock=lambda: next(ticks)
    )
    saved = [(run / "state.pt").is_file() for _ in steps]
    assert saved[:4] == [False, False, True, True]


def test_a_slow_run_reports_before_its_first_pictures(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    ticks = iter(range(0, 10_000, 2))  # 2 s a step
    run = tmp_path / "run"
    config = replace(tiny_config, steps=200, sample_every=500, save_every=500)
    steps = train(config, pairs, run, device="cpu", clock=lambda: next(ticks))
    reported = next(status.step for status in steps if (run / "report.html").is_file())
    assert reported == 50


@pytest.mark.parametrize(
    ("option", "term"),
    [
        ({"mode_seeking_weight": 1.0}, "g_modes"),
        ({"gradient_penalty_weight": 1.0}, "d_penalty"),
        ({"discriminator": DiscriminatorConfig(widths=(4, 8), scales=2, size_px=16)}, "d"),
        ({"differentiable_augment": True}, "d"),
    ],
)
def test_every_ingredient_can_be_switched_and_changes_what_is_learnt(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, option: dict, term: str
) -> None:
    plain = replace(tiny_config, steps=2, gradient_penalty_weight=0.0)
    first = finish(replace(plain, **option), pairs, tmp_path / "with")[0]
    finish(plain, pairs, tmp_path / "without")
    assert term in first.losses
    on, off = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert any(not torch.equal(on[k], off[k]) for k in off if k.startswith("model.generator"))


def test_an_encoder_is_begun_anew_where_the_bundle_has_none(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path
) -> None:
    blind = replace(tiny_config, model=replace(tiny_config.model, encoder_widths=()))
    finish(blind, pairs, tmp_path / "blind")
    bundle = tmp_path / "blind" / "blind.safetensors"
    assert load_bundle(bundle)[0].encoder is None
    finish(tiny_config, pairs, tmp_path / "seeing", start_from=bundle)
    first = tmp_path / "seeing" / "seeing.safetensors"
    expected = load_bundle(first)[0].encoder
    assert expected is not None
    frozen = replace(tiny_config, generator_lr=0.0)
    asked = iter([False, True])
    finish(frozen, pairs, tmp_path / "again", start_from=first, stop=lambda: next(asked))
    kept = load_bundle(tmp_path / "again" / "again.safetensors")[0].encoder
    assert kept is not None
    assert all(torch.equal(value, kept.state_dict()[name]) for name, value in expected.state_dict().items())


@pytest.mark.parametrize(
    ("change", "told"),
    [({}, []), ({"close_up": True}, []), ({"norm": "instance"}, ["norm spectral, here instance"])],
)
def test_a_discriminator_of_another_kind_is_begun_anew_and_told(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, change: dict[str, object], told: list[str]
) -> None:
    finish(tiny_config, pairs, tmp_path / "first")
    other = replace(tiny_config, discriminator=replace(tiny_config.discriminator, **change))  # type: ignore[arg-type]
    said: list[str] = []
    bundle = tmp_path / "first" / "first.safetensors"
    finish(other, pairs, tmp_path / "second", start_from=bundle, notify=said.append)
    told_of_it = [message for message in said if "discriminator" in message]
    assert len(told_of_it) == len(told)
    assert all(what in message for what, message in zip(told, told_of_it, strict=True))


def test_a_run_whose_end_failed_is_ended_by_resuming(
    tiny_config: TrainConfig, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise PairsError("no photo can be read")

    with monkeypatch.context() as patch:
        patch.setattr("pix2pix.keeping.finish", fails)
        with pytest.raises(PairsError):
            finish(tiny_config, pairs, tmp_path / "run")
    bundle = tmp_path / "run" / "run.safetensors"
    assert not load_bundle(bundle)[1].directions  # as it was saved on the way
    assert finish(tiny_config, pairs, tmp_path / "run", resume=True) == []  # no step is left
    finish(tiny_config, pairs, tmp_path / "other")
    assert load_bundle(bundle)[1].directions
    ended, straight = load_bundle(bundle)[0], load_bundle(tmp_path / "other" / "other.safetensors")[0]
    assert all(torch.equal(v, ended.state_dict()[k]) for k, v in straight.state_dict().items())


def test_the_last_samples_show_the_bundle(tiny_config: TrainConfig, pairs: Path, tmp_path: Path) -> None:
    finish(tiny_config, pairs, tmp_path / "run")
    *_, last = sorted((tmp_path / "run" / "samples").iterdir())
    shown = cv2.cvtColor(cv2.imread(str(last)), cv2.COLOR_BGR2RGB)
    shipped, header = load_bundle(tmp_path / "run" / "run.safetensors")
    sketch, photo = load_pair(list_pairs(pairs, "val")[0])
    given, _ = to_tensors([sketch], [photo])
    with torch.no_grad():
        answer, _ = shipped.generator(given, torch.from_numpy(draw(1, header.model.latent_size))[None])
    expected = to_pixels(answer)[0].permute(1, 2, 0).numpy().astype(int)
    cell = shown[2:34, 2 + 2 * 34 : 2 * 34 + 34]  # third of the first row, 2 px between
    assert np.abs(cell - expected).max() <= 2


@pytest.mark.parametrize(
    "option", [{"batch_size": 1}, {"steps": 0}, {"critic_steps": 0}, {"head_start": -1}, {"weak_points": 2.0}]
)
def test_what_cannot_be_trained_is_refused(tiny_config: TrainConfig, option: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        replace(tiny_config, **option)
    assert (
        replace(tiny_config, model=replace(tiny_config.model, encoder_widths=()), batch_size=1).batch_size
        == 1
    )
