"""Who waits for an answer, and what there is room for while they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

SMALL_PIXELS = 2**18  # such a picture, a drawing on the canvas, waits for no large one
MAX_PIXELS_AT_WORK = 40_000_000  # a picture takes up to 20 bytes a pixel while it is looked through


@dataclass(frozen=True, eq=False)
class Client:
    """One who has asked and waits."""

    address: str | None = None
    since: float = field(default_factory=time.monotonic)  # when the request came
    gone: Callable[[], bool] = lambda: False  # whether nobody waits any more


class Room:
    """So much may be at work at a time; one that is larger than all the room has it alone."""

    def __init__(self, size: int) -> None:
        """`size` in whatever is counted."""
        self.size, self._taken = size, 0
        self._changed = threading.Condition()

    def enter(self, amount: int, within_s: float) -> bool:
        """Wait until there is room, and take it; whether there was in time."""
        with self._changed:
            there_is = self._changed.wait_for(
                lambda: not (self._taken and amount) or self._taken + amount <= self.size, within_s
            )
            self._taken += amount if there_is else 0
            return there_is

    def leave(self, amount: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()
