"""A real server in a process of its own: how it ends, and what it does to those who dawdle."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from real_server import ask, connect, head, server
from web import b64, png


def test_sigterm_finishes_what_was_begun_turns_the_rest_away_and_exits_0() -> None:
    with server(takes_s=1.0) as (process, url), ThreadPoolExecutor(3) as pool:
        assert ask(url, "readyz")[0] == 200
        begun = [pool.submit(ask, url) for _ in range(3)]
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert ask(url, "readyz")[0] == 503 and ask(url, "healthz")[0] == 200
        status, problem = ask(url)
        assert status == 503 and b"shutting down" in problem
        answers = [one.result() for one in begun]
        assert [status for status, _ in answers] == [200] * 3
        assert all(json.loads(body)["images"] for _, body in answers)
        assert process.wait(10) == 0


def test_sigterm_waits_no_longer_than_it_may() -> None:
    with server(takes_s=30.0, drain_s=0.5) as (process, url):
        threading.Thread(target=lambda: _ignore(url), daemon=True).start()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10


def _ignore(url: str) -> None:
    with pytest.raises(OSError):  # the connection is cut
        ask(url)


def test_a_body_that_trickles_is_cut_off_and_others_are_served() -> None:
    with server() as (_, url):
        dawdlers = [connect(url) for _ in range(100)]
        for one in dawdlers:
            one.sendall(head(5000))
        until, cut = time.monotonic() + 10, set()
        while len(cut) < len(dawdlers) and time.monotonic() < until:
            for one in set(dawdlers) - cut:
                try:
                    one.sendall(b" ")
                except OSError:
                    cut.add(one)
            assert ask(url)[0] == 200
            time.sleep(0.1)
        for one in dawdlers:
            one.close()
        assert len(cut) == len(dawdlers)


def test_a_client_that_hangs_up_costs_no_inference() -> None:
    with server(takes_s=0.5) as (_, url), ThreadPoolExecutor(1) as pool:
        body = json.dumps({"sketch": b64(png()), "stream": "a"}).encode()
        first = pool.submit(ask, url)  # the device is busy
        time.sleep(0.2)
        for _ in range(5):
            with connect(url) as gone:
                gone.sendall(head(len(body)) + body)
                time.sleep(0.02)
        assert first.result()[0] == 200
        assert ask(url)[0] == 200
        figures = ask(url, "metrics")[1].decode()
        dropped = [line for line in figures.splitlines() if line.startswith("pix2pix_rejections_total")]
        assert sum(float(line.split()[-1]) for line in dropped) == 5
        assert 'pix2pix_batch_photos_sum{model="slow"} 2.0' in figures
