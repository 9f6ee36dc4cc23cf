"""The path under which the server is published, such as /sketch of https://host/sketch/."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pix2pix.errors import UsageError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Without a second slash at its start, which would name a host, and without . and .. as names.
PREFIX = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]{1,100}){1,8}")
OWN_PATH = re.compile(r"/(api|docs|static|healthz|readyz|metrics|openapi\.json)\b.*")


def check_prefix(prefix: str) -> str:
    """Returns `prefix` with a slash before it and none after it; "" for none.

    Raises UsageError if it is not a path, or begins as the server's own paths do.
    """
    path = "/" + prefix.strip("/")
    if path == "/":
        return ""
    if not PREFIX.fullmatch(path) or OWN_PATH.fullmatch(path):
        raise UsageError(
            f"--prefix {prefix!r} is not allowed: give a path of letters, digits and . _ ~ -, such as "
            "/sketch, that does not begin with a path of the server, such as /api or /healthz"
        )
    return path


class Prefix:
    """Middleware that makes links begin with a prefix: SCRIPT_NAME if a proxy has named it, else `prefix`.

    A proxy that names it has removed it from the path. `prefix` may still be in the path: it is removed here.
    """

    def __init__(self, app: WSGIApplication, prefix: str) -> None:
        """Wraps `app`; `prefix` is as `check_prefix` returns it."""
        self.app = app
        self.prefix = prefix

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers a request."""
        named = environ.get("SCRIPT_NAME", "").rstrip("/")
        if not PREFIX.fullmatch(named):
            named = self.prefix
            path = environ.get("PATH_INFO", "")
            if f"{path}/".startswith(f"{named}/"):
                environ["PATH_INFO"] = path.removeprefix(named) or "/"
        environ["SCRIPT_NAME"] = named
        return self.app(environ, start_response)
