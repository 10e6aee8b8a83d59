"""Generates the Grafana dashboards in dashboards/*.json; `--check` only compares.

Run it with `make boards`. All dashboards get their rows from the same functions, so an improvement
reaches each of them.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import events, rows, service_panels
from .panels import RUNBOOKS, Panel, Row, laid_out

FOLDER = Path(__file__).with_name("dashboards")
SERVICES = {
    "users": "People: names, keys, follows.",
    "tweets": "Tweets and likes.",
    "media": "Pictures, and the object store that holds them.",
    "feed": "The feed of each person.",
}
PUBLISHERS = ("users", "tweets", "media")
CONSUMERS = ("tweets", "media", "feed")
BY_ROUTE = "method, handler"


def service(name: str) -> list[Row]:
    only = f'job="{name}"'
    service_rows = [
        rows.requests(only, BY_ROUTE),
        rows.processes(only, "role"),
        rows.database(only, "role"),
    ]
    if name == "feed":
        service_rows += [service_panels.pages(only), service_panels.read_your_writes(only)]
    if name == "media":
        service_rows.append(service_panels.storage(only))
    if name in PUBLISHERS:
        service_rows.append(events.outbox(only, "routing_key"))
    if name in CONSUMERS:
        service_rows += [events.inbox(only, "routing_key"), events.queues(name)]
    return service_rows


def gateway() -> list[Row]:
    only = 'job="gateway"'
    return [
        rows.requests(only, BY_ROUTE),
        service_panels.upstream_calls(only),
        rows.processes(only, "role"),
    ]


def overview() -> list[Row]:
    every_job = f'job=~"{"|".join((*SERVICES, "gateway"))}"'
    services = f'job=~"{"|".join(SERVICES)}"'
    publishing = f'job=~"{"|".join(PUBLISHERS)}"'
    hearing = f'job=~"{"|".join(CONSUMERS)}"'
    return [
        _summary(),
        rows.requests(every_job, "job"),
        rows.processes(every_job, "job, role"),
        rows.database(services, "job"),
        events.outbox(publishing, "job"),
        events.inbox(hearing, "job"),
        events.queues("|".join(CONSUMERS)),
        events.broker(),
    ]


def _summary() -> Row:
    return Row(
        "Summary",
        [
            Panel(
                "Alerts",
                "Firing alerts by name. Each has a page in docs/runbooks.",
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
                "Failed requests, last 5 minutes",
                "At the gateway, as people experience it.",
                "percentunit",
                [('job:http_errors:ratio_rate5m{job="gateway"}', "5 minutes")],
                (0.001, 0.0144),
                "error-budget-burns",
                stat=True,
            ),
            Panel(
                "Failed requests, last 6 hours",
                "At the gateway, as people experience it.",
                "percentunit",
                [('job:http_errors:ratio_rate6h{job="gateway"}', "6 hours")],
                (0.001, 0.006),
                "error-budget-burns",
                stat=True,
            ),
        ],
    )


def board(name: str, description: str, dashboard_rows: Sequence[Row]) -> dict[str, Any]:
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
                "title": "Dashboards",
                "type": "dashboards",
                "tags": ["warble"],
                "icon": "dashboard",
                "tooltip": "The other services, with the same time range",
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
        "panels": list(laid_out(dashboard_rows)),
    }


def boards() -> Mapping[str, str]:
    """The content of each file by name."""
    dashboards = {
        "overview": board("overview", "All services at a glance.", overview()),
        "gateway": board("gateway", "The public API, as people experience it.", gateway()),
        **{name: board(name, about, service(name)) for name, about in SERVICES.items()},
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
            print("The dashboards are out of date. Run `make boards`.", file=sys.stderr)
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
