"""Panels and rows of panels, and their JSON for Grafana."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, PER_LINE = 8, 8, 3
_STAT_HEIGHT = 4

RUNBOOKS = "/public/runbooks"
"""Grafana serves the files in its folder `public`; the runbooks are mounted there."""


@dataclass(frozen=True)
class Panel:
    title: str
    description: str
    unit: str
    queries: Sequence[tuple[str, str]]
    """Pairs of an expression and the legend of its lines."""
    limits: tuple[float, float] | None = None
    """Thresholds for yellow and red. If the second is lower, small values are bad."""
    runbook: str | None = None
    """The name of the file in docs/runbooks to follow when the panel is red."""
    stat: bool = False
    """Show a number instead of a graph."""


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


def laid_out(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The JSON of the panels: rows one below the other, three panels in a line."""
    number, y = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": WIDTH * PER_LINE, "h": 1},
        }
        y += 1
        height = _STAT_HEIGHT if all(panel.stat for panel in row.panels) else HEIGHT
        for place, panel in enumerate(row.panels):
            number += 1
            if place and place % PER_LINE == 0:
                y += height
            x = place % PER_LINE * WIDTH
            yield _rendered(panel, number, {"x": x, "y": y, "w": WIDTH, "h": height})
        y += height


def _rendered(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    links = []
    if panel.runbook:
        url = f"{RUNBOOKS}/{panel.runbook}.md"
        links = [{"title": "Runbook", "url": url, "targetBlank": True}]
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "links": links,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "range": True,
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _STAT_OPTIONS if panel.stat else _GRAPH_OPTIONS,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limits:
        warn, alarm = panel.limits
        if warn < alarm:
            steps += [{"color": "yellow", "value": warn}, {"color": "red", "value": alarm}]
        else:
            steps = [
                {"color": "red", "value": None},
                {"color": "yellow", "value": alarm},
                {"color": "green", "value": warn},
            ]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.stat:
        defaults["color"] = {"mode": "thresholds"}
    else:
        shown = "dashed" if panel.limits else "off"
        defaults["custom"] = {"fillOpacity": 8, "thresholdsStyle": {"mode": shown}}
    return defaults


_STAT_OPTIONS = {
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    "colorMode": "value",
    "graphMode": "area",
}
_GRAPH_OPTIONS = {
    "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
