"""Errors that a user can cause. Bugs of this project raise AssertionError or another built-in error.

    Pix2PixError
    ├── ImageError               a picture that cannot be used
    │   ├── UnreadableImage      empty, truncated, or not an image
    │   ├── UnsupportedImage     a readable image of a format or kind that is not accepted
    │   ├── ImageTooLarge        more pixels or bytes than the limit
    │   └── NoSubject            a photo without a subject, or with too small a one
    ├── PairsError               a pairs folder that is missing, empty or inconsistent
    ├── BundleError              a bundle that cannot be used
    │   ├── BundleNotFound       no bundle by that name or path
    │   └── CorruptBundle        a file that is not a complete bundle of a known format
    ├── ExportMismatch           an exported model whose pictures differ from its bundle's
    ├── RunError                 a training run that cannot start or continue
    ├── FolderInUse              another process writes to the same folder
    ├── UsageError               arguments that contradict each other or are out of range
    ├── Saturated                the server's queue is full
    │   └── ShuttingDown         the server is shutting down
    ├── DeadlineExceeded         the deadline of a request has passed
    └── Abandoned                the client no longer waits for the response

Messages name the received value, the allowed values and, if there is one, the remedy.
`app.http.problems` maps these classes to HTTP status codes.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Pix2PixError(Exception):
    """Base class of all errors that a user can cause."""


class ImageError(Pix2PixError):
    """A picture that cannot be used."""


class UnreadableImage(ImageError):
    """The bytes are empty, truncated or not an image."""


class UnsupportedImage(ImageError):
    """The image is of a format or kind that is not accepted."""


class ImageTooLarge(ImageError):
    """The image has more pixels or bytes than the limit."""


class NoSubject(ImageError):
    """The photo has no subject, or too small a one."""


@contextmanager
def about(picture: str) -> Iterator[None]:
    """Puts the name of a picture before the message of an ImageError: there are others beside it."""
    try:
        yield
    except ImageError as error:
        raise type(error)(f"{picture}: {error}") from error


class PairsError(Pix2PixError):
    """A pairs folder is missing, empty or inconsistent."""


class BundleError(Pix2PixError):
    """A bundle cannot be used."""


class BundleNotFound(BundleError):
    """There is no bundle of that name or path."""


class CorruptBundle(BundleError):
    """The file is not a complete bundle of a known format."""


class ExportMismatch(Pix2PixError):
    """The pictures of an exported model differ from those of its bundle."""


class RunError(Pix2PixError):
    """A training run cannot start or continue."""


class FolderInUse(Pix2PixError):
    """Another process writes to the same folder."""


class UsageError(Pix2PixError):
    """Arguments contradict each other or are out of range."""


class Saturated(Pix2PixError):
    """The server's queue is full."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        """The client may try again after `retry_after_s`."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ShuttingDown(Saturated):
    """The server is shutting down and accepts no more requests."""


class DeadlineExceeded(Pix2PixError):
    """The deadline of a request has passed."""


class Abandoned(Pix2PixError):
    """The client no longer waits for the response."""
