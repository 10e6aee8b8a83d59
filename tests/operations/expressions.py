"""What the boards and the alerts ask of Prometheus, read from the files that operators get."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from deploy.local.places import REPOSITORY

BOARDS = REPOSITORY / "deploy/grafana/dashboards"
RULES = REPOSITORY / "deploy/prometheus/rules"
CONFIGURATION = REPOSITORY / "deploy/prometheus/prometheus.yml"

_COMPARISON = re.compile(r" (?:==|[<>]=?) [\d.]+(?: \* [\d.]+)?")


@dataclass(frozen=True)
class Expression:
    where: str
    text: str


def boards() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(BOARDS.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def every() -> list[Expression]:
    """All of them, fit to return data in health too.

    An alert is asked without its comparison; a panel without the nought that stands in for lines
    which are not there yet, and which would hide a name that is misspelt.
    """
    shown = [
        Expression(
            f"{name}: {panel['title']}",
            target["expr"].replace("$__rate_interval", "1m").removesuffix(" or vector(0)"),
        )
        for name, board in boards().items()
        for panel in panels(board)
        for target in panel["targets"]
    ]
    watched = [
        Expression(rule.get("alert") or rule["record"], _COMPARISON.sub("", rule["expr"]))
        for rule in rules()
    ]
    return shown + watched
