r"""How good a model's photos are, on edge maps and on what people draw: LPIPS, KID and what is recognised.

    python benchmarks/quality.py shoes --subject shoes --pairs pairs/shoes \
        --sketches human-sketches/shoes/sketches --photos human-sketches/shoes/photos --loose guess --loose 0

Every photo is what `pix2pix convert` writes for the sketch (seed 0, the whole page), seen at 256 x 256. One
row of the table is one model, one input and one looseness; the rows of real photos give the scale. ± is one
standard error (block jackknife).

LPIPS-alex to the real photo: lower is closer; only where a sketch has one. A drawing NAME-K belongs to the
photo NAME. For scale on the official validation pairs: the published pix2pix outputs score 0.208 (shoes) and
0.258 (handbags), another random validation photo 0.514 and 0.625.

KID x1000 on EfficientNet-Lite0 features, to one set of real photos for all rows: those of the validation
pairs, which no model was trained on, unless --real names others. The edges were made from these very photos,
while people drew other things: what that alone costs stands in the row of the drawings' real photos.

Recognised: share whose ImageNet top-1 is footwear or a bag (`pix2pix.evaluate.SUBJECTS`).

Needs the extra `eval`, and `PIX2PIX_FEATURES` or internet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

import pix2pix
from pix2pix.dataset import list_pairs
from pix2pix.devices import choose_device
from pix2pix.evaluate import (
    SUBJECTS,
    Description,
    Estimate,
    average,
    describe,
    kernel_distance,
    perceptual_distances,
    recognised,
)
from pix2pix.features import ObjectFeatures, PerceptualDistance
from pix2pix.files import list_pictures
from pix2pix.framing import resized
from pix2pix.images import read_photo

UInt8 = NDArray[np.uint8]

SIZE = (256, 256)
HEADS = ("model", "input", "loose", "n", "LPIPS", "KID x1000", "recognised")
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True)
class Input:
    """Sketches of one kind, and their real photos (N, 256, 256, 3) uint8 where there are any."""

    name: str
    sketches: list[Path]
    targets: UInt8 | None


@dataclass(frozen=True)
class Scale:
    """What every row is measured by."""

    subject: str
    objects: ObjectFeatures
    distance: PerceptualDistance
    reference: Description


def read_photos(paths: list[Path]) -> UInt8:
    """(N, 256, 256, 3) uint8."""
    return np.stack([resized(read_photo(path), SIZE) for path in paths])


def photos_of(drawings: list[Path], folder: Path) -> list[Path]:
    """The photo of every drawing: NAME-K.png or NAME.png -> NAME.jpg."""
    by_name = {path.stem: path for path in list_pictures(folder)[0]}
    names = [path.stem if path.stem in by_name else path.stem.rpartition("-")[0] for path in drawings]
    if missing := [path.name for path, name in zip(drawings, names, strict=True) if name not in by_name]:
        raise click.ClickException(f"{len(missing)} drawings have no photo in {folder}: {missing[:5]}")
    return [by_name[name] for name in names]


def translated(model: pix2pix.Translator, sketches: list[Path], loose: float | None) -> UInt8:
    """Photos (N, 256, 256, 3) uint8 of sketches, as `pix2pix convert` writes them."""
    return np.stack([resized(np.asarray(model.translate(path, loose=loose)), SIZE) for path in sketches])


def shown(estimate: Estimate | None, scale: int = 1) -> str:
    """A cell of the table."""
    if estimate is None:
        return "–"
    digits = 3 if scale == 1 else 1
    return f"{scale * estimate.value:.{digits}f} ± {scale * estimate.error:.{digits}f}"


def show(*cells: object) -> None:
    """One row of the table, as soon as it is known."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def show_real(name: str, photos: UInt8, by: Scale) -> None:
    """The row of some real photos. The reference has no distance to itself."""
    seen = describe(photos, by.objects)
    same = np.array_equal(seen.features, by.reference.features)
    kid = None if same else kernel_distance(seen.features, by.reference.features)
    share = recognised(seen.classes, by.subject)
    show("real photos", name, "–", len(photos), "–", shown(kid, 1000), shown(share))


def show_made(model: pix2pix.Translator, given: Input, loose: str, by: Scale) -> float:
    """The row of one model, input and looseness. Returns the KID."""
    photos = translated(model, given.sketches, float(loose) if loose not in ("guess", "–") else None)
    seen = describe(photos, by.objects)
    lpips = None
    if given.targets is not None:
        lpips = average(perceptual_distances(photos, given.targets, by.distance))
    kid = kernel_distance(seen.features, by.reference.features)
    share = recognised(seen.classes, by.subject)
    show(model.name, given.name, loose, len(photos), shown(lpips), shown(kid, 1000), shown(share))
    return kid.value


def check_loose(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Each value is `guess` or a number in [0, 1]."""
    for value in values:
        try:
            fits = value == "guess" or 0 <= float(value) <= 1
        except ValueError:
            fits = False
        if not fits:
            raise click.BadParameter(f"{value!r} is neither guess nor a number from 0 to 1")
    return values


@click.command(help=__doc__)
@click.argument("bundles", nargs=-1, required=True)
@click.option("--subject", required=True, type=click.Choice(list(SUBJECTS)), help="What is to be recognised.")
@click.option("--pairs", required=True, type=FOLDER, help="Pairs folder; its val part is used.")
@click.option("--sketches", type=FOLDER, help="Drawings by people.")
@click.option("--photos", type=FOLDER, help="The drawings' real photos.")
@click.option("--every", default=1, show_default=True, help="Take every Nth drawing, for a quick look.")
@click.option("--real", type=FOLDER, help="The photos KID is measured to.  [default: those of val]")
@click.option(
    "--loose",
    multiple=True,
    default=("guess",),
    show_default=True,
    callback=check_loose,
    help="guess, or 0 to 1; may be given several times. Models that know no looseness have one row.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def main(
    bundles: tuple[str, ...],
    subject: str,
    pairs: Path,
    sketches: Path | None,
    photos: Path | None,
    every: int,
    real: Path | None,
    loose: tuple[str, ...],
    device: str,
) -> None:
    """Print the table."""
    val = list_pairs(pairs, "val")
    val_photos = read_photos([pair.photo for pair in val])
    inputs = [Input("edges", [pair.sketch for pair in val], val_photos)]
    scenes = {"of val": val_photos}
    if sketches is not None:
        drawings = list_pictures(sketches)[0][::every]
        owners = None if photos is None else photos_of(drawings, photos)
        inputs.append(Input("drawings", drawings, None if owners is None else read_photos(owners)))
        if owners is not None:
            scenes["of the drawings"] = read_photos(sorted(set(owners)))
    if real is not None:
        scenes[f"in {real}"] = read_photos(list_pictures(real)[0])
    chosen = choose_device(device)
    objects = ObjectFeatures().to(chosen)
    reference = describe(scenes[f"in {real}"] if real is not None else val_photos, objects)
    by = Scale(subject, objects, PerceptualDistance("alex").to(chosen), reference)

    show(*HEADS)
    show(*["---"] * len(HEADS))
    for name, scene in scenes.items():
        show_real(name, scene, by)
    ratios = []
    for bundle in bundles:
        model = pix2pix.load(bundle, device=device)
        for value in loose if model.takes_loose else ("–",):
            kids = [show_made(model, given, value, by) for given in inputs]
            if len(kids) == 2:
                ratios.append(
                    f"{model.name}, loose {value}: KID on drawings / on edges {kids[1] / kids[0]:.2f}"
                )
    print("\n".join(["", *ratios]))


if __name__ == "__main__":
    main()
