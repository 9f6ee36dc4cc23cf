"""Checks single pairs by their measurements: one function for each kind of fault.

An `error` stops training or makes it learn something wrong; a `warning` should be corrected, but training
works; a `note` is for information. Thresholds were set on the 2,000 official training pairs, none of which
gets an error or a warning. Some of their photos of bags have a grey background, which masks do not separate
from the bag: these get notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from data_prep.doctor.measure import Fit, Looks, Measured
from data_prep.doctor.silhouette import Silhouette
from data_prep.orientation import UPRIGHT

Severity = Literal["error", "warning", "note"]

GRAVE_SHARE = 0.01  # of the pairs; more wrong pairs than that are an error
FEW_PAIRS, HARDLY_ANY = 100, 10
BLANK_INK = 0.001  # share of the sketch; official sketches have at least 0.005
BLANK_CONTRAST = 2.0  # levels
FITTING, LEADING = 0.35, 4.0  # the least `Fit.score` or `Fit.lead` of a photo that fits: official 0.44, 5.3
MOVED = 0.02  # of the side; no official pair is shifted by a pixel of 128
BETTER_MOVED = 0.1  # gain in score
MASKS_MAY_FAIL = 0.02  # of the pairs: 20 of 1,000 official photos of bags have no plain background
# Share of the picture; official masks: 0.06 and more, and 0.86 on a plain background
EMPTY_MASK, FULL_MASK = 0.03, 0.9
MOST_HOLES = 5  # in the product; all but 13 of 2,000 official masks have at most that many
BEYOND_LINES = 0.1  # share of the product outside of the hull of the lines; official shoes: at most 0.03
ON_BORDER = 0.5  # share of the picture's border that is product


@dataclass(frozen=True)
class Case:
    """One instance of a fault: the pairs concerned, as SPLIT/NAME, and the details."""

    pairs: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class Finding:
    """All cases of one kind of fault, the worst first, with a message that says what to do."""

    kind: str
    severity: Severity
    message: str
    cases: tuple[Case, ...] = ()


Seen = Sequence[tuple[str, Looks]]  # key and looks of each pair that could be read


def faults_of_pairs(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Yields the faults of single pairs, and whether there are enough pairs."""
    seen = looks_of(measured)
    yield from _unreadable(measured)
    yield from _too_few(measured)
    yield from _blank(seen)
    drawn = [(key, looks) for key, looks in seen if not is_blank(looks)]
    yield from _not_sketch_and_photo(drawn)
    traced = [(key, looks) for key, looks in drawn if looks.sketch_in_lines and not looks.same_picture]
    yield from _alignment(traced)
    yield from _masks([(key, looks) for key, looks in traced if looks.fit.score >= FITTING])


def looks_of(measured: Sequence[Measured]) -> Seen:
    """Returns key and looks of the pairs that could be read."""
    return [(one.pair.key, one.looks) for one in measured if one.looks]


def finding(kind: str, severity: Severity, cases: Iterable[Case], message: str) -> Iterator[Finding]:
    """Yields one finding if there are cases. {n} in `message` is their number."""
    if found := tuple(cases):
        yield Finding(kind, severity, message.format(n=len(found)), found)


def _graded(cases: Sequence[Case], of: int) -> Severity:
    return "error" if len(cases) > GRAVE_SHARE * of else "warning"


def _unreadable(measured: Sequence[Measured]) -> Iterator[Finding]:
    yield from finding(
        "unreadable",
        "error",
        (Case((one.pair.key,), " ".join(one.faults)) for one in measured if one.faults),
        "Pairs with a picture that cannot be read: {n}. Training would stop: replace the file, or "
        "delete the pair.",
    )


