"""What a reader of a drawing should tell the person who brought it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """A remark about a drawing: a name for programs, and a sentence for people."""

    name: str
    message: str


BLANK = Notice("blank", "The image is blank: nothing is drawn on it.")
RULES_LEFT_OUT = Notice("ruled-paper", "Ruled paper was seen; its lines were left out.")
RULES_KEPT = Notice(
    "ruled-paper-kept", "Ruled paper was seen; its lines are as strong as strokes, so they stay."
)
AREAS = Notice("areas", "Areas of colour were seen; their borders are the strokes.")
PAIR = Notice(
    "pair",
    "A sketch and a photo side by side were seen: give the sketch alone. `pix2pix prepare --from ab` makes "
    "training pairs of such pictures.",
)
COLOURS = Notice("colours", "Coloured strokes were taken for ink.")
PHOTOGRAPH = Notice(
    "photograph", "A photograph was seen, not a drawing: its dark parts and borders were taken for ink."
)
