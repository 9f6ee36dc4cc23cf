"""A contact sheet: the first sketches of a conversion, their photos beside, names and seeds below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pix2pix.convert.plan import Converted
from pix2pix.errors import ImageError
from pix2pix.files import printable
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import check_suffix, read_photo, read_sketch, save_image

ROWS, PHOTOS, CELL_PX, GAP_PX = 50, 12, 128, 4  # at most
CAPTION_PX, FONT_PX = 14, 11  # height of the line below a picture, and of its letters
ELLIPSIS = "…"


class Sheet:
    """Collects results, and writes the sheet when its context ends, if there are any."""

    def __init__(self, path: Path, size_px: int, *, seeds: Sequence[int] = (), colours: bool = False) -> None:
        """Cells are as large as the model's square, `CELL_PX` at most. Raises UnsupportedImage.

        `seeds` are those of the variants, none if the photos have no seeds. With `colours`, drawings are
        shown as they are, otherwise as they are read: black on white.
        """
        check_suffix(path)
        self.path, self.cell_px, self.seeds, self.colours = path, min(size_px, CELL_PX), seeds, colours
        self.font = ImageFont.load_default(FONT_PX)
        self.rows: list[list[UInt8]] = []

    def __enter__(self) -> Self:
        """Opens nothing."""
        return self

    def add(self, result: Converted) -> Converted:
        """Adds a row for a result, if there is room; returns the result."""
        if result.status in ("converted", "skipped") and len(self.rows) < ROWS:
            try:
                data = result.source.read_bytes()
                sketch = read_photo(data) if self.colours else np.dstack([read_sketch(data)] * 3)
                photos = [read_photo(output.read_bytes()) for output in result.outputs[:PHOTOS]]
            except (ImageError, OSError):
                return result
            captions = [("", result.source.name), *map(self._caption, result.outputs)]
            pictures = zip((sketch, *photos), captions, strict=False)
            self.rows.append([self._cell(picture, *caption) for picture, caption in pictures])
        return result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Writes the sheet, unless an exception ended the context."""
        if not self.rows or error is not None:
            return
        height, width = self.rows[0][0].shape[:2]
        down, right = height + GAP_PX, width + GAP_PX
        page = np.full(
            (down * len(self.rows) + GAP_PX, right * max(map(len, self.rows)) + GAP_PX, 3), 255, np.uint8
        )
        for y, row in enumerate(self.rows):
            for x, cell in enumerate(row):
                top, left = GAP_PX + y * down, GAP_PX + x * right
                page[top : top + height, left : left + width] = cell
        save_image(self.path, page)

    def _caption(self, photo: Path) -> tuple[str, str]:
        """The seed of a photo, and its name."""
        variant = int(photo.stem.rpartition("-")[2]) - 1 if len(self.seeds) > 1 else 0
        return f"seed {self.seeds[variant]}, " if self.seeds else "", photo.stem

    def _cell(self, picture: UInt8, seed: str, name: str) -> UInt8:
        """The picture in the middle of a white square, and below it the seed and the name."""
        height, width = picture.shape[:2]
        scale = self.cell_px / max(height, width)
        small = resized(picture, (max(1, round(width * scale)), max(1, round(height * scale))))
        cell = np.full((self.cell_px + CAPTION_PX, self.cell_px, 3), 255, np.uint8)
        cell[self.cell_px :] = self._text(seed, printable(name))
        top, left = (self.cell_px - small.shape[0]) // 2, (self.cell_px - small.shape[1]) // 2
        cell[top : top + small.shape[0], left : left + small.shape[1]] = small
        return cell

    def _text(self, seed: str, name: str) -> UInt8:
        """A line of text (CAPTION_PX, cell, 3); of a name that is too long, the end."""
        line = Image.new("RGB", (self.cell_px, CAPTION_PX), "white")
        draw = ImageDraw.Draw(line)
        text = seed + name
        while name and draw.textlength(text, self.font) > self.cell_px:
            name = name[1:]
            text = f"{seed}{ELLIPSIS}{name}"
        draw.text((0, 0), text, "black", self.font)
        return np.asarray(line)
