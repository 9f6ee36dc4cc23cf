"""The thread that owns the device: waiting jobs are computed together, and a job that fails, fails alone."""

import base64
import io
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, draw_pair, save_untrained
from PIL import Image

from app.http import create_app
from app.http.batcher import SMALL_PIXELS, Batcher, Client, Generated, TranslateJob
from app.http.monitoring import Metrics
from pix2pix.errors import Abandoned, DeadlineExceeded, Saturated, ShuttingDown
from pix2pix.inference.translator import Translator, load
from pix2pix.model import latents

S, Z = 4, 3
POISON = 99.0


class Recorder:
    """Photos have the value of their sketch plus z; records the sizes of the batches."""

    name, device, size_px, latent_size = "recorder", "cpu", S, Z

    def __init__(self, memory: int = 1000) -> None:
        self.batches: list[int] = []
        self.memory = memory

    def translate_batch(self, sketches, z, sketch_of, strokes=None, *, transparent=False):
        self.batches.append(len(z))
        if len(z) > self.memory:
            raise RuntimeError("CUDA out of memory")
        if (z == POISON).any():
            raise ValueError("poisoned")
        value = sketches[sketch_of, 0, 0] + z[:, 0].astype(np.uint8)
        return np.broadcast_to(value[:, None, None, None], (len(z), S, S, 3)).copy()


def translate_job(to: Recorder, value: int = 0, photos: int = 1, **options: object) -> TranslateJob:
    z = np.tile(np.arange(photos, dtype=np.float32)[:, None], (1, Z))
    return TranslateJob(to, np.full((S, S), value, np.uint8), z, **options)  # type: ignore[arg-type]


