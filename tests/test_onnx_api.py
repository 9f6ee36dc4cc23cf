"""A model handed out to browsers that draw on their own."""

import shutil

import numpy as np
import onnxruntime
import pytest
from conftest import TINY, save_untrained
from web import assert_problem

import pix2pix
from app.http import create_app
from app.http.middleware import COMPILER
from app.http.models import CACHED_ONNX_FILES
from pix2pix.inference import export
from pix2pix.model import latents

ROUTE = "/api/v1/models/{}.onnx"


@pytest.fixture
def bundles(tmp_path):
    """Files of different models."""
    return [save_untrained(tmp_path / f"{name}.safetensors", TINY, title=name) for name in ("a", "b c", "d")]


@pytest.fixture
def client(bundles):
    return create_app({path.stem: pix2pix.load(path, device="cpu") for path in bundles}).test_client()


def test_its_pictures_are_those_of_the_server(client, bundles) -> None:
    answer = client.get(ROUTE.format("b%20c"))
    assert answer.status_code == 200 and answer.content_type == "application/octet-stream"
    session = onnxruntime.InferenceSession(answer.data)
    assert session.get_modelmeta().custom_metadata_map["title"] == "b c"
    sketch = np.full((1, 64, 64), 255, np.uint8)
    sketch[0, 16:48, 16:48] = 0
    z = np.stack([latents.draw(seed, 4) for seed in range(3)])
    given = {"sketch_of": np.zeros(3, np.int64), "strokes": np.zeros((1, 32, 32, 4), np.uint8)}
    made = session.run(["photos"], {"sketches": sketch, "z": z, **given})[0]
    expected = pix2pix.load(bundles[1], device="cpu").translate_batch(sketch, z)
    assert np.abs(made.astype(int) - expected).max() <= export.TOLERANCE


def test_who_has_it_is_told_so_and_nothing_is_sent(client) -> None:
    first = client.get(ROUTE.format("a"))
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = client.get(ROUTE.format("a"), headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 and again.data == b""
    other = client.get(ROUTE.format("d"), headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200 and other.headers["ETag"] != first.headers["ETag"]


def test_a_file_is_built_once_and_few_are_kept(client, monkeypatch) -> None:
    built = []

    def build(path):
        built.append(path.stem)
        return b"a file", None

    monkeypatch.setattr(export, "build", build)
    for name in ("a", "a", "b%20c", "d", "d", "a"):
        assert client.get(ROUTE.format(name)).data == b"a file"
    assert CACHED_ONNX_FILES == 2
    assert built == ["a", "b c", "d", "a"]


@pytest.mark.parametrize("name", ["none", "a.onnx", "..%2fa", "%2e%2e/a", "a%00"])
def test_only_loaded_models_have_a_file(client, name: str) -> None:
    problem = assert_problem(client.get(ROUTE.format(name)), 404)
    assert "no-store" in client.get(ROUTE.format(name)).headers["Cache-Control"]
    if name == "none":
        assert problem["detail"] == "There is no model 'none'; the models are: a, b c, d."


def test_a_bundle_that_is_not_the_loaded_one_any_more_is_not_handed_out(client, bundles) -> None:
    shutil.copy(bundles[1], bundles[0])
    assert_problem(client.get(ROUTE.format("a")), 503)
    bundles[2].unlink()
    assert_problem(client.get(ROUTE.format("d")), 503)


def test_only_the_worker_may_compile_and_the_page_may_have_threads(client) -> None:
    policies = {}
    for path in ("/", COMPILER, "/static/js/device/device.js", "/api/v1/models"):
        with client.get(path) as answer:
            assert answer.status_code == 200
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            policies[path] = answer.headers["Content-Security-Policy"]
    assert [path for path, policy in policies.items() if "wasm-unsafe-eval" in policy] == [COMPILER]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policies[COMPILER]
    assert "unsafe-inline" not in policies[COMPILER] and "'unsafe-eval'" not in policies[COMPILER]


@pytest.mark.parametrize("there", [True, False])
def test_drawing_on_the_device_is_offered_where_the_engine_is(
    client, tmp_path, monkeypatch, there: bool
) -> None:
    engine = tmp_path / "engine.wasm"
    if there:
        engine.write_bytes(b"x" * 1000)
    monkeypatch.setattr("app.http.ENGINE", engine)
    page = client.get("/").text
    assert ("Draw on this device" in page) is there
    assert ('data-bytes="1000"' in page) is there


def test_the_z_of_a_seed_is_told_to_the_last_bit(client) -> None:
    for seed in (0, 1, 7, latents.MAX_SEED):
        z = client.post("/api/v1/arithmetic", json={"model": "a", "plus": [{"seed": seed}]}).json["z"]
        assert np.array_equal(np.array(z, np.float32), latents.draw(seed, 4))
