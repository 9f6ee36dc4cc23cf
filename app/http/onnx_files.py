"""Models as ONNX files, built when they are asked for and kept for a while."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from werkzeug.exceptions import ServiceUnavailable

from pix2pix.errors import BundleError

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

KEPT = 2  # files of 15 MB; another one takes 0.2 s


@dataclass(frozen=True)
class OnnxFile:
    """A model as a browser gets it."""

    digest: str  # of the bundle it was made from
    data: bytes
    etag: str


class OnnxFiles:
    """The files asked for last. They are built one at a time: a build takes a core and 50 MB."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._kept: list[OnnxFile] = []

    def of(self, translator: Translator) -> OnnxFile:
        """The file of a model. Raises ServiceUnavailable while its bundle is not the one that was loaded."""
        with self._lock:
            known = [file for file in self._kept if file.digest == translator.digest]
            file = known[0] if known else build_file(translator)
            self._kept = [file, *(other for other in self._kept if other is not file)][:KEPT]
            return file


def build_file(translator: Translator) -> OnnxFile:
    """The ONNX file of a loaded model. Raises ServiceUnavailable as `OnnxFiles.of`."""
    from pix2pix.inference.export import build
    from pix2pix.model.bundle import digest_of

    path = translator.path
    try:
        if path is None or digest_of(path) != translator.digest:
            raise BundleError("its file is another one now")
        data, _ = build(path)
    except (BundleError, OSError) as error:
        raise ServiceUnavailable("This model is being replaced: ask again in a moment.") from error
    return OnnxFile(translator.digest, data, hashlib.sha256(data).hexdigest()[:32])