def _too_few(measured: Sequence[Measured]) -> Iterator[Finding]:
    splits = Counter(one.pair.key.split("/")[0] for one in measured)
    if splits["train"] < FEW_PAIRS:
        yield Finding(
            "too-few",
            "error" if splits["train"] < HARDLY_ANY else "warning",
            f"Pairs to train on: {splits['train']}. With fewer than {FEW_PAIRS} a model memorises them: add "
            "more.",
        )
    if not splits["val"]:
        yield Finding(
            "no-val",
            "warning",
            "Pairs held out in val/: 0. Without them memorising cannot be detected: move a tenth there, or "
            "prepare with --val-fraction.",
        )


def is_blank(looks: Looks) -> bool:
    """Whether a pair cannot be compared: hardly a line, or a photo of a single colour."""
    return looks.ink < BLANK_INK or looks.contrast < BLANK_CONTRAST


def _blank(seen: Seen) -> Iterator[Finding]:
    yield from finding(
        "empty-sketch",
        "error",
        (Case((key,), f"{looks.ink:.2%} ink") for key, looks in seen if looks.ink < BLANK_INK),
        f"Blank or nearly blank sketches (under {BLANK_INK:.1%} ink): {{n}}. They teach a model to generate "
        "products on blank paper: delete these pairs.",
    )
    yield from finding(
        "empty-photo",
        "error",
        (
            Case((key,), f"its levels differ by {looks.contrast:.1f} of 255")
            for key, looks in seen
            if looks.contrast < BLANK_CONTRAST
        ),
        "Photos of a single colour: {n}. Delete these pairs.",
    )


def _is_exchanged(looks: Looks) -> bool:
    return looks.photo_in_lines and not looks.sketch_in_lines


def _not_sketch_and_photo(drawn: Seen) -> Iterator[Finding]:
    """Files that are not sketches or photos as their folder requires."""
    yield from finding(
        "swapped",
        "error",
        (
            Case((key,), "the sketch has areas, the photo thin lines")
            for key, looks in drawn
            if _is_exchanged(looks)
        ),
        "Pairs with sketch and photo exchanged: {n}. Swap the files; for side-by-side images, prepare with "
        "--from ba instead of ab.",
    )
    filled = [
        Case((key,), "areas, not lines")
        for key, looks in drawn
        if not (looks.sketch_in_lines or looks.photo_in_lines or looks.same_picture)
    ]
    yield from finding(
        "filled-sketch",
        _graded(filled, len(drawn)),
        filled,
        "Sketches that are not line drawings: {n}. They teach a model to expect areas, which people do not "
        "draw: make new sketches from the photos.",
    )
    yield from finding(
        "same-picture",
        "error",
        (Case((key,), "one picture twice") for key, looks in drawn if looks.same_picture),
        "Pairs whose sketch and photo are one picture: {n}. Replace the wrong one.",
    )
    yield from finding(
        "inverted",
        "warning",
        (Case((key,), "light lines on a dark page") for key, looks in drawn if looks.sketch_inverted),
        "Sketches with light lines on a dark page: {n}. Training inverts them, but other programs that read "
        "this folder may not: store black on white.",
    )


def _alignment(pairs: Seen) -> Iterator[Finding]:
    shifted, mismatched, turned = [], [], []
    for key, looks in sorted(pairs, key=lambda pair: pair[1].fit.score):
        if _is_turned(looks.fit):
            turned.append(Case((key,), _turned_by(looks)))
        elif _is_moved(looks.fit):
            shifted.append(Case((key,), _moved_by(looks.fit)))
        elif looks.fit.score < FITTING and looks.fit.lead < LEADING:
            mismatched.append(Case((key,), _misfit(looks.fit)))
    yield from finding(
        "turned",
        _graded(turned, len(pairs)),
        turned,
        "Photos rotated against their sketch: {n}. An EXIF orientation was lost, or not applied to the other "
        "file: rotate the pixels of both files upright, or make the pairs again from the originals.",
    )
    yield from finding(
        "shifted",
        _graded(shifted, len(pairs)),
        shifted,
        "Photos shifted against their sketch: {n}. They teach a model to ignore the lines: crop both files "
        "in the same way.",
    )
    yield from finding(
        "mismatched",
        _graded(mismatched, len(pairs)),
        mismatched,
        "Photos that do not match their sketch: {n}. Check them, and correct mixed-up names. Drawings that "
        "were not traced also do not match: train on edges instead.",
    )


