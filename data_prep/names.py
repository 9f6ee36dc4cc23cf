"""Gives each source a name of its own where names differ in suffix or case only: same.jpg and same.png.

One keeps the plain name, the others get their suffix appended: same, same-png. A source that has a pair keeps
its name, whichever files are added later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count

from data_prep.manifest import Manifest
from data_prep.sources import Fault, SourcePair


def with_distinct_names(found: list[SourcePair | Fault], manifest: Manifest) -> list[SourcePair | Fault]:
    """Returns the sources with names that differ in more than case, as some file systems ignore case."""
    sources = [item for item in found if isinstance(item, SourcePair)]
    plain = Counter(_key(item, item.name) for item in sources)
    present = {item.source for item in sources}
    names: dict[SourcePair, str] = {}
    taken: set[tuple[str | None, str]] = set()
    for item in sources:
        name = _earlier_name(item, manifest, present, is_shared=plain[_key(item, item.name)] > 1)
        if name and _key(item, name) not in taken:
            names[item] = name
            taken.add(_key(item, name))
    for item in sources:
        if item in names:
            continue
        names[item] = item.name
        if _key(item, item.name) in taken:
            names[item] = next(
                name
                for name in _longer(item)
                if _key(item, name) not in taken and not plain[_key(item, name)]
            )
        taken.add(_key(item, names[item]))
    return [replace(item, name=names[item]) if isinstance(item, SourcePair) else item for item in found]


def _earlier_name(item: SourcePair, manifest: Manifest, present: set[str], *, is_shared: bool) -> str | None:
    """The name of the pair made from these files, or from the same content if they moved."""
    records = manifest.of_source(item.source)
    if is_shared and not records:
        with suppress(OSError):
            same_content = manifest.of_content(item.sha256())
            moved = same_content is not None and same_content.source not in present
            records = [same_content] if same_content and moved else []
    own = re.compile(rf"{re.escape(item.name)}(-{re.escape(_suffix(item))}(-\d+)?)?")
    mine = (record for record in records if item.split in (None, record.split))
    return next((record.name for record in mine if own.fullmatch(record.name)), None)


def _longer(item: SourcePair) -> Iterator[str]:
    """Names for a source whose plain name is taken: same-png, same-png-2, same-png-3, ..."""
    yield f"{item.name}-{_suffix(item)}"
    yield from (f"{item.name}-{_suffix(item)}-{number}" for number in count(2))


def _suffix(item: SourcePair) -> str:
    return item.files[0].suffix[1:].lower()


def _key(item: SourcePair, name: str) -> tuple[str | None, str]:
    return item.split, name.casefold()
