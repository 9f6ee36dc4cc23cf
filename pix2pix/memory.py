"""Memory of large pictures: settings of glibc for freed memory, and a memory budget that threads share.

Call one of the functions before any thread starts. They have no effect with other C libraries.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

M_ARENA_MAX, M_MMAP_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -4, -3, -1  # of malloc.h


def return_freed_memory() -> None:
    """Makes glibc return freed memory of large pictures to the system; otherwise each thread keeps some."""
    # Blocks of more than a megabyte go back to the system when they are freed.
    _mallopt({M_ARENA_MAX: 2, M_MMAP_THRESHOLD: 2**20})


def keep_freed_memory() -> None:
    """Makes glibc keep the memory that a training step frees, for the next step.

    Otherwise each step fetches several GB from the system again: page faults took a third of the time of a
    step on a virtual machine.
    """
    _mallopt({M_TRIM_THRESHOLD: -1, M_MMAP_MAX: 0})  # never; large blocks come from the heap, too


def _mallopt(values: dict[int, int]) -> None:
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in values.items():
            mallopt(parameter, value)


class Budget:
    """An amount that threads share. A request for more than the total is granted when nothing is in use."""

    def __init__(self, size: int) -> None:
        """Sets the total."""
        self._size, self._taken = size, 0
        self._changed = threading.Condition()

    def acquire(self, amount: int, within_s: float | None = None) -> bool:
        """Waits until `amount` is free and takes it; returns False after `within_s`."""
        with self._changed:
            granted = self._changed.wait_for(
                lambda: not (self._taken and amount) or self._taken + amount <= self._size, within_s
            )
            self._taken += amount if granted else 0
            return granted

    def release(self, amount: int) -> None:
        """Releases what `acquire` took."""
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Waits until `amount` is free, and takes it for the block."""
        self.acquire(amount)
        try:
            yield
        finally:
            self.release(amount)
