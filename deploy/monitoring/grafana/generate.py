"""Generates the Grafana dashboards in dashboards/*.json; `--check` only compares.

Run it with `make dashboards`. All dashboards get their rows from panels.yml and the
rest from board.yml, so an improvement reaches each of them.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from devstack.repository import REPOSITORY, SERVICES

HERE = Path(__file__).parent
FOLDER = HERE / "dashboards"
COMMON: dict[str, Any] = yaml.safe_load((HERE / "board.yml").read_text())
PANELS: dict[str, Any] = yaml.safe_load((HERE / "panels.yml").read_text())
RUNBOOKS = "/public/runbooks"
"""Grafana serves the files in its folder `public`; the runbooks are mounted there."""
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, STAT_HEIGHT, PER_LINE = 8, 8, 4, 3

DESCRIPTIONS = {
    "users": "People: names, keys, follows.",
    "tweets": "Tweets and likes.",
    "media": "Pictures, and the object store that holds them.",
    "feed": "The feed of each person.",
    "notifications": "Notifications, and the open streams.",
}
ACCOUNTS = json.loads((REPOSITORY / "deploy/rabbitmq/accounts.json").read_text())["accounts"]
PUBLISHERS = [name for name in SERVICES if ACCOUNTS[name]["publishes"] != "^$"]
CONSUMERS = [name for name in SERVICES if ACCOUNTS[name]["consumes"] != "^$"]

Row = tuple[str, Mapping[str, str]]
"""Its name in panels.yml, and what its queries are about."""


def row(name: str, only: str = "", by: str = "", names: str = "") -> Row:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    rate = "$__rate_interval"
    return name, {"only": only, "by": by, "names": names, "legend": legend, "rate": rate}


def service(name: str) -> list[Row]:
    only = f'job="{name}"'
    rows = [
        row("requests", only, "method, handler"),
        row("processes", only, "role"),
        row("database", only, "role"),
    ]
    if name == "feed":
        rows += [row("pages", only), row("read_your_writes", only), row("search", only)]
    if name == "users":
        rows.append(row("sign_on", only))
    if name == "notifications":
        rows.append(row("streams", only))
    if name == "media":
        rows.append(row("storage", only))
    if name in PUBLISHERS:
        rows.append(row("outbox", only, "routing_key"))
    if name in CONSUMERS:
        rows += [row("inbox", only, "routing_key"), row("queues", names=name)]
    return rows


def gateway() -> list[Row]:
    only = 'job="gateway"'
    return [
        row("requests", only, "method, handler"),
        row("upstream_calls", only),
        row("gateway_streams", only),
        row("processes", only, "role"),
    ]


def overview() -> list[Row]:
    every_job = f'job=~"{"|".join((*SERVICES, "gateway"))}"'
    return [
        row("summary"),
        row("requests", every_job, "job"),
        row("processes", every_job, "job, role"),
        row("database", f'job=~"{"|".join(SERVICES)}"', "job"),
        row("outbox", f'job=~"{"|".join(PUBLISHERS)}"', "job"),
        row("inbox", f'job=~"{"|".join(CONSUMERS)}"', "job"),
        row("queues", names="|".join(CONSUMERS)),
        row("broker"),
    ]


def laid_out(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The JSON of the panels: rows one below the other, three panels in a line."""
    number, y = 0, 0
    for name, subject in rows:
        title, panels = PANELS[name]["title"], PANELS[name]["panels"]
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": WIDTH * PER_LINE, "h": 1},
        }
        y += 1
        height = STAT_HEIGHT if all("stat" in panel for panel in panels) else HEIGHT
        for place, panel in enumerate(panels):
            number += 1
            if place and place % PER_LINE == 0:
                y += height
            x = place % PER_LINE * WIDTH
            yield _rendered(panel, subject, number, {"x": x, "y": y, "w": WIDTH, "h": height})
        y += height


def _rendered(
    panel: Mapping[str, Any], subject: Mapping[str, str], number: int, place: dict[str, int]
) -> dict[str, Any]:
    links = []
    if "runbook" in panel:
        url = f"{RUNBOOKS}/{panel['runbook']}.md"
        links = [{"title": "Runbook", "url": url, "targetBlank": True}]
    kind = "stat" if "stat" in panel else "timeseries"
    return {
        "id": number,
        "type": kind,
        "title": panel["title"],
        "description": panel["description"],
        "datasource": SOURCE,
        "gridPos": place,
        "links": links,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": Template(query["query"]).substitute(subject),
                "legendFormat": Template(query.get("legend", "$legend")).substitute(subject),
                "range": True,
            }
            for index, query in enumerate(panel.get("queries", [panel]))
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": COMMON["options"][kind],
    }


def _defaults(panel: Mapping[str, Any]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if "limits" in panel:
        warn, alarm = panel["limits"]
        if warn < alarm:
            steps += [{"color": "yellow", "value": warn}, {"color": "red", "value": alarm}]
        else:
            steps = [
                {"color": "red", "value": None},
                {"color": "yellow", "value": alarm},
                {"color": "green", "value": warn},
            ]
    defaults: dict[str, Any] = {
        "unit": panel["unit"],
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if "stat" in panel:
        defaults["color"] = {"mode": "thresholds"}
    else:
        shown = "dashed" if "limits" in panel else "off"
        defaults["custom"] = {"fillOpacity": 8, "thresholdsStyle": {"mode": shown}}
    return defaults


def board(name: str, description: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "uid": f"warble-{name}",
        "title": f"Warble: {name}",
        "description": description,
        **COMMON["board"],
        "panels": list(laid_out(rows)),
    }


def boards() -> Mapping[str, str]:
    """The content of each file by name."""
    dashboards = {
        "overview": board("overview", "All services at a glance.", overview()),
        "gateway": board("gateway", "The public API, as people experience it.", gateway()),
        **{name: board(name, about, service(name)) for name, about in DESCRIPTIONS.items()},
    }
    return {
        f"{name}.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        for name, content in dashboards.items()
    }


def main(arguments: Sequence[str]) -> int:
    generated = boards()
    present = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    if "--check" in arguments:
        if present != generated:
            print("The dashboards are out of date. Run `make dashboards`.", file=sys.stderr)
            return 1
        return 0
    FOLDER.mkdir(exist_ok=True)
    for name in present.keys() - generated.keys():
        (FOLDER / name).unlink()
    for name, text in generated.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