def _masks(fitting: Seen) -> Iterator[Finding]:
    masks = [(key, looks.silhouette) for key, looks in fitting if looks.silhouette]

    def faults(kind: str, cases: Sequence[Case], message: str) -> Iterator[Finding]:
        severity: Severity = "warning" if len(cases) > MASKS_MAY_FAIL * len(masks) else "note"
        return finding(kind, severity, cases, message)

    yield from faults(
        "empty-mask",
        [_covers(key, mask) for key, mask in masks if mask.covered < EMPTY_MASK],
        "Masks with almost no product: {n}. Training would treat the product as background: delete these "
        "pairs, or draw the masks by hand.",
    )
    yield from faults(
        "full-mask",
        [_covers(key, mask) for key, mask in masks if mask.covered > FULL_MASK],
        "Masks that are nearly all product: {n}. The background is not plain, or the product fills the "
        "picture: delete these pairs, or draw the masks by hand.",
    )
    yield from faults(
        "mask-holes",
        [Case((key,), f"{mask.holes} holes") for key, mask in masks if mask.holes > MOST_HOLES],
        "Masks with many holes: {n}. Check whether they show the background; if not, fill them.",
    )
    yield from faults(
        "mask-leak",
        [
            Case((key,), f"{mask.beyond:.0%} beyond the lines, {mask.border:.0%} of the border")
            for key, mask in masks
            if mask.covered <= FULL_MASK and (mask.beyond > BEYOND_LINES or mask.border > ON_BORDER)
        ],
        "Masks that include background: {n}. The photo has a shadow, or its background is not plain: delete "
        "these pairs, or draw the masks by hand.",
    )


def _covers(key: str, mask: Silhouette) -> Case:
    return Case((key,), f"{mask.covered:.0%} of the picture is product")


def _is_turned(fit: Fit) -> bool:
    return fit.score < FITTING and fit.turned >= max(
        FITTING, fit.score + BETTER_MOVED, fit.best, fit.mirrored
    )


def _turned_by(looks: Looks) -> str:
    turn = {1: "90° clockwise", 2: "180°", 3: "90° counterclockwise"}[looks.fit.quarters]
    orientations = {"sketch": looks.sketch_orientation, "photo": looks.photo_orientation}
    cause = [
        f"; the {file} has EXIF orientation {value}, the other file does not"
        for file, value in orientations.items()
        if value != UPRIGHT
    ]
    fits = f"fit {looks.fit.turned:.2f} with the photo rotated by {turn}, {looks.fit.score:.2f} without"
    return fits + (cause[0] if len(cause) == 1 else "")


def _is_moved(fit: Fit) -> bool:
    far = max(abs(fit.right), abs(fit.down)) >= MOVED
    return far and fit.best >= max(FITTING, fit.score + BETTER_MOVED, fit.mirrored)


def _moved_by(fit: Fit) -> str:
    across = f"{abs(fit.right):.0%} to the {'right' if fit.right > 0 else 'left'}"
    down = f"{abs(fit.down):.0%} {'down' if fit.down > 0 else 'up'}"
    ways = " and ".join(way for way, by in ((across, fit.right), (down, fit.down)) if by)
    return f"fit {fit.best:.2f} with the photo moved {ways}, {fit.score:.2f} without"


def _misfit(fit: Fit) -> str:
    mirrored = f", {fit.mirrored:.2f} mirrored" if fit.mirrored >= FITTING else ""
    return f"fit {fit.score:.2f}{mirrored}; at least {FITTING} is usual"
