"""The models that are served: every bundle that can be found, also those that come or change while it runs.

models = Models(folder, "auto", warn)
models.watch()
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pix2pix.errors import BundleError, BundleNotFound

if TYPE_CHECKING:
    from pix2pix.translator import Translator

DEFAULT_MODEL = "shoes"
LOOK_EVERY_S = 2.0
SETTLED_S = 1.0  # a file that changed so lately may still be written

Stamp = tuple[Path, int, int, int]  # a file and what changes when it is written: inode, size, time in ns


class Models(Mapping[str, "Translator"]):
    """Translators by name, ready and warm; the first one is the default. Safe to use from many threads."""

    def __init__(
        self, folder: Path | None, device: str, warn: Callable[[str], None], engine: str = "auto"
    ) -> None:
        """Load what is there: what lies in `folder` comes first, then the default model.

        `warn` is told of each that cannot be used, once. Raises BundleNotFound if there is none, UsageError
        for a device that is not there.
        """
        self._folder, self._device, self._engine, self._warn = folder, device, engine, warn
        self._known: dict[str, Stamp] = {}  # loaded or refused
        self._loaded: dict[str, Translator] = {}  # replaced, never changed: who reads it needs no lock
        self.look(settled_s=0.0)
        if not self._loaded:
            from pix2pix.bundle import search_path

            folders = ", ".join(str(path) for path in search_path(folder)) or "any folder"
            raise BundleNotFound(f"no usable model in {folders}; train one, or name its folder with --models")

    def __getitem__(self, name: str) -> Translator:
        """Raises KeyError for a name that is not there."""
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """The names there are now."""
        return iter(self._loaded)

    def __len__(self) -> int:
        """How many there are now."""
        return len(self._loaded)

    def watch(self) -> None:
        """Look again every two seconds, as long as the process lives."""
        threading.Thread(target=self._watch, name="models", daemon=True).start()

    def look(self, settled_s: float = SETTLED_S) -> None:
        """Take in what has changed since the last look, but for files younger than `settled_s`."""
        now = self._stamps()
        changed = {name: stamp for name, stamp in now.items() if self._known.get(name) != stamp}
        loaded = {name: one for name, one in self._loaded.items() if name in now}
        for name, stamp in changed.items():
            if settled_s and time.time_ns() - stamp[-1] < settled_s * 1e9:
                continue
            self._known[name] = stamp
            try:
                loaded[name] = self._load(stamp[0])
            except BundleError as error:  # in the place of one that was whole, that one stays
                self._warn(f"Warning: model {name!r} is left out: {error}")
        self._known = {name: stamp for name, stamp in self._known.items() if name in now}
        self._loaded = loaded

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            try:
                self.look()
            except Exception as error:  # a folder that cannot be read now may be read later
                self._warn(f"Warning: cannot look for models: {error}")

    def _stamps(self) -> dict[str, Stamp]:
        """The file of each name, in the order in which they are offered."""
        from pix2pix.bundle import bundle_files

        found: dict[str, Stamp] = {}
        for path in bundle_files(self._folder):
            try:
                told = path.stat()
            except OSError:  # gone since, or a link that leads nowhere
                continue
            found[path.stem] = (path, told.st_ino, told.st_size, told.st_mtime_ns)
        asked_for = self._folder.resolve() if self._folder else None
        return dict(
            sorted(
                found.items(),
                key=lambda item: (
                    item[1][0].parent.resolve() != asked_for,
                    item[0] != DEFAULT_MODEL,
                    item[0],
                ),
            )
        )

    def _load(self, path: Path) -> Translator:
        """A translator that has made its first photo: the next takes no longer than any."""
        from pix2pix.translator import load

        translator = load(path, device=self._device, engine=self._engine)
        page = np.full((1, translator.size_px, translator.size_px), 255, np.uint8)
        translator.translate_batch(page, translator.latent(0)[None])
        return translator
