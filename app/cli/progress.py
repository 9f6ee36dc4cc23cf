"""Progress on stderr: a bar with rate and remaining time on a terminal, else a line every 15 seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 15.0


class Reporter:
    """Shows the progress of a job. `total` is in `unit`s; without a unit it is 1, and no rate is shown.

    Use as a context manager. `clock` returns seconds.
    """

    def __init__(
        self, label: str, total: float, unit: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is shown before the first update."""
        self.label, self.total, self.unit = label, total, unit
        self._clock = clock
        self._began = self._last_line = clock()
        self._done, self._start = 0.0, 0.0
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task(label, total=total, note="") if self._bar else None

    def __enter__(self) -> Self:
        """Shows the bar on a terminal."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops updating the bar."""
        if self._bar:
            self._bar.stop()

    def start_at(self, done: float) -> None:
        """Sets what was done before, for a resumed job; the rate counts from here."""
        self._done = self._start = done
        self._began = self._clock()

    def update(self, done: float, note: str = "", *, at_once: bool = False) -> None:
        """Sets how much is done; `note` is shown beside it, `at_once` or with the next line."""
        self._done = done
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, note=" ".join(filter(None, [self._rate(), note])))
        elif at_once or self._clock() - self._last_line >= LINE_EVERY_S:
            self._last_line = self._clock()
            self.say(self._line(note))

    def advance(self, amount: float = 1.0) -> None:
        """Adds to how much is done."""
        self.update(self._done + amount)

    def say(self, message: str) -> None:
        """Prints a line on stderr, above the bar."""
        if self._bar:
            self._bar.console.print(message, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(message, err=True)

    def _rate(self) -> str:
        seconds = self._clock() - self._began
        return (
            f"{(self._done - self._start) / seconds:.1f} {self.unit}/s" if self.unit and seconds > 0 else ""
        )

    def _line(self, note: str) -> str:
        amount = (
            f"{self._done:g}/{self.total:g} {self.unit}" if self.unit else f"{self._done / self.total:.0%}"
        )
        return f"{self.label}: " + ", ".join(filter(None, [amount, self._rate(), self._left(), note]))

    def _left(self) -> str:
        done, seconds = self._done - self._start, self._clock() - self._began
        return f"{in_words(seconds * (self.total - self._done) / done)} left" if done > 0 else ""


def in_words(seconds: float) -> str:
    """Returns a duration in words: 42s, 3m 20s, 1h 30m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),  # piped results stay results
    )
