"""Two kinds of charts: stacked bars, and curves over labels on an axis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .svg import Picture

WIDTH = 860
_RIGHT, _TOP = 80, 64
_ROW = 26
_LETTER = 7.5
"""The average width of a letter in pixels, rounded up."""


@dataclass
class Bar:
    """`target` is drawn as a line across the bar, in the unit of its parts."""

    name: str
    parts: Mapping[str, float]
    target: float | None = None

    @property
    def total(self) -> float:
        return sum(self.parts.values())


def bars(title: str, unit: str, shown: Sequence[Bar], digits: int = 2) -> str:
    """Horizontal stacked bars. A part has the same colour in every bar."""
    names = list(dict.fromkeys(name for bar in shown for name in bar.parts))
    height = _TOP + _ROW * len(shown) + 46
    picture = Picture(WIDTH, height, title)
    if len(names) > 1:
        picture.legend(16, 48, names)
    most = max([bar.total for bar in shown] + [bar.target or 0 for bar in shown]) or 1
    left = 24 + _LETTER * max(len(bar.name) for bar in shown)
    scale = (WIDTH - left - _RIGHT) / most
    bottom = _TOP + _ROW * len(shown)
    for tick in _ticks(most):
        x = left + tick * scale
        picture.line(x, _TOP - 4, x, bottom + 4)
        picture.text(x, bottom + 18, f"{tick:g}", "faint", "middle")
    picture.text(left, bottom + 36, unit, "faint")
    for number, bar in enumerate(shown):
        y = _TOP + _ROW * number
        picture.text(left - 10, y + 15, bar.name, "", "end")
        x = left
        for name, value in bar.parts.items():
            picture.box(x, y + 3, value * scale, _ROW - 8, names.index(name))
            x += value * scale
        end = x
        if bar.target is not None:
            at = left + bar.target * scale
            picture.line(at, y, at, y + _ROW - 2, "target")
            end = max(x, at)
        picture.text(end + 6, y + 15, f"{bar.total:.{digits}f}", "faint")
    if any(bar.target is not None for bar in shown):
        picture.text(WIDTH - 16, bottom + 36, "- - target", "target-text", "end")
    return str(picture)


class Target(NamedTuple):
    """A horizontal line from one mark to another."""

    level: float
    first: str
    last: str
    name: str


@dataclass
class Curves:
    """Values by mark, for each series. `marks` are the labels of the axis, in order."""

    name: str
    axis: str
    unit: str
    marks: Sequence[str]
    series: Mapping[str, Mapping[str, float]]
    targets: Sequence[Target] = ()
    logarithmic: bool = False


def curves(title: str, panels: Sequence[Curves], height: int = 300) -> str:
    """Panels side by side. A series has the same colour in all of them."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    width = WIDTH / len(panels)
    picture = Picture(WIDTH, height + 84, title)
    picture.legend(16, 48, names)
    for number, panel in enumerate(panels):
        _panel(picture, panel, names, (number * width + 56, 78, width - 76, height - 48))
    return str(picture)


def _panel(
    picture: Picture, panel: Curves, names: list[str], place: tuple[float, float, float, float]
) -> None:
    left, top, width, height = place
    values = [value for one in panel.series.values() for value in one.values()]
    values += [target.level for target in panel.targets]
    most = max([value for value in values if value > 0] or [1])
    if panel.logarithmic:
        low = math.floor(math.log10(min([value for value in values if value > 0] or [1])))
        high = max(math.ceil(math.log10(most)), low + 1)
        ticks = [10.0**power for power in range(low, high + 1)]
    else:
        low, high = 0, 0
        ticks = _ticks(most)
        most = max(most, ticks[-1])

    def y_of(value: float) -> float:
        share = (
            (math.log10(max(value, 10.0**low)) - low) / (high - low)
            if panel.logarithmic
            else value / most
        )
        return top + height * (1 - share)

    step = width / max(1, len(panel.marks) - 1)
    across = {mark: left + step * number for number, mark in enumerate(panel.marks)}
    for tick in ticks:
        picture.line(left, y_of(tick), left + width, y_of(tick))
        picture.text(left - 6, y_of(tick) + 4, f"{tick:g}", "faint", "end")
    for mark, x in across.items():
        picture.text(x, top + height + 18, mark, "faint", "middle")
    picture.text(left + width / 2, top + height + 38, panel.axis, "faint", "middle")
    picture.text(left - 40, top - 14, f"{panel.name} {panel.unit}".strip(), "faint")
    for target in panel.targets:
        first, last = across[target.first], across[target.last]
        y = y_of(target.level)
        reach = 8 if first < last else 24
        picture.line(first - reach, y, last + reach, y, "target")
        picture.text(last + reach, y - 5, target.name, "target-text", "end")
    for name, points in panel.series.items():
        drawn = [(across[mark], y_of(value)) for mark, value in points.items() if mark in across]
        picture.curve(drawn, names.index(name))


def _ticks(most: float) -> list[float]:
    """Round numbers from 0 to at least `most`, about five to seven."""
    raw = most / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw)
    return [step * number for number in range(math.ceil(most / step) + 1)]
