"""The command line: `pix2pix COMMAND --help`. Commands parse and validate options, and call the library.

Exit codes: 0 success; 1 some items failed (stderr lists the reasons); 2 wrong usage, or all items failed; 130
interrupted. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

from importlib import import_module

import click

from app.cli.options import PlainErrors
from pix2pix import __version__

COMMANDS = (
    "arithmetic",
    "convert",
    "directions",
    "doctor",
    "encode",
    "evaluate",
    "export",
    "finish",
    "models",
    "morph",
    "prepare",
    "serve",
    "train",
)


class Commands(PlainErrors):
    """The command NAME is the function NAME of the module `app.cli.NAME`, imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns all names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Returns the command of that name, or None."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"app.cli.{name}"), name)
        return command


@click.group(cls=Commands, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s", help="Show the version and exit.")
def main() -> None:
    """Turn sketches into photos: draw in the browser, convert folders, train on your own photos."""
