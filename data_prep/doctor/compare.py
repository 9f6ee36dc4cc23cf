"""Compares the pairs of a folder: copies, leaks between splits, outliers, differences from the manifest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data_prep.doctor.checks import Case, Finding, Seen, finding, is_blank, looks_of
from data_prep.doctor.measure import Looks, Measured
from data_prep.manifest import Records
from data_prep.near_duplicates import near_duplicates
from data_prep.orientation import exchanges_sides

COMMON_SHARE = 0.8  # of the pairs; a size of so many is the common size
ODD_BACKGROUND = 8.0  # times the usual distance from the usual colour
USUAL_DISTANCE = 3.0  # lower bound, in CIELAB
GRAVE_LEAK = 0.1  # of the held-out pairs; metrics on them are then meaningless


def faults_among_pairs(measured: Sequence[Measured], records: Records | None) -> Iterator[Finding]:
    """Yields the faults found by comparing pairs with each other, and with the manifest's `records`."""
    seen = looks_of(measured)
    drawn = [(key, looks) for key, looks in seen if not is_blank(looks)]
    yield from _copies(drawn)
    yield from _near_copies(drawn)
    yield from _sizes(seen)
    yield from _backgrounds(drawn)
    if records is not None:
        yield from _manifest(measured, records)


def _copies(drawn: Seen) -> Iterator[Finding]:
    """Photos or sketches that are equal pixel by pixel."""
    same_photo = _groups(drawn, lambda looks: looks.photo_digest)
    same_pair = _groups(drawn, lambda looks: (looks.photo_digest, looks.sketch_digest))
    same_sketch = _groups(drawn, lambda looks: looks.sketch_digest)
    leaks = [keys for keys in same_photo if _across(keys)]
    repeated = [keys for keys in same_pair if not _across(keys)]
    reported = {*leaks, *same_pair}
    yield from finding(
        "leak",
        "error",
        (Case(keys, "the same photo") for keys in leaks),
        "Photos that are both in train/ and in val/: {n}. Metrics on val/ would be too good: keep "
        "each in one split.",
    )
    yield from finding(
        "duplicate",
        "warning",
        (Case(keys, "the same photo and sketch") for keys in repeated),
        "Pairs that occur more than once: {n}. They count double in training: keep one of each.",
    )
    yield from finding(
        "shared-sketch",
        "warning",
        (Case(keys, "one sketch, several photos") for keys in same_sketch if keys not in reported),
        "Sketches of several photos: {n}. Names may have been mixed up; if not, the model "
        "learns the average of the photos.",
    )
    yield from finding(
        "shared-photo",
        "note",
        (Case(keys, "one photo, several sketches") for keys in same_photo if keys not in reported),
        "Photos with several sketches: {n}.",
    )


def _across(keys: Sequence[str]) -> bool:
    """Whether pairs are in both splits."""
    return len({key.split("/")[0] for key in keys}) > 1


def _groups(drawn: Seen, same: Callable[[Looks], object]) -> list[tuple[str, ...]]:
    """Groups of two or more keys whose looks have the same value of `same`."""
    groups: defaultdict[object, list[str]] = defaultdict(list)
    for key, looks in drawn:
        groups[same(looks)].append(key)
    return [tuple(keys) for keys in groups.values() if len(keys) > 1]


def _near_copies(drawn: Seen) -> Iterator[Finding]:
    """Photos that are near-duplicates by perceptual hash, but not equal."""
    first_of: dict[str, tuple[str, Looks]] = {}  # of the pairs with one photo
    for key, looks in drawn:
        first_of.setdefault(looks.photo_digest, (key, looks))
    distinct = list(first_of.values())
    if not distinct:
        return
    keys = [key for key, _ in distinct]
    near = [
        Case((keys[i], keys[j]), "look alike")
        for i, j in near_duplicates(np.stack([looks.likeness for _, looks in distinct]))
    ]
    leaks = [case for case in near if _across(case.pairs)]
    held_out = sum(key.startswith("val/") for key in keys)
    yield from finding(
        "near-leak",
        "error" if len(leaks) > GRAVE_LEAK * held_out else "warning",
        leaks,
        "Photos in val/ that look like one in train/: {n}. Metrics on val/ may be too good: keep the views "
        "and colours of a product in one split.",
    )
    yield from finding(
        "near-duplicate",
        "note",
        (case for case in near if not _across(case.pairs)),
        "Near-duplicate photos in one split: {n}. They are copies, or views or colours of one product.",
    )


