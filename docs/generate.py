"""Writes from the code: gateway/openapi.json, docs/events.md, docs/settings.md, and what each part
may do at the broker, deploy/rabbitmq/accounts.json; from the locked packages: docs/licences.md.

`--check` only compares.
"""

import ast
import importlib
import inspect
import json
import os
import re
import sys
import textwrap
from collections import defaultdict
from itertools import pairwise
from typing import Any

from fastapi import FastAPI

from deploy.local.places import REPOSITORY, SERVICES
from deploy.supply import licences

EVENTS_HEAD = """# Events

Generated from the code by `make openapi`; golden samples stand in `tests/contracts/samples`.
A producer names an event `noun.verb.vN`; each consumer has a queue of its own for it, and a queue
`….dead` beside it. `gateway` listens by a queue that lives as long as its connection.

| routing key | producer | fields | consumers |
|---|---|---|---|
"""


def contract() -> str:
    from gateway import erasures, export, session
    from gateway.contract import merge

    documents = {
        name: importlib.import_module(f"services.{name}.main").create_app().openapi()
        for name in SERVICES
    }
    own = FastAPI()
    own.include_router(session.router)
    own.include_router(erasures.router)
    own.include_router(export.router)
    documents["gateway"] = own.openapi()
    return json.dumps(merge(documents), ensure_ascii=False, indent=1) + "\n"


def _told() -> tuple[dict[str, tuple[str, type[Any]]], dict[str, list[str]]]:
    """By routing key: who produces the event and its class; who consumes it."""
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
    return produced, consumers


def events() -> str:
    produced, consumers = _told()
    rows = [
        f"| `{key}` | {producer} | {', '.join(f'`{field}`' for field in event.model_fields)}"
        f" | {', '.join(consumers[key])} |"
        for key, (producer, event) in sorted(produced.items())
    ]
    return EVENTS_HEAD + "\n".join(rows) + "\n"


def accounts() -> str:
    """What each part may do at the broker: patterns of names, and of routing keys of events."""
    from chassis.events import EXCHANGE
    from gateway.keys import REVOKING

    produced, consumers = _told()
    held = {
        name: {
            "publishes": sorted(key for key, (owner, _) in produced.items() if owner == name),
            "hears": sorted(key for key in produced if name in consumers[key]),
        }
        for name in SERVICES
    }
    held["gateway"] = {"publishes": [], "hears": sorted(REVOKING)}
    made = {}
    for name, keys in held.items():
        # A service may declare the exchange of events, so that one that is lost is made anew.
        events = [] if name == "gateway" else [EXCHANGE]
        made[name] = {
            "configure": _pattern(events, own=name),
            "write": _pattern([EXCHANGE] if keys["publishes"] else [], own=name),
            "read": _pattern([EXCHANGE] if keys["hears"] else [], own=name),
            "publishes": _pattern(keys["publishes"]),
            "hears": _pattern(keys["hears"]),
        }
    return json.dumps({"exchange": EXCHANGE, "accounts": made}, indent=1) + "\n"


def _pattern(names: list[str], own: str = "") -> str:
    wanted = [re.escape(name) for name in names] + ([rf"{own}\..+"] if own else [])
    return f"^({'|'.join(wanted)})$" if wanted else "^$"


SETTINGS_HEAD = """# Settings

Generated from the code by `make openapi`. Each is a variable of the environment, or a line of
`.env`. `make up` gives the addresses and secrets itself where nothing is said.
"""


def settings() -> str:
    sections = [SETTINGS_HEAD]
    seen: set[str] = set()
    for name in (*SERVICES, "gateway"):
        package = "gateway" if name == "gateway" else f"services.{name}"
        declared = importlib.import_module(f"{package}.settings").Settings
        rows = []
        for field, info in declared.model_fields.items():
            alias = info.validation_alias
            variable = str(alias.choices[0]) if alias else f"{name}_{field}".upper()
            if variable not in seen:
                rows.append(f"| `{variable}` | {_default(info)} | {_meaning(declared, field)} |")
                seen.add(variable)
        head = f"## {name}\n\n| variable | default | meaning |\n|---|---|---|\n"
        sections.append(head + "\n".join(rows) + "\n")
    return "\n".join(sections)


def _default(info: Any) -> str:
    value = info.get_default(call_default_factory=True)
    if info.is_required():
        return "(needed)"
    if "Secret" in str(info.annotation):
        return "(secret)"
    return f"`{value}`" if value not in (None, "") else ""


def _meaning(declared: type[Any], field: str) -> str:
    """The string that stands below the field, in the class that declares it."""
    for owner in declared.__mro__:
        if field in inspect.get_annotations(owner):
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
            assert isinstance(tree, ast.ClassDef)
            for node, following in pairwise(tree.body):
                named = isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == field
                if named and isinstance(following, ast.Expr):
                    return " ".join(str(ast.literal_eval(following.value)).split())
    return ""


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
        "deploy/rabbitmq/accounts.json": accounts,
        "docs/settings.md": settings,
        "docs/licences.md": licences.document,
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
