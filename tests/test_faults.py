"""Malformed requests, failures and disconnects: after each, the next good request gets its photo."""

from __future__ import annotations

import json
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from conftest import TINY, save_untrained
from PIL import Image
from real_server import ask, connect, head, server
from web import b64, encoded, png

STORM = 500
ANSWER_WITHIN_S = 5.0
MAY_GROW_MIB = 48
NEITHER_KEPT_NOR_SERVED = {400, 404, 405, 408, 411, 413, 414, 415, 422, 431, 501, 505}

Upload = tuple[str, bytes]  # Content-Type, body


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_untrained(folder / "tiny.safetensors", TINY)
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    log = folder.parent / "serve.log"
    command = [str(Path(sys.executable).parent / "pix2pix"), "serve", "--port", "0", "--models", str(folder)]
    with log.open("w") as file:
        process = subprocess.Popen([*command, "--rate", "100000 per second"], stderr=file)
    try:
        until(lambda: "Draw at " in log.read_text(), within_s=60)
        yield process, log.read_text().split("Draw at ")[1].split()[0]
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], bool], within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def good(url: str) -> bytes:
    """The photo of a fixed sketch and seed."""
    status, body = ask(url, body={"sketch": b64(png()), "model": "tiny", "seed": 7})
    assert status == 200, body
    return json.loads(body)["images"][0]["png"].encode()


def resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


# Pictures that are none.


def picture(dice: random.Random) -> bytes:
    side = dice.randrange(16, 200)
    image = Image.frombytes("RGB", (side, side), dice.randbytes(side * side * 3))
    return encoded(image, dice.choice(["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"]))


