"""From bundles to a listening server: what `pix2pix serve` does."""

from __future__ import annotations

import errno
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from app import MAX_UPLOAD_BYTES
from pix2pix.errors import BundleError, BundleNotFound, UsageError

if TYPE_CHECKING:
    from pix2pix.translator import Translator

THREADS = 8
LIMITS = {
    "connection_limit": 1000,
    "channel_timeout": 30,  # seconds that a connection may be silent
    "max_request_body_size": 4
    * MAX_UPLOAD_BYTES,  # past the app's own limit, which answers with a problem document
}
DEFAULT_MODEL = "shoes"


def load_translators(models: Path | None, device: str, warn: Callable[[str], None]) -> dict[str, Translator]:
    """Every usable bundle by name, those in `models` first, then the default model.

    `warn` is told of each that cannot be used.

    Raises BundleNotFound if there is none, UsageError for a device that is not there.
    """
    from pix2pix.bundle import list_bundles, search_path
    from pix2pix.translator import load

    translators: dict[str, Translator] = {}
    named = set(models.glob("*")) if models else set()  # what was asked for comes before what ships
    order = sorted(
        list_bundles(models),
        key=lambda info: (info.path not in named, info.name != DEFAULT_MODEL, info.name),
    )
    for info in order:
        try:
            translators[info.name] = load(info.path, device=device)
        except BundleError as error:
            warn(f"Warning: model {info.name!r} is left out: {error}")
    if not translators:
        folders = ", ".join(str(folder) for folder in search_path(models)) or "any folder"
        raise BundleNotFound(f"no usable model in {folders}; train one, or name its folder with --models")
    return translators


def listen(app: Flask, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve `app` until Ctrl-C or SIGTERM; `on_ready` gets the URL once connections are taken.

    Port 0 lets the system choose. Raises UsageError if the address cannot be had.
    """
    with _bound_socket(host, port) as bound:
        open_sockets: dict[int, Any] = {}
        server: Any = create_server(app, map=open_sockets, sockets=[bound], threads=THREADS, **LIMITS)
        on_ready(_url(host, bound.getsockname()[1]))
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        server.run()  # returns on KeyboardInterrupt, after its threads are done
        wasyncore.close_all(open_sockets, ignore_all=True)  # the listening one and those of its clients


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
