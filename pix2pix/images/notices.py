"""Notices about how a drawing was read, for the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice about a drawing: a name for programs, and a sentence for users."""

    name: str
    message: str


BLANK = Notice("blank", "The picture is blank.")
RULES_LEFT_OUT = Notice("ruled-paper", "The paper is ruled; its lines were removed.")
RULES_KEPT = Notice(
    "ruled-paper-kept", "The paper is ruled; its lines are as dark as the strokes, so they were kept."
)
AREAS = Notice("areas", "The picture has areas of colour; their borders are the strokes.")
PAIR = Notice(
    "pair",
    "The picture shows a sketch and a photo side by side: use the sketch alone. `pix2pix prepare --from ab` "
    "makes training pairs from such pictures.",
)
COLOURS = Notice("colours", "Coloured strokes were taken for ink.")
PHOTOGRAPH = Notice(
    "photograph", "The picture is a photo, not a drawing: its dark parts and edges were read as ink."
)
