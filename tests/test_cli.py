"""The command line: help, exit codes, and what goes to stdout and what to stderr."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from app.cli.main import main
from app.cli.models import metrics_in_words
from app.cli.options import Duration
from app.cli.progress import Reporter, in_words
from app.cli.train import TrainArguments
from app.cli.train import run as run_training
from app.http import serving
from app.http.models import Models
from pix2pix.errors import CorruptBundle, UsageError
from pix2pix.training.config import TrainConfig

COMMANDS = {name: main.get_command(click.Context(main), name) for name in main.list_commands(None)}
OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


class FakeTranslator:
    """White photos, or the seed's grey."""

    name, size_px, latent_size, digest, device, takes_strokes = "fake", 64, 1, "fake", "cpu", False

    def latent(self, seed: int) -> np.ndarray:
        return np.array([seed], np.float32)

    def translate_batch(
        self,
        sketches: np.ndarray,
        z: np.ndarray,
        sketch_of: np.ndarray | None = None,
        strokes: np.ndarray | None = None,
        *,
        transparent: bool = False,
    ) -> np.ndarray:
        return np.broadcast_to(z[:, :, None, None], (len(z), *sketches.shape[1:], 3)).astype(np.uint8)


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Replaces the loading of a bundle; returns the arguments."""
    from pix2pix.inference import translator

    loaded: list[tuple[Any, ...]] = []

    def load(name: Any, models: Any = None, device: str = "auto", engine: str = "auto") -> FakeTranslator:
        loaded.append((name, models, device))
        if "corrupt" in str(name):
            raise CorruptBundle(f"{name} is not whole")
        return FakeTranslator()

    monkeypatch.setattr(translator, "load", load)
    return loaded


def save_sketch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page = np.full((64, 64), 255, np.uint8)
    page[4:60, 30:33] = 0
    Image.fromarray(page).save(path)


def save_pair(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((32, 64, 3), 255, np.uint8)
    image[8:24, 10] = 0
    image[:, 32:] = len(path.name)
    Image.fromarray(image).save(path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert COMMANDS[name].help


@pytest.mark.parametrize(
    "name, option", OPTIONS, ids=[f"{name} {option.opts[0]}" for name, option in OPTIONS]
)
def test_every_option_has_help_and_a_default_or_is_required(name: str, option: click.Option) -> None:
    with click.Context(main, **main.context_settings) as parent:
        extra = option.get_help_extra(click.Context(COMMANDS[name], parent=parent))
    assert option.help and option.help.endswith(".")
    assert option.is_flag or option.required or extra.get("default"), (
        f"{name} {option.opts[0]} shows no default"
    )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_docs_cli_lists_every_option_of_a_command_and_no_other(name: str) -> None:
    page = (Path(__file__).parent.parent / "docs/cli.md").read_text()
    (section,) = [part for part in page.split("\n## ") if part.startswith(f"pix2pix {name}\n")]
    flags = [max(p.opts, key=len) for p in COMMANDS[name].params if isinstance(p, click.Option)]
    listed = re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE)
    assert sorted(listed) == sorted(flag for flag in flags if flag != "--help")


def test_help_needs_no_torch() -> None:
    script = "import sys; from app.cli.main import main; main(['train', '--help'], standalone_mode=False); "
    script += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_convert_prints_what_it_wrote(tmp_path: Path, translator: list[Any]) -> None:
    save_sketch(tmp_path / "in/a/b.png")
    result = run(
        "convert", tmp_path / "in", tmp_path / "out", "--model", "bags", "--variants", 2, "--seed", 9
    )
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [str(tmp_path / f"out/a/b-{number}.png") for number in (1, 2)]
    assert translator == [("bags", None, "auto")]
    again = run("convert", tmp_path / "in", tmp_path / "out", "--variants", 2)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "exists already" in again.stderr


def test_convert_exits_1_when_some_failed_and_2_when_all_did(tmp_path: Path, translator: list[Any]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/bad.png").write_bytes(b"bad")
    nothing = run("convert", tmp_path / "in", tmp_path / "out")
    assert nothing.exit_code == 2
    save_sketch(tmp_path / "in/good.png")
    some = run("convert", tmp_path / "in", tmp_path / "out")
    assert some.exit_code == 1
    assert "failed: " in some.stderr and "bad.png: the image is not a picture" in some.stderr
    assert "1 failed" in some.stderr and "1 converted" in some.stderr


def test_an_error_is_one_plain_line_and_exit_2(tmp_path: Path, translator: list[Any]) -> None:
    save_sketch(tmp_path / "in/a.png")
    result = run("convert", tmp_path / "in", tmp_path / "in/out")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: the destination") and result.stderr.count("\n") == 1


def test_prepare_counts_and_names(tmp_path: Path) -> None:
    save_pair(tmp_path / "src/train/1.png")
    save_pair(tmp_path / "src/val/22.png")
    whole = run("prepare", tmp_path / "src", tmp_path / "pairs", "--from", "ab", "--size", 32)
    assert whole.exit_code == 0
    assert whole.stdout == f"{tmp_path / 'pairs'} has 1 pairs for training, 1 held out (val)\n"
    (tmp_path / "src/val/bad.png").write_bytes(b"bad")
    some = run("prepare", tmp_path / "src", tmp_path / "pairs", "--from", "ab", "--size", 32)
    assert some.exit_code == 1
    assert "left out: val/bad.png" in some.stderr and "2 unchanged" in some.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["prepare", "{}", "pairs"], "--from"),
        (["prepare", "{}", "pairs", "--from", "ab"], "no pictures"),
        (["prepare", "{}", "pairs", "--from", "ab", "--val-fraction", "2"], "[0, 1)"),
        (["prepare", "{}/missing", "pairs", "--from", "ab"], "does not exist"),
        (["train", "{}", "--name", "a/b"], "plain name"),
        (["train", "{}", "--name", "a", "--time-limit", "soon"], "90m"),
        (["train", "{}", "--name", "a", "--resume", "--preset", "fast"], "nothing to resume"),
        (["train", "{}", "--name", "a", "--runs", "{}", "--resume"], "nothing to resume"),
        (["train", "{}", "--name", "a", "--dry-run"], "no pairs"),
        (["convert", "{}", "out", "--variants", "0"], "variants"),
        (["serve", "--port", "99999"], "99999"),
        (["serve", "--models", "{}/missing"], "does not exist"),
        (["serve", "--device", "tpu"], "'tpu' is not one of: auto, cpu, cuda, cuda:N"),
        (["serve", "--device", "cuda:-1"], "'cuda:-1' is not one of"),
    ],
)
def test_wrong_usage_is_named_and_exits_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = run(*(argument.format(tmp_path) for argument in arguments))
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", [name for name, option in OPTIONS if "--device" in option.opts])
def test_every_command_takes_one_gpu_of_several(name: str) -> None:
    """Regression: operations.md says to start a server a GPU with cuda:N, which the option refused."""
    (option,) = (one for of, one in OPTIONS if of == name and "--device" in one.opts)
    with click.Context(COMMANDS[name]) as context:
        assert option.type_cast_value(context, "cuda:1") == "cuda:1"


def test_a_dry_run_shows_the_configuration_and_writes_nothing(tmp_path: Path) -> None:
    save_pair(tmp_path / "src/train/1.png")
    run("prepare", tmp_path / "src", tmp_path / "pairs", "--from", "ab", "--size", 32)
    options = ["--preset", "fast", "--steps", 5, "--size", 64, "--runs", tmp_path / "runs", "--dry-run"]
    result = run("train", tmp_path / "pairs", "--name", "a", *options)
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["pairs"] == {"train": 1, "val": 0}
    assert printed["config"]["steps"] == 5
    assert printed["config"]["model"]["size_px"] == 64
    assert not (tmp_path / "runs").exists()


def test_any_field_of_the_configuration_can_be_set(tmp_path: Path) -> None:
    save_pair(tmp_path / "src/train/1.png")
    run("prepare", tmp_path / "src", tmp_path / "pairs", "--from", "ab", "--size", 32)

    def dry(*settings: str) -> Result:
        options = [option for setting in settings for option in ("--set", setting)]
        return run("train", tmp_path / "pairs", "--name", "a", "--dry-run", *options)

    printed = json.loads(
        dry("layout.divergence_weight=0.5", "pixels_weight=2", "model.widths=[8,8,8,8]").stdout
    )
    assert printed["config"]["layout"]["divergence_weight"] == 0.5 and printed["config"]["pixels_weight"] == 2
    assert printed["config"]["model"]["widths"] == [8, 8, 8, 8]
    for wrong, word in (
        ("perceptual=1", "fields are: perceptual_weight"),
        ("steps=many", "steps"),
        ("steps", "NAME=VALUE"),
        ("other.x=1", "NAME=VALUE"),
        ("batch_size=0", "batch_size 0 is below 1"),
    ):
        refused = dry(wrong)
        assert refused.exit_code == 2 and word in refused.stderr


@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [
        ("--steps", 6, "steps=7"),
        ("--time-limit", "1h", "time_limit_s=60"),
        ("--size", 64, "model.size_px=128"),
        ("--title", "A", "title=B"),
    ],
)
def test_a_field_that_an_option_gives_is_not_set_a_second_time(
    tmp_path: Path, option: str, value: object, setting: str
) -> None:
    """The option was passed over silently."""
    refused = run("train", tmp_path, "--name", "a", option, value, "--set", setting, "--dry-run")
    assert refused.exit_code == 2
    assert f"{option} and --set {setting} set the same field: omit one" in refused.stderr


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three bundles: two sound ones and a corrupt one."""
    from pix2pix.model import bundle

    header = SimpleNamespace(metrics={"lpips": 0.25}, images=7200, title="A title")
    found = [
        bundle.BundleInfo("bags", tmp_path / "bags.safetensors", 14_000_000, header),
        bundle.BundleInfo("corrupt", tmp_path / "corrupt.safetensors", 10, None, "it is not whole"),
        bundle.BundleInfo("shoes", tmp_path / "shoes.safetensors", 14_000_000, header),
    ]
    for one in found:
        one.path.touch()
    monkeypatch.setattr(bundle, "list_bundles", lambda models=None: found)
    monkeypatch.setattr("app.cli.models.list_bundles", lambda models=None: found)
    monkeypatch.setattr(bundle, "bundle_files", lambda models=None: [one.path for one in found])


