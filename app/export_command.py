"""`pix2pix export`: the sketches to compare on, and what is told."""

from __future__ import annotations

from pathlib import Path

from pix2pix.errors import UsageError
from pix2pix.images.io import fit_sketch, read_sketch
from pix2pix.images.listing import list_pictures
from pix2pix.inference.export import export
from pix2pix.model.bundle import find_bundle, read_header

MOST = 50  # sketches that are compared


def run(model: str, output: Path, sketches: Path, *, models: Path | None) -> str:
    """Export; what was found, in words. Raises UsageError for a folder without pictures, else as `export`."""
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output} does not end in .onnx, by which runtimes know the file")
    path = find_bundle(model, models)
    pictures, _ = list_pictures(sketches)
    if not pictures:
        raise UsageError(f"there are no pictures in {sketches} to compare on")
    side = read_header(path).model.size_px
    fitted = [fit_sketch(read_sketch(one), side)[0] for one in pictures[:MOST]]
    found = export(path, output, fitted)
    return (
        f"{output}  {output.stat().st_size / 1e6:.1f} MB  {found.photos} photos compared with PyTorch's: "
        f"at most {found.largest} of 255 apart, {found.differing:.2g} of the values"
    )
