"""The served models: translators of all bundles found, reloaded when files change, and their ONNX files.

models = Models(folder, "auto", warn)
models.watch()
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, ItemsView, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from werkzeug.exceptions import ServiceUnavailable

from pix2pix.errors import BundleError, BundleNotFound, Pix2PixError, UsageError

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

DEFAULT_MODEL = "shoes"
LOOK_EVERY_S = 2.0
SETTLED_S = 1.0  # a file that changed less than this ago may be incomplete
CACHED_ONNX_FILES = 2  # of 12 MB; building another takes 0.2 s

Stamp = tuple[Path, int, int, int]  # a file's path, inode, size, and time of modification in ns


class Models(Mapping[str, "Translator"]):
    """Translators by name; the first one is the default. Safe to use from many threads."""

    def __init__(
        self, folder: Path | None, device: str, warn: Callable[[str], None], engine: str = "auto"
    ) -> None:
        """Loads all bundles; those in `folder` come first, then the default model.

        `warn` gets one message for each bundle that cannot be loaded. Raises BundleNotFound if none can,
        UsageError if the device is not available.
        """
        self._folder, self._device, self._engine, self._warn = folder, device, engine, warn
        self._stamp_of: dict[str, Stamp] = {}  # of the loaded models
        self._refused: dict[Stamp, Exception] = {}
        self._loaded: dict[str, Translator] = {}  # replaced, never modified: readers need no lock
        self.look(settled_s=0.0)
        if not self._loaded:
            from pix2pix.model.bundle import search_path

            for error in self._refused.values():
                if isinstance(error, UsageError):
                    raise error
            folders = ", ".join(str(path) for path in search_path(folder)) or "any folder"
            raise BundleNotFound(
                f"there is no usable model in {folders}; train one, or give its folder with --models"
            )

    def __getitem__(self, name: str) -> Translator:
        """Returns the translator of that name. Raises KeyError."""
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Iterates over the names."""
        return iter(self._loaded)

    def __len__(self) -> int:
        """Returns the number of models."""
        return len(self._loaded)

    def items(self) -> ItemsView[str, Translator]:
        """Returns a snapshot of names and translators, which does not change during iteration."""
        return self._loaded.items()

    def watch(self) -> None:
        """Starts a thread that calls `look` every two seconds until the process ends."""
        threading.Thread(target=self._watch, name="models", daemon=True).start()

    def look(self, settled_s: float = SETTLED_S) -> None:
        """Loads new and changed bundles, except files modified within `settled_s`; drops those deleted."""
        stamps_of = self._find_stamps()
        loaded = {name: translator for name, translator in self._loaded.items() if name in stamps_of}
        for name, stamps in stamps_of.items():
            translator = self._choose(name, stamps, loaded.get(name), settled_s)
            if translator is not None:
                loaded[name] = translator
        found = {stamp for stamps in stamps_of.values() for stamp in stamps}
        self._stamp_of = {name: stamp for name, stamp in self._stamp_of.items() if name in stamps_of}
        self._refused = {stamp: error for stamp, error in self._refused.items() if stamp in found}
        self._loaded = loaded

    def _choose(
        self, name: str, stamps: list[Stamp], loaded: Translator | None, settled_s: float
    ) -> Translator | None:
        """The translator of the first usable one of the files with that name.

        While a model is loaded, only the first file is tried; if it is broken, the loaded model stays.
        """
        for stamp in stamps:
            if stamp == self._stamp_of.get(name):
                break
            if 0 <= time.time_ns() - stamp[-1] < settled_s * 1e9:  # clocks of other machines may be ahead
                break
            if stamp not in self._refused:
                try:
                    loaded = self._load(stamp[0])
                    self._stamp_of[name] = stamp
                    break
                except Exception as error:  # any: a broken file must not stop the other models
                    self._refused[stamp] = error
                    why = error if isinstance(error, Pix2PixError) else f"{stamp[0]}: {error!r}"
                    result = "is left out" if loaded is None else "keeps its loaded version"
                    self._warn(f"Warning: model {name!r} {result}: {why}")
            if loaded is not None:
                break
        return loaded

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            try:
                self.look()
            except Exception as error:  # a folder that cannot be read now may be readable later
                self._warn(f"Warning: cannot look for models: {error}")

    def _find_stamps(self) -> dict[str, list[Stamp]]:
        """The files of each name, those with precedence first; the names as they are listed."""
        from pix2pix.model.bundle import bundle_files

        found: dict[str, list[Stamp]] = {}
        for path in bundle_files(self._folder):
            try:
                status = path.stat()
            except OSError:  # deleted meanwhile, or a broken link
                continue
            stamp = (path, status.st_ino, status.st_size, status.st_mtime_ns)
            found.setdefault(path.stem, []).append(stamp)
        first_folder = self._folder.resolve() if self._folder else None
        return dict(
            sorted(
                found.items(),
                key=lambda item: (
                    item[1][0][0].parent.resolve() != first_folder,
                    item[0] != DEFAULT_MODEL,
                    item[0],
                ),
            )
        )

    def _load(self, path: Path) -> Translator:
        """A translator that has generated one photo: the first one takes longer than the others."""
        from pix2pix.inference.translator import load

        translator = load(path, device=self._device, engine=self._engine)
        page = np.full((1, translator.size_px, translator.size_px), 255, np.uint8)
        translator.translate_batch(page, translator.latent(0)[None])
        return translator


@dataclass(frozen=True)
class OnnxFile:
    """A model as an ONNX file, for browsers; `digest` is that of its bundle."""

    digest: str
    data: bytes
    etag: str


class OnnxFiles:
    """A cache of ONNX files. They are built one at a time: building uses one core and 50 MB."""

    def __init__(self) -> None:
        """Creates an empty cache."""
        self._lock = threading.Lock()
        self._cached: list[OnnxFile] = []  # most recently used first

    def of(self, translator: Translator) -> OnnxFile:
        """Returns the file of a model. Raises ServiceUnavailable if its bundle has changed since loading."""
        with self._lock:
            cached = [file for file in self._cached if file.digest == translator.digest]
            file = cached[0] if cached else build_onnx_file(translator)
            self._cached = [file, *(other for other in self._cached if other is not file)][:CACHED_ONNX_FILES]
            return file


def build_onnx_file(translator: Translator) -> OnnxFile:
    """Returns the ONNX file of a loaded model. Raises ServiceUnavailable as `OnnxFiles.of`."""
    from pix2pix.inference.export import build
    from pix2pix.model.bundle import digest_of

    path = translator.path
    try:
        if path is None or digest_of(path) != translator.digest:
            raise BundleError("its file has changed")
        data, _ = build(path)
    except (BundleError, OSError) as error:
        raise ServiceUnavailable("This model is being replaced: try again in a moment.") from error
    return OnnxFile(translator.digest, data, hashlib.sha256(data).hexdigest()[:32])