class Held:
    """Jobs that wait together: the device is busy until `release`."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher, self.pool, self.gate = batcher, ThreadPoolExecutor(16), threading.Event()
        began = threading.Event()

        def busy() -> None:
            began.set()
            assert self.gate.wait(20)

        self.pool.submit(batcher.run, busy)
        assert began.wait(20)

    def submit(self, job: TranslateJob) -> "Future[Generated]":
        submitted = self.pool.submit(self.batcher.translate, job)
        until = time.monotonic() + 20
        while job not in self.batcher._waiting and not submitted.done() and time.monotonic() < until:
            time.sleep(0.001)
        return submitted

    def release(self) -> None:
        self.gate.set()


@pytest.fixture
def held():
    one = Held(Batcher())
    yield one
    one.release()
    one.pool.shutdown()


def test_waiting_jobs_are_computed_together_up_to_the_largest_batch(held: Held) -> None:
    model, other = Recorder(), Recorder()
    jobs = [held.submit(translate_job(model, value=10 * i, photos=3)) for i in range(4)]
    apart = held.submit(translate_job(other, value=5))
    held.release()
    for i, answer in enumerate(jobs):
        photos = answer.result(20).photos
        assert photos[:, 0, 0, 0].tolist() == [10 * i, 10 * i + 1, 10 * i + 2]
    assert apart.result(20).photos[0, 0, 0, 0] == 5
    assert model.batches == [6, 6]  # 8 at most
    assert other.batches == [1]


def test_more_photos_than_a_batch_are_made_in_several() -> None:
    model = Recorder()
    photos = Batcher().translate(translate_job(model, photos=20)).photos
    assert photos[:, 0, 0, 0].tolist() == list(range(20))
    assert max(model.batches) <= 8


def test_alone_nothing_waits_for_company() -> None:
    model, batcher = Recorder(), Batcher()
    began = time.monotonic()
    for _ in range(20):
        batcher.translate(translate_job(model))
    assert model.batches == [1] * 20 and time.monotonic() - began < 2


def test_a_poisoned_job_fails_alone(held: Held) -> None:
    model = Recorder()
    jobs = [held.submit(translate_job(model, value=i)) for i in range(5)]
    poisoned = translate_job(model)
    poisoned.z[:] = POISON
    bad = held.submit(poisoned)
    held.release()
    assert [answer.result(20).photos[0, 0, 0, 0] for answer in jobs] == list(range(5))
    with pytest.raises(ValueError, match="poisoned"):
        bad.result(20)


def test_out_of_memory_a_batch_is_halved(held: Held) -> None:
    model = Recorder(memory=2)
    jobs = [held.submit(translate_job(model, value=i, photos=2)) for i in range(4)]
    held.release()
    for i, answer in enumerate(jobs):
        assert answer.result(20).photos[:, 0, 0, 0].tolist() == [i, i + 1]
    assert model.batches[0] == 8 and model.batches.count(2) == 4


def test_of_a_stream_only_the_newest_job_is_computed(held: Held) -> None:
    model = Recorder()
    old, new = (held.submit(translate_job(model, value=i, stream="pen")) for i in (1, 2))
    other = held.submit(translate_job(model, value=3, stream="another pen"))
    with pytest.raises(Abandoned, match="newer"):
        old.result(20)
    held.release()
    assert new.result(20).photos[0, 0, 0, 0] == 2 and other.result(20).photos[0, 0, 0, 0] == 3
    assert model.batches == [2]


def test_an_older_job_that_was_decoded_later_does_not_replace_the_newest(held: Held) -> None:
    """Regression: the order was that in which decoding ended, so that a large old sketch won."""
    model = Recorder()
    new = held.submit(translate_job(model, value=2, stream="pen", client=Client(since=time.monotonic())))
    old = held.submit(translate_job(model, value=1, stream="pen", client=Client(since=time.monotonic() - 1)))
    with pytest.raises(Abandoned, match="newer"):
        old.result(20)
    held.release()
    assert new.result(20).photos[0, 0, 0, 0] == 2 and model.batches == [1]


def test_clients_may_call_their_streams_the_same(held: Held) -> None:
    """Regression: the second to draw with a stream called "pen" took the answers of the first."""
    model = Recorder()
    jobs = [held.submit(translate_job(model, i, stream="pen", client=Client(f"10.0.0.{i}"))) for i in (1, 2)]
    held.release()
    assert [answer.result(20).photos[0, 0, 0, 0] for answer in jobs] == [1, 2]


def test_a_call_of_a_client_that_has_disconnected_is_not_run(held: Held) -> None:
    """Regression: only translations of disconnected clients were dropped, not the encoding of a photo."""
    ran: list[str] = []
    gone = held.pool.submit(held.batcher.run, lambda: ran.append("gone"), Client(gone=lambda: True))
    while len(held.batcher._waiting) < 1:
        time.sleep(0.001)
    held.release()
    with pytest.raises(Abandoned, match="disconnected"):
        gone.result(20)
    assert held.batcher.run(lambda: "next") == "next" and ran == []


def test_photos_do_not_wait_for_work_beside_the_device_which_has_one_place() -> None:
    model, batcher = Recorder(), Batcher(deadline_s=0.2)
    with batcher.aside(Client()):
        assert len(batcher.translate(translate_job(model)).photos) == 1
        with pytest.raises(DeadlineExceeded), batcher.aside(Client()):
            pytest.fail("there are two places")
    with pytest.raises(Abandoned), batcher.aside(Client(gone=lambda: True)):
        pytest.fail("the client has disconnected")
    with batcher.aside(Client()):
        pass


def test_the_calls_of_an_older_request_come_first(held: Held) -> None:
    """Regression: requests for several large photos took turns, and all of them were late."""
    ran: list[int] = []
    now = time.monotonic()
    jobs = []
    for count, age_s in enumerate((1, 2, 0), 1):
        client = Client(since=now - age_s)
        jobs.append(held.pool.submit(held.batcher.run, lambda age_s=age_s: ran.append(age_s), client))
        while len(held.batcher._waiting) < count:
            time.sleep(0.001)
    held.release()
    for job in jobs:
        job.result(20)
    assert ran == [2, 1, 0]


def test_the_depth_of_the_queue_is_what_is_still_waited_for() -> None:
    """Regression: what its client had given up was counted until the device was free again."""
    metrics, model = Metrics(), Recorder()
    held = Held(Batcher(metrics))
    late = held.submit(translate_job(model, client=Client(since=time.monotonic() - 60)))
    with pytest.raises(DeadlineExceeded):
        late.result(20)
    waits = held.submit(translate_job(model))
    assert len(held.batcher._waiting) == 2 and b"pix2pix_queue_depth 1.0" in metrics.page()
    held.release()
    waits.result(20)
    held.pool.shutdown()


def test_photos_of_a_client_that_has_disconnected_are_not_computed(held: Held) -> None:
    model, left = Recorder(), threading.Event()
    gone = held.submit(translate_job(model, value=1, client=Client(gone=left.is_set)))
    stays = held.submit(translate_job(model, value=2))
    left.set()
    held.release()
    with pytest.raises(Abandoned, match="disconnected"):
        gone.result(20)
    assert stays.result(20).photos[0, 0, 0, 0] == 2 and model.batches == [1]


def test_a_job_past_its_deadline_is_cancelled_and_not_computed() -> None:
    metrics, model = Metrics(), Recorder()
    held = Held(Batcher(metrics, deadline_s=0.2))
    with pytest.raises(DeadlineExceeded, match=r"0\.2 s"):
        held.submit(translate_job(model)).result(20)
    held.release()
    assert held.batcher.run(lambda: "next") == "next"
    assert model.batches == []
    counted = b'pix2pix_rejections_total{reason="deadline"} 2.0'  # this, and what held it up, a moment later
    end = time.monotonic() + 10
    while counted not in metrics.page() and time.monotonic() < end:
        time.sleep(0.01)
    assert counted in metrics.page()


def test_more_than_is_taken_on_is_turned_away_until_there_is_room() -> None:
    batcher = Batcher(max_admitted=4)
    with batcher.admit(3):
        with pytest.raises(Saturated) as refused, batcher.admit(2):
            pass
        assert refused.value.retry_after_s >= 1
        with batcher.admit(1):
            pass
    with batcher.admit(32):  # more than ever fit: not for ever refused
        pass


def test_the_thread_survives_what_it_is_thrown() -> None:
    batcher, model = Batcher(), Recorder()

    def leave() -> None:
        raise SystemExit

    with pytest.raises(RuntimeError, match="SystemExit"):
        batcher.run(leave)
    assert batcher.translate(translate_job(model, value=9)).photos[0, 0, 0, 0] == 9


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_is_replaced_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    batcher, model = Batcher(), Recorder()
    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(batcher, "_take", lambda: 1 / 0)
        lost = pool.submit(batcher.translate, translate_job(model, value=8))
        while batcher._thread is None or batcher._thread.is_alive():
            time.sleep(0.001)
        patch.undo()
        assert batcher.translate(translate_job(model, value=9)).photos[0, 0, 0, 0] == 9
        assert lost.result(20).photos[0, 0, 0, 0] == 8


def test_closing_waits_for_what_was_admitted_and_admits_no_more(held: Held) -> None:
    batcher, model = held.batcher, Recorder()
    with batcher.admit(1):
        last = held.submit(translate_job(model, value=1))
        assert not batcher.close(within_s=0.05)
        with pytest.raises(ShuttingDown, match="shutting down"), batcher.admit(1):
            pass
        held.release()
        assert last.result(20).photos[0, 0, 0, 0] == 1
    assert batcher.close(within_s=5)


def test_pictures_of_more_pixels_than_there_is_room_for_take_turns_and_drawings_pass_them() -> None:
    large = SMALL_PIXELS + 1
    batcher, begun, go_on = Batcher(max_pixels=2 * large), threading.Event(), threading.Event()
    late = Client(since=time.monotonic() - batcher.deadline_s)

    def decode() -> None:
        with batcher.room(large, Client()):
            begun.set()
            assert go_on.wait(20)

    with ThreadPoolExecutor(2) as pool:
        at_work = pool.submit(decode)
        assert begun.wait(20)
        with batcher.room(large, Client()), batcher.room(SMALL_PIXELS, late):
            pass
        with pytest.raises(DeadlineExceeded), batcher.room(large + 1, late):
            pass
        waits = pool.submit(lambda: batcher.room(9 * large, Client()).__enter__())  # larger: alone
        assert not waits.done()
        go_on.set()
        at_work.result(20)
        waits.result(20)


# ---------------------------------------------------------------------------------------------- through HTTP


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    folder: Path = tmp_path_factory.mktemp("bundles")
    return load(save_untrained(folder / "tiny.safetensors", TINY), device="cpu")


def png(seed: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(draw_pair(seed)[0]).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_photo_is_the_same_alone_and_in_any_batch(tiny: Translator) -> None:
    sizes: list[int] = []
    real = tiny.translate_batch

    def watched(sketches, z, sketch_of, strokes, *, transparent):
        sizes.append(len(z))
        return real(sketches, z, sketch_of, strokes, transparent=transparent)

    app = create_app({"tiny": tiny})
    bodies = [{"sketch": png(i), "seed": i, "variants": 1 + i % 3} for i in range(12)]

    def pixels(body: dict) -> np.ndarray:
        answer = app.test_client().post("/api/v1/translate", json=body)
        assert answer.status_code == 200
        photos = [base64.b64decode(image["png"]) for image in answer.json["images"]]
        return np.stack([np.asarray(Image.open(io.BytesIO(photo)), int) for photo in photos])

    tiny.translate_batch = watched  # type: ignore[method-assign]
    try:
        alone = [pixels(body) for body in bodies]
        assert sizes == [len(photos) for photos in alone]
        sizes.clear()
        with ThreadPoolExecutor(12) as pool:
            mixed = [photos for _ in range(4) for photos in pool.map(pixels, bodies)]
    finally:
        del tiny.translate_batch
    assert len(sizes) < len(mixed)  # some were together
    for one, other in zip(alone * 4, mixed, strict=True):
        assert np.abs(one - other).max() <= 1
    assert np.abs(alone[0][0] - alone[3][0]).max() > 20


def test_a_full_server_says_when_to_ask_again() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow:
        name, device, size_px, latent_size, directions = "slow", "cpu", 32, 4, ()
        encodes = judges = takes_strokes = False
        latent = staticmethod(lambda seed: latents.draw(seed, 4))

        def translate_batch(self, sketches, z, sketch_of, strokes=None, *, transparent=False):
            begun.set()
            assert go_on.wait(20)
            return np.zeros((len(z), 32, 32, 3), np.uint8)

    app = create_app({"slow": Slow()}, max_admitted=2)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            lambda: app.test_client().post("/api/v1/translate", json={"sketch": png(0), "variants": 2})
        )
        assert begun.wait(20)
        refused = app.test_client().post("/api/v1/translate", json={"sketch": png(1)})
        go_on.set()
        assert first.result(20).status_code == 200
    assert refused.status_code == 503 and int(refused.headers["Retry-After"]) >= 1
    assert refused.json["type"] == "urn:pix2pix:problem:saturated"
    figures = app.test_client().get("/metrics").text
    assert 'pix2pix_rejections_total{reason="saturated"} 1.0' in figures
    assert 'pix2pix_stage_seconds_count{model="slow",stage="inference"} 1.0' in figures
    assert 'pix2pix_batch_photos_sum{model="slow"} 2.0' in figures
    served = app.test_client().post("/api/v1/translate", json={"sketch": png(1)})
    assert served.status_code == 200
