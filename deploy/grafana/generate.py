"""Writes the boards into dashboards/*.json; `--check` only compares.

Run as `python -m deploy.grafana.generate`. Every board has its rows from the same functions: what
is better in one is better in all.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import events, own, rows
from .panels import RUNBOOKS, Panel, Row, laid_out

FOLDER = Path(__file__).with_name("dashboards")
SERVICES = {
    "users": "Who people are: names, keys, follows.",
    "tweets": "What people say: tweets and likes.",
    "media": "What people attach: pictures, and the store that holds them.",
    "feed": "What each person reads.",
}
PUBLISHING = ("users", "tweets", "media")
HEARING = ("tweets", "media", "feed")
BY_ROUTE = "method, handler"


def service(name: str) -> list[Row]:
    only = f'job="{name}"'
    made = [rows.requests(only, BY_ROUTE), rows.running(only, "role")]
    made.append(rows.database(only, "role"))
    if name == "feed":
        made += [own.pages(only), own.own_writes(only)]
    if name == "media":
        made.append(own.storage(only))
    if name in PUBLISHING:
        made.append(events.outbox(only, "routing_key"))
    if name in HEARING:
        made += [events.inbox(only, "routing_key"), events.queues(name)]
    return made


def gateway() -> list[Row]:
    only = 'job="gateway"'
    return [rows.requests(only, BY_ROUTE), own.edge(only), rows.running(only, "role")]


def overview() -> list[Row]:
    ours = f'job=~"{"|".join((*SERVICES, "gateway"))}"'
    services = f'job=~"{"|".join(SERVICES)}"'
    publishing = f'job=~"{"|".join(PUBLISHING)}"'
    hearing = f'job=~"{"|".join(HEARING)}"'
    return [
        _now(),
        rows.requests(ours, "job"),
        rows.running(ours, "job, role"),
        rows.database(services, "job"),
        events.outbox(publishing, "job"),
        events.inbox(hearing, "job"),
        events.queues("|".join(HEARING)),
        events.broker(),
    ]


def _now() -> Row:
    return Row(
        "Now",
        [
            Panel(
                "Alerts",
                "Alerts that fire, by name. Each has a page of docs/runbooks.",
                "short",
                [
                    (
                        'count by (alertname) (ALERTS{alertstate="firing"}) or vector(0)',
                        "{{alertname}}",
                    )
                ],
                (1, 2),
                "README",
                stat=True,
            ),
            Panel(
                "Requests that fail, last 5 minutes",
                "At the gateway: what people see.",
                "percentunit",
                [('job:http_errors:ratio_rate5m{job="gateway"}', "5 minutes")],
                (0.001, 0.0144),
                "error-budget-burns",
                stat=True,
            ),
            Panel(
                "Requests that fail, last 6 hours",
                "At the gateway: what people see.",
                "percentunit",
                [('job:http_errors:ratio_rate6h{job="gateway"}', "6 hours")],
                (0.001, 0.006),
                "error-budget-burns",
                stat=True,
            ),
        ],
    )


def board(name: str, description: str, made: Sequence[Row]) -> dict[str, Any]:
    return {
        "uid": f"warble-{name}",
        "title": f"Warble: {name}",
        "description": description,
        "tags": ["warble"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "title": "Boards",
                "type": "dashboards",
                "tags": ["warble"],
                "icon": "dashboard",
                "tooltip": "The other parts, over the same time",
                "asDropdown": True,
                "keepTime": True,
                "includeVars": False,
                "targetBlank": False,
            },
            {
                "title": "Runbooks",
                "type": "link",
                "icon": "doc",
                "tooltip": "What to do",
                "url": f"{RUNBOOKS}/README.md",
                "asDropdown": False,
                "keepTime": False,
                "includeVars": False,
                "targetBlank": True,
                "tags": [],
            },
        ],
        "panels": list(laid_out(made)),
    }


def boards() -> Mapping[str, str]:
    """The text of each file."""
    made = {
        "overview": board("overview", "All parts at a glance.", overview()),
        "gateway": board("gateway", "The edge: what people see of it all.", gateway()),
        **{name: board(name, about, service(name)) for name, about in SERVICES.items()},
    }
    return {
        f"{name}.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        for name, content in made.items()
    }


def main(arguments: Sequence[str]) -> int:
    wanted = boards()
    present = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    if "--check" in arguments:
        if present != wanted:
            print("The boards are out of date; run `make boards`.", file=sys.stderr)
            return 1
        return 0
    FOLDER.mkdir(exist_ok=True)
    for name in present.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