def cut_short(dice: random.Random) -> bytes:
    data = picture(dice)
    return data[: dice.randrange(1, len(data) * 2 // 3)]


def fuzzed_header(dice: random.Random) -> bytes:
    data = bytearray(picture(dice))
    for _ in range(dice.randrange(1, 8)):
        data[dice.randrange(2, 12)] ^= dice.randrange(1, 256)
    return bytes(data)


def bomb(dice: random.Random) -> bytes:
    """A PNG of a few bytes whose header claims thousands of millions of pixels."""
    side = dice.randrange(10_000, 2**31 - 1)
    chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    ihdr = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    idat = struct.pack(">I", len(pixels) - 4) + pixels + struct.pack(">I", zlib.crc32(pixels))
    return b"\x89PNG\r\n\x1a\n" + ihdr + idat


def polyglot(dice: random.Random) -> bytes:
    """The beginning of one kind, the content of another."""
    magic = dice.choice([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x00\x01\x00\x00WEBP", b"GIF89a"])
    rest = dice.choice(
        [b"<script>alert(1)</script>", b"PK\x03\x04", b"%PDF-1.7", b"#!/bin/sh\nid\n", b"\x7fELF"]
    )
    return magic + rest * dice.randrange(1, 50)


def another_kind(dice: random.Random) -> bytes:
    return encoded(Image.new("RGB", (20, 20)), dice.choice(["BMP", "PPM", "ICO", "PDF", "JPEG2000", "TGA"]))


# Bodies that are none.


def form(name: str, data: bytes, boundary: str = "b0") -> Upload:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="../../etc/passwd"'
    body = f"--{boundary}\r\n{disposition}\r\n\r\n".encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def carried(dice: random.Random, data: bytes) -> Upload:
    as_json = "application/json", json.dumps({"sketch": b64(data)}).encode()
    return dice.choice([form("sketch", data), as_json, ("image/png", data)])


def broken_form(dice: random.Random) -> Upload:
    kind, body = form("sketch", png())
    return dice.choice(
        [
            ("multipart/form-data", body),
            ("multipart/form-data; boundary=another", body),
            (kind, body[: dice.randrange(1, 40)]),
            (kind, b""),
            (kind, body.replace(b"sketch", b"\xff\xfe\x00")),
            form("no such field", png()),
            form("model", dice.randbytes(30)),
        ]
    )


def another_type(dice: random.Random) -> Upload:
    kinds = [
        "text/plain",
        "video/png",
        "application/xml",
        "application/x-www-form-urlencoded",
        "",
        "\t;;=",
        "a" * 999,
    ]
    return dice.choice(kinds), png()


def wrong_json(dice: random.Random) -> Upload:
    sketch = b64(png())
    wrong = [
        {"sketch": dice.choice([1, None, [], {}, True, "", "data:,", "@@@@", "\ud800", sketch[:-3] + "!"])},
        {"sketch": sketch, "seed": dice.choice([-1, 2**31, 10**30, 1.5, "7", [7], True, {}])},
        {"sketch": sketch, "variants": dice.choice([0, 9, -1, 10**9, "2", None, 1.0001])},
        {"sketch": sketch, "z": dice.choice([[], [0.0], [1e9] * 4, ["1"] * 4, [None] * 4, {}, "0,0,0,0"])},
        {
            "sketch": sketch,
            "model": dice.choice(["", "../tiny", "tiny.safetensors", "/etc/passwd", 3, "\x00", "a" * 9999]),
        },
        {
            "sketch": sketch,
            "latents": dice.choice([[], [{}], [{"seed": 1, "z": [0.0] * 4}], [1], "all", [{"seed": 1}] * 9]),
        },
        {"sketch": sketch, "stream": dice.choice(["", "s" * 65, 5, []])},
        {"sketch": sketch, dice.choice(["", "__class__", "sketch2", "a" * 9999]): 1},
        {},
        [],
        dice.choice([None, 1, "sketch", True]),
    ]
    return "application/json", json.dumps(dice.choice(wrong)).encode()


def no_json(dice: random.Random) -> Upload:
    broken = [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"a":' * 20_000,
        b'{"sketch": NaN}',
        b"\x00" * 100,
        b'{"seed": 1e999}',
    ]
    return "application/json", dice.choice([*broken, dice.randbytes(300)])


UPLOADS: list[Callable[[random.Random], Upload]] = [
    lambda dice: carried(dice, cut_short(dice)),
    lambda dice: carried(dice, bomb(dice)),
    lambda dice: carried(dice, polyglot(dice)),
    lambda dice: carried(dice, another_kind(dice)),
    broken_form,
    another_type,
    wrong_json,
    no_json,
]


def send(url: str, upload: Upload, path: str) -> tuple[int, str, bytes]:
    """Post it to the server; return its status, Content-Type and body."""
    kind, body = upload
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    connection = HTTPConnection(host, int(port), timeout=ANSWER_WITHIN_S)
    try:
        connection.request("POST", path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_500_malformed_uploads_are_refused_and_change_nothing(
    served: tuple[subprocess.Popen, str],
) -> None:
    process, url = served
    dice = random.Random(6)
    photo, grown_from, accepted = good(url), 0.0, []
    for i in range(STORM):
        upload = UPLOADS[i % len(UPLOADS)](dice)
        status, kind, body = send(url, upload, dice.choice(["/api/v1/translate", "/api/v1/sketch"]))
        details = f"{i}: {status} {kind} {body[:200]!r} for {upload[0][:60]!r} {upload[1][:80]!r}"
        if status in NEITHER_KEPT_NOR_SERVED:
            assert kind == "application/problem+json" and json.loads(body)["status"] == status, details
        else:
            accepted.append(details)
        if i % 50 == 49:
            assert good(url) == photo
            grown_from = grown_from or resident_mib(process.pid)
    assert accepted == []
    assert resident_mib(process.pid) - grown_from < MAY_GROW_MIB


def test_a_header_that_is_fuzzed_is_a_picture_or_is_refused(
    served: tuple[subprocess.Popen, str],
) -> None:
    """A few flipped bits may leave a picture: then it is answered; nothing in between."""
    _, url = served
    dice, photo, statuses = random.Random(7), good(url), []
    for _ in range(100):
        status, *details = send(url, carried(dice, fuzzed_header(dice)), "/api/v1/translate")
        assert status == 200 or status in NEITHER_KEPT_NOR_SERVED, details
        statuses.append(status)
    assert good(url) == photo
    assert sum(status != 200 for status in statuses) > 50


REQUESTS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"GET\r\n\r\n",
    b"POST /api/v1/translate HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v1/translate HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /api/v1/translate HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /api/v1/translate HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v1/translate HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 300_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /static/../../pyproject.toml HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /static/%2e%2e/__init__.py HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n continued: yes\r\nA\x00B: c\r\n\r\n",
    b"DELETE /api/v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
    b"BREW /api/v1/translate HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: repr(request[:40]))
def test_what_is_no_http_gets_no_answer_or_a_refusal(
    served: tuple[subprocess.Popen, str], request_: bytes
) -> None:
    _, url = served
    with connect(url) as connection:
        connection.settimeout(ANSWER_WITHIN_S)
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    if answer:
        assert int(answer.split()[1]) in NEITHER_KEPT_NOR_SERVED, answer[:300]
        assert b"[project]" not in answer and b"create_app" not in answer
    assert good(url)


def test_those_who_hang_up_in_the_middle_of_a_body_hold_nothing_up(
    served: tuple[subprocess.Popen, str],
) -> None:
    _, url = served
    photo = good(url)
    for i in range(60):
        with connect(url) as connection:
            connection.sendall(head(5_000) + b"{" * (i * 80))
    assert good(url) == photo


def test_a_model_that_goes_while_it_is_used_answers_what_was_begun_and_may_come_back(
    served: tuple[subprocess.Popen, str], folder: Path
) -> None:
    _, url = served
    photo, bundle = good(url), folder / "passing.safetensors"
    bundle.write_bytes((folder / "tiny.safetensors").read_bytes())
    wanted = {"sketch": b64(png()), "model": "passing", "seed": 7}
    until(lambda: ask(url, body=wanted)[0] == 200)
    statuses, gone = [], threading.Event()

    def keep_asking() -> None:
        while not gone.is_set():
            status, body = ask(url, body=wanted)
            statuses.append(status)
            if status == 200:
                assert json.loads(body)["images"][0]["png"].encode() == photo
            else:
                assert status == 422 and b"passing" in body
                gone.set()

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking) for _ in range(4)]
        bundle.unlink()
        for one in asking:
            one.result(timeout=20)
    assert set(statuses) == {200, 422} and good(url) == photo
    bundle.write_bytes((folder / "tiny.safetensors").read_bytes())
    until(lambda: ask(url, body=wanted)[0] == 200)
    bundle.unlink()


def test_large_pictures_at_once_take_turns_and_their_memory_is_given_back(
    served: tuple[subprocess.Popen, str],
) -> None:
    """Regression: four such pictures were looked through side by side in 3 GB, of which two stayed."""
    process, url = served
    large = Image.new("L", (6000, 5000), 255)
    large.paste(0, (1000, 1000, 4000, 1100))
    body = {"sketch": b64(encoded(large, "PNG")), "model": "tiny"}
    before, peak, done = resident_mib(process.pid), 0.0, False
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, url, body=body) for _ in range(4)]
        while not done:
            done, peak = all(one.done() for one in asked), max(peak, resident_mib(process.pid))
            time.sleep(0.02)
    assert [one.result()[0] for one in asked] == [200] * 4
    assert peak < before + 1200
    until(lambda: resident_mib(process.pid) < before + 150)


def test_a_full_queue_turns_away_and_goes_on() -> None:
    with server(takes_s=0.3) as (_, url):
        with ThreadPoolExecutor(120) as pool:
            statuses = [status for status, _ in pool.map(lambda _: ask(url), range(120))]
        assert set(statuses) == {200, 503} and statuses.count(200) >= 64
        assert ask(url)[0] == 200


def test_under_load_sigterm_loses_nothing_that_was_admitted() -> None:
    """Every photo made reaches its client; requests before the signal are answered or refused."""
    answered: list[tuple[bool, int, bytes]] = []  # begun before the signal, status, body
    terminated = threading.Event()

    def keep_asking() -> None:
        status = 200
        while status == 200:
            before, body = not terminated.is_set(), b""
            try:
                status, body = ask(url)
            except (OSError, HTTPException):
                status = 0  # cut off, or the server is gone
            answered.append((before, status, body))

    with server(takes_s=0.05, fails="print(len(z), flush=True)") as (process, url):
        with ThreadPoolExecutor(12) as pool:
            asking = [pool.submit(keep_asking) for _ in range(12)]
            time.sleep(1.0)
            terminated.set()
            process.terminate()
            for one in asking:
                one.result(timeout=20)
        assert process.wait(10) == 0
        assert process.stdout
        made = sum(int(line) for line in process.stdout.read().split())
    assert made == sum(status == 200 for _, status, _ in answered) and made > 24
    for before, status, body in answered:
        assert status == 200 or (status == 503 and b"shutting-down" in body) or (status == 0 and not before)


def test_whatever_the_model_throws_the_next_request_is_answered() -> None:
    errors = "SystemExit('out'), KeyboardInterrupt(), MemoryError(), RuntimeError('boom')"
    with server(fails=f"if z[0, 0] > 90: raise ({errors})[int(z[0, 1])]") as (_, url):
        for error in 3 * [0, 1, 2, 3]:
            poisoned = {"sketch": b64(png()), "z": [99.0, error, 0.0, 0.0]}
            status, body = ask(url, body=poisoned)
            assert status in (500, 503) and b"Traceback" not in body and b"boom" not in body
            assert ask(url)[0] == 200
