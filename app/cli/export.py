"""`pix2pix export`: writes a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.options import ANY_PATH, FOLDER, models_option
from pix2pix.errors import UsageError
from pix2pix.images.io import fit_sketch, read_sketch
from pix2pix.images.listing import list_pictures
from pix2pix.inference import export as onnx_export
from pix2pix.model.bundle import find_bundle, read_header

MAX_SKETCHES = 50  # to compare on


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("output", metavar="OUT.onnx", type=ANY_PATH)
@click.option(
    "--sketches",
    required=True,
    type=FOLDER,
    help="Sketches on which its photos are compared with those of PyTorch.",
)
@models_option
def export(model: str, output: Path, sketches: Path, models: Path | None) -> None:
    """Write MODEL as an ONNX file for onnxruntime and onnxruntime-web; it takes and returns pixels."""
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output} does not end in .onnx, which runtimes expect")
    path = find_bundle(model, models)
    pictures, _ = list_pictures(sketches)
    if not pictures:
        raise UsageError(f"there are no pictures in {sketches} for the comparison")
    side = read_header(path).model.size_px
    fitted = [fit_sketch(read_sketch(one), side)[0] for one in pictures[:MAX_SKETCHES]]
    difference = onnx_export.export(path, output, fitted)
    click.echo(
        f"{output}  {output.stat().st_size / 1e6:.1f} MB  {difference.photos} photos compared with PyTorch: "
        f"largest difference {difference.largest} of 255, {difference.differing:.2g} of the values differ"
    )
