"""From bundles to a listening server: what `pix2pix serve` does."""

from __future__ import annotations

import errno
import signal
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from waitress.server import create_server

from pix2pix.errors import BundleError, BundleNotFound, UsageError

if TYPE_CHECKING:
    from pix2pix.translator import Translator

THREADS = 8
DEFAULT_MODEL = "shoes"


def load_translators(models: Path | None, device: str, warn: Callable[[str], None]) -> dict[str, Translator]:
    """Every usable bundle by name, the default model first; `warn` is told of each that cannot be used.

    Raises BundleNotFound if there is none, UsageError for a device that is not there.
    """
    from pix2pix.bundle import list_bundles, search_path
    from pix2pix.translator import load

    translators: dict[str, Translator] = {}
    for info in sorted(list_bundles(models), key=lambda info: (info.name != DEFAULT_MODEL, info.name)):
        try:
            translators[info.name] = load(info.path, device=device)
        except BundleError as error:
            warn(f"Model {info.name!r} is left out: {error}")
    if not translators:
        folders = ", ".join(str(folder) for folder in search_path(models)) or "any folder"
        raise BundleNotFound(f"no usable model in {folders}; train one, or name its folder with --models")
    return translators


def listen(app: Flask, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve `app` until Ctrl-C or SIGTERM; `on_ready` gets the URL once connections are taken.

    Port 0 lets the system choose. Raises UsageError if the address cannot be had.
    """
    try:
        server: Any = create_server(app, host=host, port=port, threads=THREADS)
    except (OSError, ValueError) as error:
        raise UsageError(_why_not_listening(host, port, error)) from error
    on_ready(_url(host, _bound_port(server, port)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.run()  # returns on KeyboardInterrupt, after its threads are done
    server.close()


def open_browser(url: str) -> None:
    """Open the page without waiting: some browsers return only when they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _why_not_listening(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; choose another with --port"
    if number == errno.EACCES:
        return f"port {port} on {host} is not allowed to this user; choose one above 1023 with --port"
    return f"cannot listen on {host}, port {port}: {error}"


def _bound_port(server: Any, port: int) -> int:
    listening = getattr(
        server, "effective_listen", None
    )  # several sockets, where a name has several addresses
    return int(listening[0][1] if listening else getattr(server, "effective_port", port))


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"
