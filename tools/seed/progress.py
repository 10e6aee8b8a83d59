"""Shows the progress of long stages: a bar on a terminal, else a line every few seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

_LINE_INTERVAL_SECONDS = 5


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


@dataclass
class Stage:
    """`before` of the `total` items were done by an earlier run."""

    name: str
    total: int
    before: int = 0
    done: int = field(init=False)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.done = self.before

    @property
    def rate(self) -> float:
        return (self.done - self.before) / self.seconds if self.seconds else 0.0


class ProgressReport:
    """The progress of all stages of a run, and a summary table."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str, total: int, before: int = 0) -> Iterator["StageProgress"]:
        stage = Stage(name, total, before)
        self.stages.append(stage)
        started_at = time.monotonic()
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns,
            console=self.console,
            speed_estimate_period=20,
            disable=not self.console.is_terminal,
        ) as bar:
            progress = StageProgress(stage, bar, started_at)
            try:
                yield progress
            finally:
                stage.seconds = time.monotonic() - started_at
        if not self.console.is_terminal:
            progress.print_line()

    def table(self) -> Table:
        table = Table()
        for heading in ("stage", "all", "this run", "seconds", "per second"):
            table.add_column(heading, justify="left" if heading == "stage" else "right")
        for stage in self.stages:
            now = stage.done - stage.before
            rate = f"{stage.rate:,.1f}" if now else ""
            row = (f"{stage.done:,}", f"{now:,}", f"{stage.seconds:,.1f}", rate)
            table.add_row(stage.name, *row)
        return table


class StageProgress:
    def __init__(self, stage: Stage, bar: Progress, started_at: float) -> None:
        self._stage = stage
        self._bar = bar
        self._started_at = self._printed_at = started_at
        self._task = bar.add_task(stage.name, total=stage.total, completed=stage.before)

    def advance(self) -> None:
        self.reach(self._stage.done + 1)

    def reach(self, done: int) -> None:
        self._stage.done = done
        self._bar.update(self._task, completed=done)
        now = time.monotonic()
        if self._bar.disable and now - self._printed_at >= _LINE_INTERVAL_SECONDS:
            self._printed_at = now
            self._stage.seconds = now - self._started_at
            self.print_line()

    def print_line(self) -> None:
        stage = self._stage
        line = f"{stage.name}: {stage.done:,} of {stage.total:,}"
        if stage.rate:
            left = (stage.total - stage.done) / stage.rate
            line += f", {stage.rate:,.1f} per second" + (
                f", {left:,.0f} s left" if left > 0 else ""
            )
        self._bar.console.print(line, highlight=False)
