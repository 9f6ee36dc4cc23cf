"""What glibc does with freed memory: servers return it to the system, training keeps it.

Call one of the functions before any thread starts. They do nothing with other C libraries.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_ARENA_MAX, M_MMAP_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -4, -3, -1  # of malloc.h


def return_freed_memory() -> None:
    """Makes glibc return the memory of large pictures to the system; otherwise every thread keeps its own."""
    # Blocks of more than a megabyte go back to the system when they are freed.
    _mallopt({M_ARENA_MAX: 2, M_MMAP_THRESHOLD: 2**20})


def keep_freed_memory() -> None:
    """Makes glibc keep what a training step frees for the next step.

    Otherwise each step fetches several GB from the system again: page faults took a third of the time of a
    step on a virtual machine.
    """
    _mallopt({M_TRIM_THRESHOLD: -1, M_MMAP_MAX: 0})  # never; large blocks come from the heap, too


def _mallopt(values: dict[int, int]) -> None:
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in values.items():
            mallopt(parameter, value)
