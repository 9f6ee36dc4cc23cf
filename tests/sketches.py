"""Folders of sketches, and of photos."""

from pathlib import Path

import numpy as np
from PIL import Image


def save_sketch(path: Path, height: int = 64, width: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page = np.full((height, width), 255, np.uint8)
    page[4:-4, 4:7] = page[4:-4, -7:-4] = 0
    page[4:7, 4:-4] = page[-7:-4, 4:-4] = 0
    Image.fromarray(page).save(path)


def photos_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.jsonl"}
