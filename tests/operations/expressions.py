"""The PromQL expressions of dashboards and rules, read from the deployed files."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from devstack.repository import REPOSITORY

BOARDS = REPOSITORY / "deploy/monitoring/grafana/dashboards"
RULES = REPOSITORY / "deploy/monitoring/prometheus/rules"
CONFIGURATION = REPOSITORY / "deploy/monitoring/prometheus/prometheus.yml"

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


def all_expressions() -> list[Expression]:
    """All expressions, changed so that they return data in a healthy system too.

    Alerts lose their comparison. Panels lose the fallback `or vector(0)`, which would hide a
    misspelt metric name.
    """
    from_panels = [
        Expression(
            f"{name}: {panel['title']}",
            target["expr"].replace("$__rate_interval", "1m").removesuffix(" or vector(0)"),
        )
        for name, board in boards().items()
        for panel in panels(board)
        for target in panel["targets"]
    ]
    from_rules = [
        Expression(rule.get("alert") or rule["record"], _COMPARISON.sub("", rule["expr"]))
        for rule in rules()
    ]
    return from_panels + from_rules
