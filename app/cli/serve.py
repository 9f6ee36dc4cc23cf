"""`pix2pix serve`: the canvas and the HTTP API."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from urllib.parse import quote

import click

from app.cli.options import Duration, device_option, engine_option, models_option
from app.http import create_app, serving
from app.http.access import RATE, is_loopback, rate_in_words
from app.http.middleware import JsonLines
from app.http.models import Models
from app.http.origins import check_origins
from app.http.prefix import check_prefix
from pix2pix.errors import UsageError
from pix2pix.memory import return_freed_memory


@click.command()
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all addresses of this machine."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="Port; 0 takes any free one.")
@models_option
@device_option
@engine_option
@click.option("--open", "open_page", is_flag=True, help="Open the canvas in the browser.")
@click.option(
    "--token",
    envvar="PIX2PIX_TOKEN",
    show_default="none",
    help="Clients must send it as Authorization: Bearer TOKEN. PIX2PIX_TOKEN hides it from process lists.",
)
@click.option("--public", is_flag=True, help="Let other machines use the service without a token.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    show_default="none",
    metavar="ORIGIN",
    help="Origin of a page of your own that may use the API, such as https://shop.example; repeatable. '*' "
    "allows every page, without a token only.",
)
@click.option(
    "--behind-proxy",
    "proxies",
    type=click.IntRange(0, 10),
    default=0,
    help="Number of your own proxies in front, whose client addresses are trusted.",
)
@click.option(
    "--prefix",
    default="",
    show_default="none",
    metavar="PATH",
    help="Path under which a proxy publishes the server, such as /sketch; the proxy may take it away or not.",
)
@click.option("--rate", default=RATE, help='Limit for each client, such as "60 per second;1000 per hour".')
@click.option(
    "--drain",
    type=Duration(),
    default="10s",
    help="How long requests in progress may take to finish after SIGTERM.",
)
@click.option(
    "--log-format",
    type=click.Choice(["plain", "json"]),
    default="plain",
    help="Log lines as text or as JSON objects.",
)
def serve(
    host: str,
    port: int,
    models: Path | None,
    device: str,
    engine: str,
    open_page: bool,
    token: str | None,
    public: bool,
    origins: tuple[str, ...],
    proxies: int,
    prefix: str,
    rate: str,
    drain: float,
    log_format: str,
) -> None:
    """Serve the canvas and the HTTP API with every model that can be loaded."""
    if not (token or public or is_loopback(host)):
        raise UsageError(
            f"--host {host} can be reached from other machines: give a --token that clients must send, or "
            "--public"
        )
    if rate:
        rate_in_words(rate)  # validates it before models are loaded
    check_origins(origins, token)
    prefix = check_prefix(prefix)

    return_freed_memory()

    def say(message: str) -> None:
        if log_format == "json":
            logging.getLogger("pix2pix serve").info(message)
        else:
            click.echo(message, err=True)

    def ready(url: str) -> None:
        url += f"{prefix}/".lstrip("/")
        page = f"{url}?token={quote(token)}" if token else url
        shown = page if sys.stderr.isatty() or not token else f"{url}?token=..."  # keeps it out of log files
        say(f"Draw at {shown} (models: {', '.join(translators)}; Ctrl-C stops the server)")
        if open_page:
            serving.open_browser(page)

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())
    translators = Models(models, device, say, engine)
    translators.watch()
    app = create_app(
        translators, token=token, rate=rate, proxies=proxies, prefix=prefix, allow_origins=origins
    )
    serving.listen(app, host, port, ready, drain_s=drain)