def _sizes(seen: Seen) -> Iterator[Finding]:
    yield from finding(
        "size-mismatch",
        "error",
        (
            Case((key,), f"sketch {_by(looks.sketch_px)}, photo {_by(looks.photo_px)}{_turned(looks)}")
            for key, looks in seen
            if looks.sketch_px != looks.photo_px
        ),
        "Pairs whose sketch and photo differ in size: {n}. Training would stop: prepare them again.",
    )
    yield from finding(
        "not-square",
        "warning",
        (Case((key,), _by(looks.photo_px)) for key, looks in seen if looks.photo_px[0] != looks.photo_px[1]),
        "Pairs that are not square: {n}. Training stretches them; `pix2pix prepare` pads instead.",
    )
    sizes = Counter(looks.photo_px for _, looks in seen)
    if not seen:
        return
    usual, count = sizes.most_common(1)[0]
    odd = [
        Case((key,), f"{_by(looks.photo_px)}; {_by(usual)} is usual")
        for key, looks in seen
        if looks.photo_px != usual
    ]
    common = count >= COMMON_SHARE * len(seen)
    yield from finding(
        "size-outlier" if common else "mixed-sizes",
        "warning" if common else "note",
        odd,
        f"Pairs of another size than the usual {_by(usual)}: {{n}}. Training resizes them, and small ones "
        "blur: prepare all in one size.",
    )


def _turned(looks: Looks) -> str:
    """The cause, if sizes differ because an EXIF orientation exchanges the sides of one of the files."""
    orientations = {"sketch": looks.sketch_orientation, "photo": looks.photo_orientation}
    turned = [(file, value) for file, value in orientations.items() if exchanges_sides(value)]
    if looks.sketch_px != looks.photo_px[::-1] or len(turned) != 1:
        return ""
    return f": the {turned[0][0]} is rotated by its EXIF orientation {turned[0][1]}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _backgrounds(drawn: Seen) -> Iterator[Finding]:
    if not drawn:
        return
    colours = np.array([looks.background for _, looks in drawn])
    distances = np.linalg.norm(colours - np.median(colours, axis=0), axis=1)
    usual = max(1.4826 * float(np.median(distances)), USUAL_DISTANCE)
    order = np.argsort(-distances, kind="stable")
    yield from finding(
        "background",
        "note",
        (
            Case((drawn[i][0],), f"{distances[i]:.0f} from the usual colour (CIELAB); {usual:.0f} is common")
            for i in order
            if distances[i] > ODD_BACKGROUND * usual
        ),
        "Photos with an unusual background: {n}. A model cannot learn the background from a sketch.",
    )


def _manifest(measured: Sequence[Measured], records: Records) -> Iterator[Finding]:
    hashes = {
        _record_key(one.pair.key): (one.sketch_sha256, one.photo_sha256, one.mask_sha256) for one in measured
    }
    yield from finding(
        "changed",
        "warning",
        (
            Case((f"{split}/{name}",), "not the files that prepare wrote")
            for (split, name), record in records.items()
            if (split, name) in hashes
            and hashes[split, name] != (record.sketch_sha256, record.photo_sha256, record.mask_sha256)
        ),
        "Pairs changed after prepare wrote them: {n}. If that was not intended, prepare again.",
    )
    yield from finding(
        "not-in-manifest",
        "warning",
        (Case(("/".join(key),), "no record") for key in hashes if key not in records),
        "Pairs that are not in the manifest: {n}. Their sources are unknown: import them with prepare.",
    )
    yield from finding(
        "lost",
        "warning",
        (Case((), f"{split}/{name}") for split, name in records if (split, name) not in hashes),
        "Pairs in the manifest whose files are missing: {n}. Prepare again to restore them.",
    )


def _record_key(key: str) -> tuple[str, str]:
    split, _, name = key.partition("/")
    return split, name
