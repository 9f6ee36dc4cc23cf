"""Everything that can go wrong and is not our own bug.

    Pix2PixError
    ├── ImageError               a picture that cannot be used
    │   ├── UnreadableImage      empty, truncated, or not an image at all
    │   ├── UnsupportedImage     a readable image of a format or kind that is not accepted
    │   ├── ImageTooLarge        more pixels or bytes than the limit
    │   └── NoSubject            nothing is to be seen on it, or too little
    ├── PairsError               a pairs folder that is missing, empty or inconsistent
    ├── BundleError              a bundle that cannot be used
    │   ├── BundleNotFound       no bundle by that name or path
    │   └── CorruptBundle        a file that is not a whole, known bundle
    ├── ExportMismatch           an exported model that draws other pictures than its bundle
    ├── RunError                 a training run that cannot start or go on
    ├── FolderInUse              another process writes to the same folder
    ├── UsageError               arguments that contradict each other or are out of range
    ├── Saturated                more to do than the server takes on at a time
    │   └── ShuttingDown         it is to end, and takes on nothing more
    ├── DeadlineExceeded         the answer would have come too late
    └── Abandoned                nobody wants the answer any more

Messages say what came, what is allowed and, where there is something to do, what to do.
The package knows no HTTP: `app.http.problems` maps these classes to status codes.
"""


class Pix2PixError(Exception):
    """Root of the tree: catch this to catch everything a user can cause."""


class ImageError(Pix2PixError):
    """A picture that cannot be used."""


class UnreadableImage(ImageError):
    """The bytes are empty, truncated or not an image."""


class UnsupportedImage(ImageError):
    """The image is of a format or kind that is not accepted."""


class ImageTooLarge(ImageError):
    """The image has more pixels or bytes than the limit."""


class NoSubject(ImageError):
    """Nothing is to be seen on the photo, or too little."""


class PairsError(Pix2PixError):
    """A pairs folder is missing, empty or inconsistent."""


class BundleError(Pix2PixError):
    """A bundle cannot be used."""


class BundleNotFound(BundleError):
    """There is no bundle by that name or path."""


class CorruptBundle(BundleError):
    """The file is not a whole bundle of a known format."""


class ExportMismatch(Pix2PixError):
    """An exported model draws other pictures than the bundle that it was made of."""


class RunError(Pix2PixError):
    """A training run cannot start or go on."""


class FolderInUse(Pix2PixError):
    """Another process writes to the same folder at this moment."""


class UsageError(Pix2PixError):
    """Arguments contradict each other or are out of range."""


class Saturated(Pix2PixError):
    """There is more to do than the server takes on at a time."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        """`retry_after_s` is when to ask again."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ShuttingDown(Saturated):
    """The server is to end, and takes on nothing more."""


class DeadlineExceeded(Pix2PixError):
    """The answer would have come too late."""


class Abandoned(Pix2PixError):
    """Nobody wants the answer any more."""
