"""What a person sees of a long stage: a moving bar, or a line now and then where nothing moves."""

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

_LINE_SECONDS = 5


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


@dataclass
class Stage:
    """`before` of `total` were done by an earlier run."""

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


class Progression:
    """The stages of one run, shown as they go and summed up at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str, total: int, before: int = 0) -> Iterator["Meter"]:
        stage = Stage(name, total, before)
        self.stages.append(stage)
        begun = time.monotonic()
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
            meter = Meter(stage, bar, begun)
            try:
                yield meter
            finally:
                stage.seconds = time.monotonic() - begun
        if not self.console.is_terminal:
            meter.say()

    def table(self) -> Table:
        table = Table()
        for heading in ("stage", "all", "this run", "seconds", "a second"):
            table.add_column(heading, justify="left" if heading == "stage" else "right")
        for stage in self.stages:
            now = stage.done - stage.before
            rate = f"{stage.rate:,.1f}" if now else ""
            row = (f"{stage.done:,}", f"{now:,}", f"{stage.seconds:,.1f}", rate)
            table.add_row(stage.name, *row)
        return table


class Meter:
    def __init__(self, stage: Stage, bar: Progress, begun: float) -> None:
        self._stage = stage
        self._bar = bar
        self._begun = self._said = begun
        self._task = bar.add_task(stage.name, total=stage.total, completed=stage.before)

    def advance(self) -> None:
        self.reach(self._stage.done + 1)

    def reach(self, done: int) -> None:
        self._stage.done = done
        self._bar.update(self._task, completed=done)
        now = time.monotonic()
        if self._bar.disable and now - self._said >= _LINE_SECONDS:
            self._said = now
            self._stage.seconds = now - self._begun
            self.say()

    def say(self) -> None:
        stage = self._stage
        line = f"{stage.name}: {stage.done:,} of {stage.total:,}"
        if stage.rate:
            left = (stage.total - stage.done) / stage.rate
            line += f", {stage.rate:,.1f} a second" + (f", {left:,.0f} s left" if left > 0 else "")
        self._bar.console.print(line, highlight=False)
