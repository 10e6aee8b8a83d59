"""Reads PostgreSQL's plans: the output of `explain (analyze, format json)`."""

import json
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

EXPLAIN = "explain (analyze, buffers, format json) "


def nodes(explained: Any) -> list[Node]:
    """The nodes of an executed plan, the outermost first. `explained` is text, or parsed JSON."""
    plan = json.loads(explained) if isinstance(explained, str) else explained
    return list(_walk(plan[0]["Plan"]))


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", []):
        yield from _walk(child)


def rows_read(explained: Any, *tables: str) -> int:
    """How many rows of these tables were read, of all tables if none is named."""
    counted = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(explained)
        if "Relation Name" in node and (not tables or node["Relation Name"] in tables)
    ]
    return int(sum(counted))
