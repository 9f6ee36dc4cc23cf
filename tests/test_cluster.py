"""A real cluster of this machine with two cores: `convert --ray` and the Ray Serve application."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image
from sketches import photos_in, save_sketch

import pix2pix
from pix2pix.images.io import read_photo
from pix2pix.model.bundle import find_bundle

BIN = Path(sys.executable).parent
PORT = 6388
START = ["start", "--head", f"--port={PORT}", "--num-cpus=2", "--include-dashboard=false", "--block"]
ADDRESS = f"127.0.0.1:{PORT}"
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
PATIENCE_S = 120


@pytest.fixture(scope="module")
def ray_folder() -> Iterator[Path]:
    """A cluster of one node for these tests; its folder is in the command lines of its processes."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # its sockets' paths must be short
    process = subprocess.Popen(
        [str(BIN / "ray"), *START, f"--temp-dir={folder}"],
        env={**os.environ, **TOKEN, "RAY_USAGE_STATS_ENABLED": "0"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "--block" in line:  # printed once it runs
            break
    else:
        pytest.fail("Ray did not start")
    yield folder
    for pid, title, of in [*processes()]:
        if str(folder).encode() in title + of:
            os.kill(pid, signal.SIGKILL)  # a clean shutdown takes half a minute
    process.wait(PATIENCE_S)
    process.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)


def convert(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / "pix2pix"), "convert", *map(str, arguments)],
        env={**os.environ, **TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    return process.returncode, stdout.splitlines(), stderr


def processes() -> Iterator[tuple[int, bytes, bytes]]:
    """Number, command line, and command line of the parent, of all that run."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            titles = [(one / "cmdline").read_bytes() for one in (folder, Path("/proc", parent))]
        except OSError:  # ended since
            continue
        yield int(folder.name), titles[0], titles[1]


def workers(folder: Path) -> list[int]:
    """The processes that hold a model, of the cluster of that folder."""
    cluster = str(folder).encode()
    return [pid for pid, title, of in processes() if title.startswith(b"ray::MapWorker") and cluster in of]


def test_a_cluster_makes_the_same_photos_and_the_same_manifest(tmp_path: Path, ray_folder: Path) -> None:
    source = tmp_path / "in"
    for number in range(20):
        save_sketch(source / f"{number % 3}" / f"{number}.png", 90, 120 + number)
    (source / "broken.png").write_bytes(b"no picture")
    options = ("--variants", 2, "--seed", 3)
    code, printed, stderr = finish(convert(source, tmp_path / "here", *options))
    assert code == 1, stderr
    code, on_ray, stderr = finish(convert(source, tmp_path / "there", *options, "--ray", ADDRESS))
    assert code == 1 and "broken.png" in stderr and "20 converted, 1 failed" in stderr
    assert sorted(on_ray) == sorted(line.replace("here", "there", 1) for line in printed)
    for folder in ("0", "1", "2"):
        assert photos_in(tmp_path / "here" / folder) == photos_in(tmp_path / "there" / folder)
    kept = [
        {row["source"]: (row["settings"], row["outputs"], row["z"], row["stamp"]["sha256"]) for row in rows}
        for rows in (lines_of(tmp_path / "here"), lines_of(tmp_path / "there"))
    ]
    assert kept[0] == kept[1] and len(kept[0]) == 21
    code, again, stderr = finish(convert(source, tmp_path / "there", *options, "--ray", ADDRESS))
    assert code == 1 and not again and "20 skipped, 1 failed" in stderr


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_a_killed_worker_loses_no_file(tmp_path: Path, ray_folder: Path) -> None:
    for number in range(100):
        save_sketch(tmp_path / "in" / f"{number}.png", 256, 256)
    process = convert(tmp_path / "in", tmp_path / "out", "--ray", ADDRESS)
    until = time.monotonic() + PATIENCE_S
    while not list(tmp_path.glob("out/*.png")) and time.monotonic() < until:
        time.sleep(0.01)
    victim = workers(ray_folder)[0]
    os.kill(victim, signal.SIGKILL)
    code, printed, stderr = finish(process)
    assert code == 0, stderr
    assert len(list(tmp_path.glob("out/*.png"))) == 100
    assert len(printed) > 50 and set(printed) <= {str(path) for path in tmp_path.glob("out/*.png")}
    assert {row["source"] for row in lines_of(tmp_path / "out")} == {f"{number}.png" for number in range(100)}
    assert not list(tmp_path.glob("out/.*"))  # what the killed one left half written


def test_a_cluster_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in" / "a.png")
    code, _, stderr = finish(convert(tmp_path / "in", tmp_path / "out", "--ray", "127.0.0.1:1"))
    assert code == 2 and "no Ray cluster answers at '127.0.0.1:1'" in stderr
    assert "Traceback" not in stderr and not (tmp_path / "out").exists()


def test_workers_load_the_bundle_that_was_there_when_the_job_began(tmp_path: Path, ray_folder: Path) -> None:
    """It is replaced while they work: else photos of two models would be in one folder."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(find_bundle("shoes"), models / "mine.safetensors")
    for number in range(40):
        save_sketch(tmp_path / "in" / f"{number}.png", 256, 256)
    options = ("--model", "mine", "--models", models)
    process = convert(tmp_path / "in", tmp_path / "out", *options, "--ray", ADDRESS)
    until = time.monotonic() + PATIENCE_S
    while not (tmp_path / "out").exists() and time.monotonic() < until:
        time.sleep(0.01)
    shutil.copy(find_bundle("handbags"), models / "mine.safetensors")
    code, _, stderr = finish(process)
    assert code == 0, stderr
    one = (tmp_path / "out" / "0.png").read_bytes()
    assert {path.read_bytes() for path in tmp_path.glob("out/*.png")} == {one}


SERVE = """
import sys, time
from ray import serve
from app.http.ray_serve import Arguments, build

serve.start(http_options={"port": int(sys.argv[1])})
serve.run(build(Arguments(model="shoes", most=1)))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def service(ray_folder: Path) -> Iterator[str]:
    """The address of the Ray Serve application, with one replica."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)],
        env={**os.environ, **TOKEN, "RAY_ADDRESS": ADDRESS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    if not any(line.strip() == "ready" for line in process.stdout):
        pytest.fail("Ray Serve did not start")
    yield f"http://127.0.0.1:{port}/api/v1"
    process.kill()
    process.communicate()


def ask(url: str, question: dict[str, object] | None = None) -> tuple[int, dict]:
    body = None if question is None else json.dumps(question).encode()
    try:
        with urlopen(Request(url, body), timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_large_pictures_take_turns_in_a_replica(service: str, ray_folder: Path) -> None:
    """Regression: three of 40 megapixels at once took 2.8 GB, a server of `pix2pix serve` 1.1.

    It comes first: what was asked before would count, too.
    """
    large, page = Image.new("L", (8000, 5000), 255), io.BytesIO()
    large.paste(0, (1000, 1000, 7000, 4000))
    large.save(page, "PNG")
    question: dict[str, object] = {"sketch": base64.b64encode(page.getvalue()).decode()}
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: ask(f"{service}/translate", question)[0], range(3)))
    assert answers == [200] * 3
    (replica,) = (pid for pid, title, _ in processes() if title.startswith(b"ray::ServeReplica"))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{replica}/status").read_text())
    assert peak and int(peak[1]) < 1_600_000


def test_ray_serve_answers_many_at_once_as_the_translator_does_alone(service: str) -> None:
    shoes = pix2pix.load("shoes")
    pages = sorted(Path("docs/sketches/shoes").glob("*.png"))

    def difference(i: int) -> int:
        page = pages[i % len(pages)]
        sketch = base64.b64encode(page.read_bytes()).decode()
        status, answer = ask(f"{service}/translate", {"sketch": sketch, "seed": i, "variants": 1 + i % 2})
        assert status == 200 and len(answer["images"]) == 1 + i % 2
        photo = read_photo(base64.b64decode(answer["images"][0]["png"])).astype(int)
        return int(np.abs(photo - np.asarray(shoes.translate(page, seed=i), int)).max())

    with ThreadPoolExecutor(12) as pool:
        assert max(pool.map(difference, range(24))) <= 1


def test_ray_serve_takes_hints_and_answers_with_alpha_in_any_batch(service: str) -> None:
    shoes, page = pix2pix.load("shoes"), Path("docs/sketches/shoes/sneaker.png")
    strokes, file = Image.new("RGBA", read_photo(page).shape[1::-1]), io.BytesIO()
    strokes.paste((200, 30, 40, 255), (100, 120, 150, 140))
    strokes.save(file, "PNG")
    sketch, hints = (base64.b64encode(data).decode() for data in (page.read_bytes(), file.getvalue()))
    expected = {
        (hinted, cut): shoes.translate(
            page, seed=3, hints=file.getvalue() if hinted else None, transparent=cut
        )
        for hinted in (False, True)
        for cut in (False, True)
    }

    def difference(kind: tuple[bool, bool]) -> int:
        question = {"sketch": sketch, "seed": 3, "hints": hints if kind[0] else None, "transparent": kind[1]}
        status, answer = ask(f"{service}/translate", question)
        assert status == 200
        photo = Image.open(io.BytesIO(base64.b64decode(answer["images"][0]["png"])))
        assert photo.mode == expected[kind].mode
        on_white = [read_photo(one).astype(int) for one in (photo, expected[kind])]
        return int(np.abs(on_white[0] - on_white[1]).max())

    with ThreadPoolExecutor(12) as pool:
        assert max(pool.map(difference, 3 * list(expected))) <= 2


def test_ray_serve_names_what_is_wrong(service: str) -> None:
    page = base64.b64encode(Path("docs/sketches/shoes/pump.png").read_bytes()).decode()
    for question, status, words in (
        ({"sketch": page, "seed": -1}, 422, "seed"),
        ({"sketch": base64.b64encode(b"no picture").decode()}, 400, "not a picture"),
        ({"sketch": page, "unknown": 1}, 422, "unknown"),
    ):
        answered, problem = ask(f"{service}/translate", question)
        assert answered == problem["status"] == status and words in problem["detail"]
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{service}/translate", b"{"), timeout=PATIENCE_S)
    with refused.value as error:
        assert error.code == 400 and json.load(error)["detail"] == "The body is not valid JSON."
    assert ask(f"{service}/nothing")[0] == 404
    assert ask(f"{service}/models")[1]["models"][0]["name"] == "shoes"
