"""`pix2pix serve`: serves the canvas and the HTTP API."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from urllib.parse import quote

import click

from app.cli.options import Duration, device_option, engine_option, models_option
from app.http import create_app, serving
from app.http.access import LOOPBACK, RATE, is_loopback, rate_in_words
from app.http.middleware import JsonLines
from app.http.models import Models
from app.http.origins import check_origins
from app.http.prefix import check_prefix
from pix2pix.errors import UsageError
from pix2pix.memory import return_freed_memory


@click.command()
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 listens on all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="Port to listen on; 0 selects a free one."
)
@models_option
@device_option
@engine_option
@click.option("--open", "open_page", is_flag=True, help="Open the canvas in the browser.")
@click.option(
    "--token",
    envvar="PIX2PIX_TOKEN",
    show_default="none",
    help="Token that clients must send. PIX2PIX_TOKEN sets it without showing it in the process list.",
)
@click.option("--public", is_flag=True, help="Allow other machines without a token.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    show_default="none",
    metavar="ORIGIN",
    help="Origin of another web page that may use the API, such as https://shop.example; repeatable. '*' "
    "allows all pages and cannot be combined with a token.",
)
@click.option(
    "--behind-proxy",
    "proxies",
    type=click.IntRange(0, 10),
    default=0,
    help="Number of trusted proxies in front of the server; their X-Forwarded-* headers are used.",
)
@click.option(
    "--prefix",
    default="",
    show_default="none",
    metavar="PATH",
    help="Path under which a proxy publishes the server, such as /sketch.",
)
@click.option(
    "--rate", default=RATE, help='Rate limit of each client, such as "60 per second;1000 per hour".'
)
@click.option(
    "--drain",
    type=Duration(),
    default="10s",
    help="Time that running requests have to finish after SIGTERM.",
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
    """Serve the canvas and the HTTP API with all models that are found."""
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
        translators,
        token=token,
        rate=rate,
        proxies=proxies,
        prefix=prefix,
        allow_origins=origins,
        hosts=() if token or public or proxies or prefix else tuple(dict.fromkeys((host, *LOOPBACK))),
    )
    serving.listen(app, host, port, ready, drain_s=drain)
