"""What a photo was made of, written into the photo itself: whoever else forgot, the photo has not.

save_image(path, photo, note=Origin(sha256, made_with).to_text())
Origin.of(path)                                None of a photo that says nothing
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pix2pix.images import read_note


@dataclass(frozen=True)
class Origin:
    """A sketch, and all else that the photo depends on."""

    sketch: str  # the SHA-256 of its file
    made_with: dict[str, Any]  # bundle, z, size: as JSON has them

    def to_text(self) -> str:
        """For the photo."""
        return json.dumps({"pix2pix": asdict(self)})

    @classmethod
    def of(cls, photo: Path) -> Self | None:
        """What a photo says of itself."""
        try:
            said = json.loads(read_note(photo))["pix2pix"]
            return cls(str(said["sketch"]), dict(said["made_with"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