def test_models_lists_what_there_is_and_names_what_is_broken(listed: None) -> None:
    result = run("models")
    assert result.exit_code == 1
    assert result.stdout.startswith("bags: A title\n  14.0 MB, 7,200 images seen, computed by ")
    assert "  measured: LPIPS 0.25\n" in result.stdout and "corrupt: unusable\n" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines() if ".safetensors" not in line) < 80
    assert "it is not whole" in result.stderr


def test_metrics_of_a_model_are_told_in_words_by_what_was_measured_on() -> None:
    metrics = {"lpips_alex_val": 0.2084, "recognised_val": 0.949, "kid_x1000_drawings": 86.24, "kid": 1.5}
    assert list(metrics_in_words(metrics)) == [
        "on edge maps: LPIPS 0.208, recognised 0.949",
        "on people's drawings: KID x1000 86.2",
        "measured: KID x1000 1.5",
    ]
    assert not list(metrics_in_words({}))  # shipped bundles have none


def test_serving_leaves_out_a_corrupt_bundle_and_puts_shoes_first(
    listed: None, translator: list[Any]
) -> None:
    warnings: list[str] = []
    assert list(Models(None, "cpu", warnings.append)) == ["shoes", "bags"]
    assert len(warnings) == 1 and "'corrupt' is left out" in warnings[0]


