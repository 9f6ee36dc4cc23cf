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
from pix2pix.errors import UsageError


@click.command()
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for every one of this machine."
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
    help="What clients have to know: Authorization: Bearer TOKEN. Better in PIX2PIX_TOKEN than here.",
)
@click.option("--public", is_flag=True, help="Let others than this machine ask without a token.")
@click.option(
    "--behind-proxy",
    "proxies",
    type=click.IntRange(0, 10),
    default=0,
    help="Proxies of yours in front, whose word on the client's address is taken.",
)
@click.option(
    "--rate", default=RATE, help='How often each client may ask, such as "60 per second;1000 per hour".'
)
@click.option(
    "--drain", type=Duration(), default="10s", help="How long what was begun may take to end after SIGTERM."
)
@click.option(
    "--log-format",
    type=click.Choice(["plain", "json"]),
    default="plain",
    help="Lines to read, or JSON objects.",
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
    proxies: int,
    rate: str,
    drain: float,
    log_format: str,
) -> None:
    """Serve the canvas and the HTTP API with every model that can be loaded."""
    if not (token or public or is_loopback(host)):
        raise UsageError(
            f"--host {host} lets others than this machine ask: give a --token that they have to know, or say "
            "--public"
        )
    if rate:
        rate_in_words(rate)  # before models are loaded: it may say nothing

    serving.give_memory_back()

    def say(words: str) -> None:
        if log_format == "json":
            logging.getLogger("pix2pix serve").info(words)
        else:
            click.echo(words, err=True)

    def ready(url: str) -> None:
        page = f"{url}?token={quote(token)}" if token else url
        shown = page if sys.stderr.isatty() or not token else f"{url}?token=..."  # a log is no place for it
        say(f"Draw at {shown} (models: {', '.join(translators)}; Ctrl-C ends it)")
        if open_page:
            serving.open_browser(page)

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())
    translators = Models(models, device, say, engine)
    translators.watch()
    app = create_app(translators, token=token, rate=rate, proxies=proxies)
    serving.listen(app, host, port, ready, drain_s=drain)
