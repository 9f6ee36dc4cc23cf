"""Runs the server of `pix2pix serve`: limits of connections, shutdown."""

from __future__ import annotations

import errno
import signal
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

from app.http import MAX_UPLOAD_BYTES
from app.http.batcher import MAX_ADMITTED
from pix2pix.errors import UsageError

# One for each photo that may be admitted (nearly all wait), and some to answer that the server is full.
THREADS = MAX_ADMITTED + 16
REQUEST_TIMEOUT_S = 60.0  # from a request's first byte to its last
STALLED_S = 30.0  # the longest time without progress in sending a response
DRAIN_S = 10.0
THREADS_END_S = 0.5  # idle threads end at once; those still computing after the drain are abandoned
LIMITS = {
    "connection_limit": 1000,
    "channel_timeout": 30,  # s without data before an idle connection is closed
    "channel_request_lookahead": 1,  # reads while a request is processed, which shows disconnects
    # above the app's own limit, which answers with a problem document; waitress buffers bodies on disk
    "max_request_body_size": 2 * MAX_UPLOAD_BYTES,
    # above this a thread waits for its client; 40 megapixels of photo and map in base64 are 370 MB
    "outbuf_high_watermark": 2**29,
    "clear_untrusted_proxy_headers": False,  # app.http.access reads them, behind trusted proxies only
}


class TimedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection with two more timeouts: for receiving one request, and for sending without progress.

    `channel_timeout` only closes connections without any data.
    """

    clock = staticmethod(time.monotonic)
    began = 0.0  # when the first byte of the current request arrived
    unsent, unsent_since = 0, 0.0  # bytes of responses, and when their number last changed

    def received(self, data: bytes) -> bool:
        """Processes received data; closes the connection of a request that takes too long."""
        before = self.request
        if before is not None and self.clock() - self.began > REQUEST_TIMEOUT_S:
            self.handle_close()
            return False
        result: bool = super().received(data)
        if self.request is not before:  # the data may end one request and begin the next
            self.began = self.clock()
        return result

    def writable(self) -> bool:
        """Returns whether there is data to send; closes a stalled connection. Called every second."""
        if self.total_outbufs_len != self.unsent:
            self.unsent, self.unsent_since = self.total_outbufs_len, self.clock()
        stalled = self.unsent > 0 and self.clock() - self.unsent_since > STALLED_S
        if stalled or self.unsent > self.adj.outbuf_high_watermark:  # above it, a thread waits
            self.handle_close()
            return False
        return bool(super().writable())


def listen(
    app: Flask, host: str, port: int, on_ready: Callable[[str], None], *, drain_s: float = DRAIN_S
) -> None:
    """Serves `app` until Ctrl-C or SIGTERM; calls `on_ready` with the URL once the port is open.

    After SIGTERM, requests in progress are finished, for at most `drain_s`; a second SIGTERM ends the server
    at once. Port 0 lets the system choose. Raises UsageError if the address cannot be used.
    """
    with _bound_socket(host, port) as bound:
        open_sockets: dict[int, Any] = {}
        server: Any = create_server(app, map=open_sockets, sockets=[bound], threads=THREADS, **LIMITS)
        server.channel_class = TimedChannel
        ended, draining = threading.Event(), threading.Event()

        def end() -> None:
            ended.set()
            server.pull_trigger()  # wakes the loop, which may be waiting for its sockets

        def drain() -> None:
            _finish_work(app, open_sockets, drain_s)
            end()

        def terminate(*_: object) -> None:
            if draining.is_set():
                end()
            else:
                draining.set()
                threading.Thread(target=drain, name="drain", daemon=True).start()

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminate)
        on_ready(_url(host, bound.getsockname()[1]))
        with suppress(KeyboardInterrupt):
            while not ended.is_set():  # poll, as select() takes no descriptor above 1023
                wasyncore.loop(timeout=1.0, use_poll=True, map=open_sockets, count=1)
        if ended.is_set():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # another one would kill the exiting interpreter
        server.task_dispatcher.shutdown(timeout=THREADS_END_S)
        wasyncore.close_all(open_sockets, ignore_all=True)  # of the server and of its clients


def _finish_work(app: Flask, open_sockets: Mapping[int, Any], drain_s: float) -> None:
    """Waits until admitted requests are finished and sent, while new ones are refused."""
    until = time.monotonic() + drain_s
    app.extensions["batcher"].close(drain_s)
    while time.monotonic() < until and any(
        channel.requests or channel.total_outbufs_len
        for channel in list(open_sockets.values())
        if isinstance(channel, TimedChannel)
    ):
        time.sleep(0.02)


def open_browser(url: str) -> None:
    """Opens the page without waiting: some browsers return only when they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _bound_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "is in use by another program; give another one with --port",
            errno.EACCES: "needs more rights than this user has; give one above 1023 with --port",
        }
        reason = reasons.get(error.errno or 0, f"cannot be opened: {error.strerror or error}")
        raise UsageError(f"port {port} on {host} {reason}") from error


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"
