"""A contact sheet: the first sketches of a conversion, each with its photos beside it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pix2pix.convert.plan import Converted
from pix2pix.errors import ImageError
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import check_suffix, read_photo, read_sketch, save_image

ROWS, PHOTOS, CELL_PX, GAP_PX = 50, 12, 128, 4  # at most


class Sheet:
    """Collects results, and writes the sheet when its context ends, if there are any."""

    def __init__(self, path: Path, size_px: int, *, colours: bool = False) -> None:
        """Cells are as large as the model's square, `CELL_PX` at most. Raises UnsupportedImage.

        With `colours`, drawings are shown as they are, otherwise as they are read: black on white.
        """
        check_suffix(path)
        self.path, self.cell_px, self.colours = path, min(size_px, CELL_PX), colours
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
            self.rows.append([self._cell(picture) for picture in (sketch, *photos)])
        return result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Writes the sheet, unless an exception ended the context."""
        if not self.rows or error is not None:
            return
        step = self.cell_px + GAP_PX
        page = np.full(
            (step * len(self.rows) + GAP_PX, step * max(map(len, self.rows)) + GAP_PX, 3), 255, np.uint8
        )
        for y, row in enumerate(self.rows):
            for x, cell in enumerate(row):
                top, left = GAP_PX + y * step, GAP_PX + x * step
                page[top : top + self.cell_px, left : left + self.cell_px] = cell
        save_image(self.path, page)

    def _cell(self, picture: UInt8) -> UInt8:
        """The picture in the middle of a white square."""
        height, width = picture.shape[:2]
        scale = self.cell_px / max(height, width)
        small = resized(picture, (max(1, round(width * scale)), max(1, round(height * scale))))
        cell = np.full((self.cell_px, self.cell_px, 3), 255, np.uint8)
        top, left = (self.cell_px - small.shape[0]) // 2, (self.cell_px - small.shape[1]) // 2
        cell[top : top + small.shape[0], left : left + small.shape[1]] = small
        return cell
