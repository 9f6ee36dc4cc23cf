"""A real server in a process of its own: how it ends, and what it does to those who dawdle."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from real_server import ask, connect, head, server
from waitress.adjustments import Adjustments
from waitress.channel import ClientDisconnected
from web import b64, png

from app.http import serving


@pytest.mark.alone
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


@pytest.mark.alone
def test_sigterm_waits_no_longer_than_it_may() -> None:
    with server(takes_s=30.0, drain_s=0.5) as (process, url):
        threading.Thread(target=lambda: _ignore(url), daemon=True).start()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 5


@pytest.mark.alone
def test_sigterm_again_and_again_ends_it_at_once_and_well() -> None:
    """Regression: waitress waited 5 s more for its threads, and a signal meanwhile made it end with 130."""
    with server(takes_s=30.0, drain_s=20.0) as (process, url):
        threading.Thread(target=lambda: _ignore(url), daemon=True).start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        while ask(url, "readyz")[0] == 200:
            time.sleep(0.01)
        began = time.monotonic()
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        assert process.returncode == 0 and time.monotonic() - began < 5
        assert process.stderr and "Traceback" not in process.stderr.read()


def _ignore(url: str) -> None:
    with pytest.raises(OSError):  # the connection is cut
        ask(url)


@pytest.mark.alone
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


@pytest.mark.alone
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


def test_descriptors_above_1023_are_served() -> None:
    """Regression: the loop waited with select(), which takes no more, and the process ended."""
    hold = "sys.held = [os.dup(0) for _ in range(1100)]"
    with server(fails=f"sys.__dict__.get('held') or exec({hold!r})") as (process, url):
        assert ask(url)[0] == 200
        with connect(url), connect(url), connect(url):  # on the descriptors that were free
            assert ask(url)[0] == 200
        assert process.poll() is None


@pytest.mark.parametrize(("proxies", "statuses"), [(0, [200, 429, 429]), (1, [200, 200, 200])])
def test_a_proxy_says_who_asks_where_there_is_one(proxies: int, statuses: list[int]) -> None:
    """Regression: the server took the headers away before the app could read them."""
    with server(rate="1 per minute", proxies=proxies) as (_, url):
        received = [ask(url, "api/v1/models", **{"X-Forwarded-For": f"10.0.0.{i}"})[0] for i in range(3)]
        assert received == statuses


# --------------------------------------------------------------------------- one connection, by another clock


@pytest.fixture
def connection() -> Iterator[tuple[serving.TimedChannel, socket.socket, list[float]]]:
    """The server's end, the client's, and what time it is."""
    ours, theirs = socket.socketpair()
    owner = SimpleNamespace(active_channels={}, add_task=lambda _: None, pull_trigger=lambda: None)
    channel = serving.TimedChannel(owner, ours, ("", 0), Adjustments(), map={})
    now = [1000.0]
    channel.clock = lambda: now[0]
    yield channel, theirs, now
    channel.handle_close()
    theirs.close()


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def test_requests_in_a_row_are_not_slow_because_each_begins_in_the_packet_of_the_last(connection) -> None:
    """Regression: of a pipeline whose packets never end where a request does, only the first was timed."""
    channel, _, now = connection
    for _ in range(10):
        assert channel.received(GET[20:] + GET[:20] if channel.request else GET + GET[:20])
        now[0] += 10
    assert channel.connected and len(channel.requests) == 10
    now[0] += serving.REQUEST_TIMEOUT_S
    assert not channel.received(GET[20:]) and not channel.connected


def test_who_does_not_take_the_answer_is_cut_off_and_who_takes_it_slowly_is_not(connection) -> None:
    """Regression: a connection was closed only when it could be written to, which it never was again."""
    channel, theirs, now = connection
    channel.write_soon(bytes(10_000_000))
    for _ in range(20):
        assert channel.writable() and channel.connected
        now[0] += serving.STALLED_S - 1
        theirs.recv(200_000)
        channel.handle_write()
    assert channel.writable()
    now[0] += serving.STALLED_S + 1
    assert not channel.writable() and not channel.connected


def test_who_asks_for_more_than_it_takes_holds_no_thread(connection) -> None:
    channel, _, _ = connection
    channel.adj.outbuf_high_watermark = 1_000_000
    channel.write_soon(bytes(10_000_000))
    with ThreadPoolExecutor(1) as pool:
        more = pool.submit(channel.write_soon, bytes(10))  # waits
        while not more.done():
            channel.writable()
        with pytest.raises(ClientDisconnected):
            more.result(20)


def test_a_json_log_is_json_throughout_and_no_log_has_the_token(tmp_path: Path) -> None:
    """Regression: the address with the token, and warnings of broken models, were plain lines among them."""
    (tmp_path / "broken.safetensors").write_bytes(b"no bundle")
    pix2pix = str(Path(sys.executable).with_name("pix2pix"))
    options = ["--port", "0", "--models", str(tmp_path), "--token", "s3cret", "--log-format"]
    for kind in ("plain", "json"):
        with subprocess.Popen(
            [pix2pix, "serve", *options, kind], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "Draw at" in line:
                    process.terminate()
        messages = [json.loads(line)["message"] if kind == "json" else line for line in lines]
        assert any("broken" in line for line in messages) and any(
            "/?token=... (models:" in line for line in messages
        )
        assert "s3cret" not in "".join(lines) and process.returncode == 0
