"""A listening server, and how it ends: what `pix2pix serve` does."""

from __future__ import annotations

import ctypes
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

# One for each photo that may be worked on, nearly all of them waiting; and some to say that there is no room.
THREADS = MAX_ADMITTED + 16
REQUEST_TIMEOUT_S = 60.0  # from a request's first byte to its last
STALLED_S = 30.0  # that a client may take nothing of what it asked for
DRAIN_S = 10.0
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3  # of malloc.h
LET_GO_S = 0.5  # idle threads end at once; who computes longer than the drain is not waited for
LIMITS = {
    "connection_limit": 1000,
    "channel_timeout": 30,  # seconds that a connection may be silent
    "channel_request_lookahead": 1,  # reads on while it answers: so it is seen when a client has gone
    # past the app's own limit, which answers with a problem document; what comes is kept on disk
    "max_request_body_size": 2 * MAX_UPLOAD_BYTES,
    # a thread waits for its client beyond this; 40 megapixels of photo and map in base64 are 370 MB
    "outbuf_high_watermark": 2**29,
    "clear_untrusted_proxy_headers": False,  # app.http.access reads them, behind proxies of one's own only
}


class TimedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection. Who lets a request trickle in, or does not take the answer, is cut off.

    Not only silence holds a server up.
    """

    clock = staticmethod(time.monotonic)
    began = 0.0  # when the request that is read began
    unsent, unsent_since = 0, 0.0  # bytes of answers, and when they were last more or fewer

    def received(self, data: bytes) -> bool:
        """Take in what came, unless the request has taken too long already."""
        before = self.request
        if before is not None and self.clock() - self.began > REQUEST_TIMEOUT_S:
            self.handle_close()
            return False
        taken: bool = super().received(data)
        if self.request is not before:  # the data may end one request and begin the next
            self.began = self.clock()
        return taken

    def writable(self) -> bool:
        """Whether there is something to send; the loop asks every second at least."""
        if self.total_outbufs_len != self.unsent:
            self.unsent, self.unsent_since = self.total_outbufs_len, self.clock()
        stalled = self.unsent > 0 and self.clock() - self.unsent_since > STALLED_S
        if stalled or self.unsent > self.adj.outbuf_high_watermark:  # the latter holds a thread
            self.handle_close()
            return False
        return bool(super().writable())


def listen(
    app: Flask, host: str, port: int, on_ready: Callable[[str], None], *, drain_s: float = DRAIN_S
) -> None:
    """Serve `app` until Ctrl-C or SIGTERM; `on_ready` gets the URL once connections are taken.

    After SIGTERM what was begun is finished, for `drain_s` at the longest; a second one ends it at once.
    Port 0 lets the system choose. Raises UsageError if the address cannot be had.
    """
    with _bound_socket(host, port) as bound:
        open_sockets: dict[int, Any] = {}
        server: Any = create_server(app, map=open_sockets, sockets=[bound], threads=THREADS, **LIMITS)
        server.channel_class = TimedChannel
        ended, draining = threading.Event(), threading.Event()

        def end() -> None:
            ended.set()
            server.pull_trigger()  # the loop may be waiting for its sockets

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
            while not ended.is_set():  # by poll: select() takes no descriptor above 1023
                wasyncore.loop(timeout=1.0, use_poll=True, map=open_sockets, count=1)
        if ended.is_set():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the interpreter's own end is deadly to one more
        server.task_dispatcher.shutdown(timeout=LET_GO_S)
        wasyncore.close_all(open_sockets, ignore_all=True)  # the listening one and those of its clients


def _finish_work(app: Flask, open_sockets: Mapping[int, Any], drain_s: float) -> None:
    """Finish what was begun and send it; new work is turned away meanwhile."""
    until = time.monotonic() + drain_s
    app.extensions["batcher"].close(drain_s)
    while time.monotonic() < until and any(
        channel.requests or channel.total_outbufs_len
        for channel in list(open_sockets.values())
        if isinstance(channel, TimedChannel)
    ):
        time.sleep(0.02)


def give_memory_back() -> None:
    """Have glibc return what large pictures took: each of many threads would keep its own for ever.

    Before any thread is started. Other C libraries are left alone.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 2**20)  # blocks of a megabyte and more are the system's again once freed


def open_browser(url: str) -> None:
    """Open the page without waiting: some browsers return only when they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _bound_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "is in use by another program; choose another with --port",
            errno.EACCES: "is not allowed to this user; choose one above 1023 with --port",
        }
        reason = reasons.get(error.errno or 0, f"cannot be listened on: {error.strerror or error}")
        raise UsageError(f"port {port} on {host} {reason}") from error


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"
