"""Shows the progress of a long stage: a bar on a terminal, else a line every few seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_INTERVAL_SECONDS = 5


class StageProgress:
    """`before` of the `total` items were done by an earlier run."""

    def __init__(self, bar: Progress, name: str, total: int, before: int) -> None:
        self._bar, self._name, self._total, self._before = bar, name, total, before
        self._done = before
        self._started_at = self._printed_at = time.monotonic()
        self._task = bar.add_task(name, total=total, completed=before)

    def advance(self) -> None:
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        self._done = done
        self._bar.update(self._task, completed=done)
        if self._bar.disable and time.monotonic() - self._printed_at >= _LINE_INTERVAL_SECONDS:
            self._printed_at = time.monotonic()
            self.print_line()

    def print_line(self) -> None:
        seconds = time.monotonic() - self._started_at
        line = f"{self._name}: {self._done:,} of {self._total:,}, {seconds:,.1f} s"
        if self._done > self._before:
            line += f", {(self._done - self._before) / seconds:,.1f} per second"
        self._bar.console.print(line, highlight=False)


@contextmanager
def stage(console: Console, name: str, total: int, before: int = 0) -> Iterator[StageProgress]:
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        progress = StageProgress(bar, name, total, before)
        yield progress
    progress.print_line()
