"""Writes gateway/openapi.json and docs/events.md from the code; `--check` only compares."""

import importlib
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI

REPOSITORY = Path(__file__).parents[1]
SERVICES = ("users", "tweets", "media", "feed")

EVENTS_HEAD = """# Events

Generated from the code by `make openapi`; golden samples stand in `tests/contracts/samples`.
A producer names an event `noun.verb.vN`; each consumer has a queue of its own for it, and a queue
`….dead` beside it. `gateway` listens by a queue that lives as long as its connection.

| routing key | producer | fields | consumers |
|---|---|---|---|
"""


def contract() -> str:
    from gateway import session
    from gateway.contract import merge

    documents = {
        name: importlib.import_module(f"services.{name}.main").create_app().openapi()
        for name in SERVICES
    }
    own = FastAPI()
    own.include_router(session.router)
    documents["gateway"] = own.openapi()
    return json.dumps(merge(documents), ensure_ascii=False, indent=1) + "\n"


def events() -> str:
    from chassis.events import Event
    from gateway.keys import REVOKING

    consumers: dict[str, list[str]] = defaultdict(list)
    produced: dict[str, tuple[str, type[Event]]] = {}
    for service in SERVICES:
        own: set[type[Event]] = {Event}
        if importlib.util.find_spec(f"services.{service}.handlers"):
            for found in importlib.import_module(f"services.{service}.handlers").subscriptions:
                consumers[found.event.routing_key].append(service)
                own.add(found.event)
        for declared in vars(importlib.import_module(f"services.{service}.events")).values():
            if isinstance(declared, type) and issubclass(declared, Event) and declared not in own:
                produced[declared.routing_key] = (service, declared)
    for key in REVOKING:
        consumers[key].append("gateway")
    rows = [
        f"| `{key}` | {producer} | {', '.join(f'`{field}`' for field in event.model_fields)}"
        f" | {', '.join(consumers[key])} |"
        for key, (producer, event) in sorted(produced.items())
    ]
    return EVENTS_HEAD + "\n".join(rows) + "\n"


def _settings_for_building() -> None:
    """The applications are built, not run: any key will do."""
    from chassis import testing

    for name in SERVICES:
        os.environ[f"{name.upper()}_IDENTITY_PUBLIC_KEY"] = testing.PUBLIC_KEY


def main(arguments: list[str]) -> int:
    _settings_for_building()
    generated: dict[str, Any] = {
        "gateway/openapi.json": contract,
        "docs/events.md": events,
    }
    drifted = []
    for name, write in generated.items():
        path = REPOSITORY / name
        text = write()
        if not path.exists() or path.read_text() != text:
            drifted.append(name)
            if "--check" not in arguments:
                path.write_text(text)
                print(f"wrote {name}")
    if drifted and "--check" in arguments:
        print(f"out of date: {', '.join(drifted)}; run `make openapi`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
