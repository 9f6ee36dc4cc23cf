"""Finds the sources of pairs in the common layouts of data sets.

`photos`     any picture below SRC; the sketch is drawn from it.
`ab`, `ba`   one image for each pair, of two equal halves; the sketch is the left (ab) or right (ba) half.
`folders`    a folder of sketches and one of photos, with the same relative names: SRC/sketches, SRC/photos;
             or trainA, trainB; train_label, train_img; A/train, B/train; train/A, train/B. Names of folders
             are in SKETCH_WORDS and PHOTO_WORDS; or any two folders of which one has drawings.
`names`      sketches and photos in one folder: NAME_A, NAME_B; NAME_sketch, NAME_photo; NAME_sketch, NAME.

Of A and B, the side with drawings has the sketches; A if both or neither have drawings. In `folders` and
`names`, names may also differ by such a word, and several sketches of one photo are numbered: NAME-1, NAME-2.

In all layouts there may be folders for the splits (SPLITS), which are kept. Where a source has both val and
test, the pairs of the latter are named test/NAME.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.sources import Fault, Kind, SourcePair
from pix2pix.errors import ImageError, PairsError
from pix2pix.images.framing import UInt8
from pix2pix.images.io import read_photo
from pix2pix.images.listing import list_pictures, why_not_a_picture
from pix2pix.images.sketch_or_photo import small, which_are_sketches

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "val"}
SKETCH_WORDS = {"a", "drawing", "drawings", "edge", "edges", "input", "inputs", "label", "labels"}
SKETCH_WORDS |= {"lineart", "lines", "sketch", "sketches"}
PHOTO_WORDS = {"b", "image", "images", "img", "imgs", "photo", "photos", "picture", "pictures"}
PHOTO_WORDS |= {"target", "targets"}
OTHER_WORDS = {"inst", "feat", "mask", "masks"}  # folders that are no fault: of pix2pixHD, of pairs
OF_SPLIT = re.compile(rf"(.+[-_. ])?({'|'.join(SPLITS)})([-_. ].+|[ab])?", re.IGNORECASE)
SAMPLED = 12  # pictures; decoding large photos takes 0.1 s each
NUMBERED = re.compile(r"(.+?)(?:[-_. ]+\d+| ?\(\d+\))")

SourceName = tuple[str | None, str]  # split of the source, and relative name without suffix


@dataclass(frozen=True)
class Sides:
    """The pictures of a layout that are sketches, and those that are photos.

    `called` are the words for both in this layout; `shown` is whether words or pixels show which are which.
    """

    sketches: dict[Path, SourceName]
    photos: dict[Path, SourceName]
    called: tuple[str, str]
    shown: bool

    def exchanged(self) -> Sides:
        """Returns the sides with sketches for photos."""
        return Sides(self.photos, self.sketches, self.called[::-1], self.shown)


def find_sources(src: Path, kind: Kind, prefix: str = "") -> list[SourcePair | Fault]:
    """Returns a pair or a fault for every file below `src`. `prefix` goes before the names.

    Raises UsageError if the folder does not exist, PairsError if its layout is not that of `kind`.
    """
    pictures, others = list_pictures(src)
    found: list[SourcePair | Fault] = [Fault(path, why_not_a_picture(path), harmless=True) for path in others]
    if kind in ("folders", "names"):
        found += _pairs_of(_sides(src, pictures, kind), src, pictures)
    else:
        found += _single_files(src, pictures, kind)
    if not prefix:
        return found
    return [
        replace(item, name=f"{prefix}/{item.name}") if isinstance(item, SourcePair) else item
        for item in found
    ]


def sides_by_folder(src: Path, pictures: list[Path]) -> Sides | None:
    """Returns the sides of the layout `folders`, None if it is another one.

    Raises PairsError if several folders could be the sketches or the photos.
    """
    places = {path: _place(path.relative_to(src)) for path in pictures}
    labels = sorted({label for label, _ in places.values()} - OTHER_WORDS)
    sketches, photos = (
        [label for label in labels if label in words] for words in (SKETCH_WORDS, PHOTO_WORDS)
    )
    if sketches and photos and len(sketches + photos) > 2:
        raise PairsError(
            f"{src} has several folders of sketches ({', '.join(sketches)}) or of photos "
            f"({', '.join(photos)}): keep one of each, and move the others to another place"
        )
    named = bool(sketches and photos)
    called = (*sketches, *photos) if named else tuple(labels)
    if len(called) != 2 or "" in called:
        return None
    one, two = ({path: name for path, (label, name) in places.items() if label == word} for word in called)
    sides = _by_pixels(Sides(one, two, (called[0], called[1]), named and set(called) != {"a", "b"}))
    return sides if named or sides.shown else None


def sides_by_name(src: Path, pictures: list[Path]) -> Sides | None:
    """Returns the sides of the layout `names`, None if it is another one."""
    splits = _splits(src, pictures)
    names = {path: _split_and_name(path.relative_to(src), splits) for path in pictures}
    words = {path: _word(name) for path, (_, name) in names.items()}
    sketches = [path for path in pictures if words[path] in SKETCH_WORDS]
    photos = [path for path in pictures if words[path] in PHOTO_WORDS]
    rest = [path for path in pictures if not words[path]]
    sketches, photos = sketches or rest, photos or rest
    if not sketches or not photos or sketches is photos:
        return None
    called = (words[sketches[0]], words[photos[0]])
    one, two = ({path: names[path] for path in side} for side in (sketches, photos))
    return _by_pixels(Sides(one, two, called, shown=set(called) != {"a", "b"}))


def some_of(paths: Sequence[Path]) -> Iterator[UInt8]:
    """Yields up to SAMPLED of the pictures, (H, W, 3) uint8, from all over the list; not unreadable ones."""
    for path in paths[:: max(1, len(paths) // SAMPLED)][:SAMPLED]:
        with suppress(ImageError):
            yield read_photo(path)


def pairs_in(sides: Sides) -> int:
    """Returns how many sketches have a photo of the same name."""
    return sum(isinstance(item, SourcePair) for item in _matched(sides))


def _by_pixels(sides: Sides) -> Sides:
    """Returns sides that words do not show as their pictures show them."""
    if sides.shown:
        return sides
    lots = [[small(picture) for picture in some_of(list(side))] for side in (sides.sketches, sides.photos)]
    which = which_are_sketches(*lots)
    sides = replace(sides, shown=which is not None)
    return sides.exchanged() if which == 1 else sides


def _sides(src: Path, pictures: list[Path], kind: Kind) -> Sides:
    sides = (sides_by_folder if kind == "folders" else sides_by_name)(src, pictures)
    if sides:
        return sides
    if kind == "names":
        raise PairsError(f"{src} has no pictures named NAME_A and NAME_B, or NAME_sketch and NAME_photo")
    raise PairsError(
        f"{src} has no two folders to pair; expected sketches/ and photos/ (or A/ and B/, label/ and img/), "
        "directly or inside train/ and val/, or trainA/ and trainB/, or train_label/ and train_img/"
    )


def _pairs_of(sides: Sides, src: Path, pictures: list[Path]) -> Iterator[SourcePair | Fault]:
    yield from _matched(sides)
    for path in pictures:
        if path not in sides.sketches and path not in sides.photos:
            label, _ = _place(path.relative_to(src))
            yield Fault(path, "outside of the folders of sketches and photos", harmless=label in OTHER_WORDS)


def _matched(sides: Sides) -> Iterator[SourcePair | Fault]:
    """Pairs each sketch with the photo of its name, or of its name without a word or number at its end."""
    exact, plain = _by_name(sides.photos, str), _by_name(sides.photos, without_word)
    splits = {split for split, _ in (*sides.sketches.values(), *sides.photos.values()) if split}
    paired: set[Path] = set()
    for path, (split, name) in sides.sketches.items():
        bare = without_word(name)
        numbered = NUMBERED.fullmatch(bare)
        found = exact.get((split, name)) or plain.get((split, bare))
        if not found and numbered:
            found = plain.get((split, numbered[1]))
        paired.update(found or [])
        if not found:
            yield Fault(path, "no photo of this name")
        elif len(found) > 1:
            yield Fault(path, f"several photos of this name: {', '.join(other.name for other in found)}")
        else:
            own = name if (split, name) in exact else bare
            yield SourcePair(_named(own, split, splits), SPLITS[split] if split else None, (path, found[0]))
    yield from (Fault(path, "no sketch of this name") for path in sides.photos if path not in paired)


def _by_name(side: dict[Path, SourceName], simplified: Callable[[str], str]) -> dict[SourceName, list[Path]]:
    found: dict[SourceName, list[Path]] = {}
    for path, (split, name) in side.items():
        found.setdefault((split, simplified(name)), []).append(path)
    return found


def _single_files(src: Path, pictures: list[Path], kind: Kind) -> Iterator[SourcePair | Fault]:
    if not pictures:
        expected = "photos" if kind == "photos" else "side-by-side images"
        raise PairsError(
            f"{src} has no pictures; --from {kind} expects {expected}, with or without train/ and val/"
        )
    splits = _splits(src, pictures)
    for path in pictures:
        split, name = _split_and_name(path.relative_to(src), splits)
        if splits and not split:
            yield Fault(path, f"outside of {', '.join(sorted(splits))}, the splits of this source")
            continue
        pair = SourcePair(_named(name, split, splits), SPLITS[split] if split else None, (path,))
        yield pair if kind == "photos" else replace(pair, sketch_on="left" if kind == "ab" else "right")


def _splits(src: Path, pictures: list[Path]) -> set[str]:
    """The folders of `src` that are splits, in lower case."""
    first = {path.relative_to(src).parts[0].lower() for path in pictures if path.parent != src}
    return first & SPLITS.keys()


def _split_and_name(relative: Path, splits: set[str]) -> SourceName:
    if len(relative.parts) > 1 and (split := relative.parts[0].lower()) in splits:
        return split, _stem(relative.relative_to(relative.parts[0]))
    return None, _stem(relative)


def _place(relative: Path) -> tuple[str, SourceName]:
    """The label, split and name of a picture by its first two folders, such as train_label/, A/train/."""
    split, label, used = None, "", 0
    for folder in relative.parts[:-1][:2]:
        its_split, its_label = _split_and_label(folder)
        if (split and its_split) or (label and its_label):
            break
        split, label, used = split or its_split, label or its_label, used + 1
    return label, (split, _stem(Path(*relative.parts[used:])))


def _split_and_label(folder: str) -> tuple[str | None, str]:
    """ "train_label" -> train, label; "trainA" -> train, a; "A" -> None, a; "train" -> train, ""."""
    found = OF_SPLIT.fullmatch(folder)
    if not found or (found[1] and found[3]):
        return None, folder.lower()
    return found[2].lower(), f"{found[1] or ''}{found[3] or ''}".strip("-_. ").lower()


def without_word(name: str) -> str:
    """Returns a name without the word for sketch or photo at its start or end, or before its last number.

    "sub/12_sketch" and "sub/photo_12" -> "sub/12"; "12_edges-1" -> "12-1".
    """
    return _split_word(name)[0]


def _word(name: str) -> str:
    return _split_word(name)[1]


def _split_word(name: str) -> tuple[str, str]:
    folder, slash, last = name.rpartition("/")
    parts = re.split(r"([-_. ]+)", last)  # words, with the separators between them
    before_number = [len(parts) - 3] if len(parts) > 1 and parts[-1].isdigit() else []
    for at in (len(parts) - 1, *before_number, 0):
        word, first = parts[at].lower(), max(0, at - 1)
        rest = "".join(parts[:first] + parts[first + 2 :])
        if rest and word in SKETCH_WORDS | PHOTO_WORDS:
            return f"{folder}{slash}{rest}", word
    return name, ""


def _stem(relative: Path) -> str:
    return relative.with_suffix("").as_posix()


def _named(name: str, split: str | None, splits: set[str]) -> str:
    return f"test/{name}" if split == "test" and splits & {"val", "valid", "validation"} else name
