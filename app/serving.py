"""A listening server, and how it ends: what `pix2pix serve` does."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

from app import MAX_UPLOAD_BYTES
from app.batcher import MAX_ADMITTED
from pix2pix.errors import UsageError

# One for each photo that may be worked on, nearly all of them waiting; and some to say that there is no room.
THREADS = MAX_ADMITTED + 16
REQUEST_TIMEOUT_S = 60.0  # from a request's first byte to its last
DRAIN_S = 10.0
LIMITS = {
    "connection_limit": 1000,
    "channel_timeout": 30,  # seconds that a connection may be silent
    "channel_request_lookahead": 1,  # reads on while it answers: so it is seen when a client has gone
    "max_request_body_size": 4
    * MAX_UPLOAD_BYTES,  # past the app's own limit, which answers with a problem document
}


class TimedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection. A request that trickles in is cut off: not only silence holds a server up."""

    began = 0.0

    def received(self, data: bytes) -> bool:
        """Take in what came, unless the request has taken too long already."""
        if self.request is None:
            self.began = time.monotonic()
        elif time.monotonic() - self.began > REQUEST_TIMEOUT_S:
            self.handle_close()
            return False
        taken: bool = super().received(data)
        return taken


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
        on_ready(_url(host, bound.getsockname()[1]))
        if threading.current_thread() is threading.main_thread():

            def drain(*_: object) -> None:
                signal.signal(signal.SIGTERM, signal.default_int_handler)
                threading.Thread(
                    target=_end_after_work, args=(app, open_sockets, drain_s), daemon=True
                ).start()

            signal.signal(signal.SIGTERM, drain)
        server.run()  # returns on KeyboardInterrupt, after its threads are done
        wasyncore.close_all(open_sockets, ignore_all=True)  # the listening one and those of its clients


def _end_after_work(app: Flask, open_sockets: Mapping[int, Any], drain_s: float) -> None:
    """Finish what was begun and send it, then end the server; new work is turned away meanwhile."""
    until = time.monotonic() + drain_s
    app.extensions["batcher"].close(drain_s)
    while time.monotonic() < until and any(
        channel.requests or channel.total_outbufs_len
        for channel in list(open_sockets.values())
        if isinstance(channel, TimedChannel)
    ):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)


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