def test_serving_without_any_model_is_an_error(
    monkeypatch: pytest.MonkeyPatch, translator: list[Any]
) -> None:
    monkeypatch.setattr("pix2pix.model.bundle.bundle_files", lambda models=None: [])
    result = run("serve")
    assert result.exit_code == 2
    assert "no usable model" in result.stderr


def test_a_busy_port_is_named(listed: None, translator: list[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("serve", "--port", port)
    assert result.exit_code == 2
    assert f"port {port} on 127.0.0.1 is in use" in result.stderr


def test_the_url_is_told_once_the_server_answers(translator: list[Any]) -> None:
    from urllib.request import urlopen

    answers: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    def ask(url: str) -> None:
        def fetch() -> None:
            with urlopen(url, timeout=10) as answer:
                answers.append(answer.read())
            signal.raise_signal(signal.SIGINT)

        threading.Thread(target=fetch).start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is begun deaf to it
    try:
        serving.listen(application, "127.0.0.1", 0, ask)
    finally:
        signal.signal(signal.SIGINT, before)
    assert answers == [b"hello"]


def test_ctrl_c_exits_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.cli.models.list_bundles", interrupted)
    assert run("models").exit_code == 130


@pytest.mark.parametrize("text, seconds", [("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("45s", 45)])
def test_durations_are_read(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "90", "soon", "0m", "-5m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="90m"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize("seconds, words", [(42.4, "42s"), (200, "3m 20s"), (5400, "1h 30m"), (-1, "0s")])
def test_durations_are_told(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_progress_is_sparse_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter(range(0, 1000))
    with Reporter("converting", 100, "files", clock=lambda: float(next(now))) as progress:
        for _ in range(40):
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 4
    assert lines[0].startswith("converting: ") and "files/s" in lines[0] and "left" in lines[0]


def test_time_left_is_reckoned_from_the_first_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: the 20 s in which a training loaded its model counted, too."""
    now = iter([0, 20, 36])
    with Reporter("training", 1.0, clock=lambda: float(next(now, 36))) as progress:
        progress.start_at(0.1)
        progress.update(0.2)
    assert "2m 8s left" in capsys.readouterr().err  # 0.1 took 16 s, 0.8 is left


@pytest.mark.parametrize(("has_val", "last"), [(True, "scoring and saving"), (False, "saving")])
def test_progress_of_a_training_tells_that_it_scores_and_saves(
    tiny_config: TrainConfig,
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
    has_val: bool,
    last: str,
) -> None:
    """At the end of a run nothing was printed for minutes."""
    config = replace(tiny_config, steps=5, save_every=3, score_every=2)
    if not has_val:
        shutil.rmtree(pairs / "val")
    arguments = TrainArguments(pairs, pairs.parent / "runs/a", device="cpu", workers=0)
    with Reporter("training", 1.0, clock=lambda: 0.0) as progress:
        run_training(arguments, config, progress, lambda: False)
    told = re.findall(r"training: .*%, .* left, (.*), step (\d)", capsys.readouterr().err)
    scored = ["2", "4"] if has_val else []
    assert {step: what for what, step in told} == {
        **dict.fromkeys(scored, "scoring"),
        "3": "saving",
        "5": last,
    }


def test_an_impossible_host_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        serving.listen(SimpleNamespace(), "not a host", 0, lambda url: None)


def test_an_error_of_the_system_is_one_plain_line_and_exit_2(tmp_path: Path) -> None:
    save_pair(tmp_path / "ab" / "a.png")
    (tmp_path / "file").write_text("")
    result = run("prepare", tmp_path / "ab", tmp_path / "file", "--from", "ab")
    assert result.exit_code == 2
    assert "file" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["", " ", "a/b", ".hidden", ".."])
def test_a_run_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    result = run("train", tmp_path, "--name", name, "--runs", tmp_path / "runs")
    assert result.exit_code == 2 and "not a plain name" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_stopped_training_saves_says_how_to_go_on_and_goes_on(pairs: Path, tmp_path: Path) -> None:
    """The real command in its own process, stopped after its first checkpoint."""
    options = ["--name", "a", "--runs", str(tmp_path / "runs"), "--device", "cpu", "--threads", "1"]
    command = [str(Path(sys.executable).parent / "pix2pix"), "train", str(pairs), *options]
    settings = ("batch_size=2", "layout.batch_size=8", "save_every=2", "score_every=0", "perceptual_weight=0")
    small = [word for setting in settings for word in ("--set", setting)]
    first = [*command, "--preset", "fast", "--size", "64", *small, "--steps", "100000"]
    with subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "runs" / "a" / "state.pt").exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
                pytest.fail(f"training ended by itself: {process.communicate()[1]}")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert output.strip() == str(tmp_path / "runs" / "a" / "a.safetensors")
    assert "To continue, run the same command with --resume added." in errors
    reached = steps_of(tmp_path / "runs" / "a" / "a.safetensors")
    assert reached >= 2
    again = [*first, "--resume", "--steps", str(reached + 3)]
    resumed = subprocess.run(again, capture_output=True, text=True, check=False, timeout=120)
    assert resumed.returncode == 0, resumed.stderr
    assert steps_of(tmp_path / "runs" / "a" / "a.safetensors") == reached + 3


def steps_of(bundle: Path) -> int:
    from pix2pix.model.bundle import read_header

    return read_header(bundle).steps
