"""The models that are served: every bundle that can be found, also those that come or change while it runs.

models = Models(folder, "auto", warn)
models.watch()
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, ItemsView, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pix2pix.errors import BundleNotFound, Pix2PixError, UsageError

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

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
        self._known: dict[str, Stamp] = {}  # what is loaded, by name
        self._refused: dict[Stamp, Exception] = {}
        self._loaded: dict[str, Translator] = {}  # replaced, never changed: who reads it needs no lock
        self.look(settled_s=0.0)
        if not self._loaded:
            from pix2pix.model.bundle import search_path

            for error in self._refused.values():
                if isinstance(error, UsageError):
                    raise error
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

    def items(self) -> ItemsView[str, Translator]:
        """All there are at this moment, together: none goes while one reads."""
        return self._loaded.items()

    def watch(self) -> None:
        """Look again every two seconds, as long as the process lives."""
        threading.Thread(target=self._watch, name="models", daemon=True).start()

    def look(self, settled_s: float = SETTLED_S) -> None:
        """Take in what has changed since the last look, but for files younger than `settled_s`."""
        now = self._stamps()
        loaded = {name: one for name, one in self._loaded.items() if name in now}
        for name, stamps in now.items():
            one = self._choose(name, stamps, loaded.get(name), settled_s)
            if one is not None:
                loaded[name] = one
        there = {stamp for stamps in now.values() for stamp in stamps}
        self._known = {name: stamp for name, stamp in self._known.items() if name in now}
        self._refused = {stamp: error for stamp, error in self._refused.items() if stamp in there}
        self._loaded = loaded

    def _choose(
        self, name: str, stamps: list[Stamp], loaded: Translator | None, settled_s: float
    ) -> Translator | None:
        """What `name` stands for now: the first of its files that can be used.

        In the place of one that was whole, no other file of its name is looked for: that one stays.
        """
        for stamp in stamps:
            if stamp == self._known.get(name):
                break
            if 0 <= time.time_ns() - stamp[-1] < settled_s * 1e9:  # clocks of other machines may be ahead
                break
            if stamp not in self._refused:
                try:
                    loaded = self._load(stamp[0])
                    self._known[name] = stamp
                    break
                except Exception as error:  # whatever is in the file: the other models are to be served
                    self._refused[stamp] = error
                    why = error if isinstance(error, Pix2PixError) else f"{stamp[0]}: {error!r}"
                    self._warn(f"Warning: model {name!r} is left out: {why}")
            if loaded is not None:
                break
        return loaded

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            try:
                self.look()
            except Exception as error:  # a folder that cannot be read now may be read later
                self._warn(f"Warning: cannot look for models: {error}")

    def _stamps(self) -> dict[str, list[Stamp]]:
        """The files of each name, first come first served, in the order in which they are offered."""
        from pix2pix.model.bundle import bundle_files

        found: dict[str, list[Stamp]] = {}
        for path in bundle_files(self._folder):
            try:
                told = path.stat()
            except OSError:  # gone since, or a link that leads nowhere
                continue
            found.setdefault(path.stem, []).append((path, told.st_ino, told.st_size, told.st_mtime_ns))
        asked_for = self._folder.resolve() if self._folder else None
        return dict(
            sorted(
                found.items(),
                key=lambda item: (
                    item[1][0][0].parent.resolve() != asked_for,
                    item[0] != DEFAULT_MODEL,
                    item[0],
                ),
            )
        )

    def _load(self, path: Path) -> Translator:
        """A translator that has made its first photo: the next takes no longer than any."""
        from pix2pix.inference.translator import load

        translator = load(path, device=self._device, engine=self._engine)
        page = np.full((1, translator.size_px, translator.size_px), 255, np.uint8)
        translator.translate_batch(page, translator.latent(0)[None])
        return translator
