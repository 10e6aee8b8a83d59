"""Generates documents from the code.

They are gateway/openapi.json, docs/events.md, docs/settings.md and deploy/rabbitmq/accounts.json,
the permissions of each service at the broker. With `--check` nothing is written, and the exit code
is 1 if a file is out of date.
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

from devstack.repository import REPOSITORY, SERVICES

EVENTS_HEAD = """# Events

Generated from the code by `make documents`; golden samples are in `tests/contracts/samples`.
A producer names an event `noun.verb.vN`. Each consumer has its own queue for it, and a queue
`….dead` for dead letters. A message holds one event, or several with the same routing key
([adr/0052](adr/0052-messages-of-several-events.md)). `gateway` has an exclusive queue that lives as
long as its connection.

| routing key | producer | fields | consumers |
|---|---|---|---|
"""


def openapi() -> str:
    from gateway import (
        erasure_progress,
        export,
        health_overview,
        invitations,
        sessions,
        sign_on,
        stream_proxy,
    )
    from gateway.openapi_merge import merge

    documents = {
        name: importlib.import_module(f"services.{name}.api_process").create_app().openapi()
        for name in SERVICES
    }
    # The stream processes of notifications serve this operation without FastAPI.
    stream_app = FastAPI()
    stream_app.include_router(
        importlib.import_module("services.notifications.streaming.endpoint").documentation
    )
    documents[stream_proxy.SERVICE] = stream_app.openapi()
    gateway_app = FastAPI()
    gateway_app.include_router(sessions.router)
    gateway_app.include_router(sign_on.router)
    gateway_app.include_router(invitations.router)
    gateway_app.include_router(erasure_progress.router)
    gateway_app.include_router(export.router)
    gateway_app.include_router(health_overview.router)
    documents["gateway"] = gateway_app.openapi()
    return json.dumps(merge(documents), ensure_ascii=False, indent=1) + "\n"


def _producers_and_consumers() -> tuple[dict[str, tuple[str, type[Any]]], dict[str, list[str]]]:
    """Two mappings from the routing key: to producer and event class; to the consumers."""
    from chassis.messaging.events import Event
    from gateway.credential_cache import REVOCATION_EVENTS

    consumers: dict[str, list[str]] = defaultdict(list)
    produced: dict[str, tuple[str, type[Event]]] = {}
    for service in SERVICES:
        consumed: set[type[Event]] = {Event}
        if importlib.util.find_spec(f"services.{service}.handlers"):
            for subscription in importlib.import_module(
                f"services.{service}.handlers"
            ).subscriptions:
                consumers[subscription.event.routing_key].append(service)
                consumed.add(subscription.event)
        for declared in vars(importlib.import_module(f"services.{service}.events")).values():
            if (
                isinstance(declared, type)
                and issubclass(declared, Event)
                and declared not in consumed
            ):
                produced[declared.routing_key] = (service, declared)
    for key in REVOCATION_EVENTS:
        consumers[key].append("gateway")
    return produced, consumers


def events() -> str:
    produced, consumers = _producers_and_consumers()
    rows = [
        f"| `{key}` | {producer} | {', '.join(f'`{field}`' for field in event.model_fields)}"
        f" | {', '.join(consumers[key])} |"
        for key, (producer, event) in sorted(produced.items())
    ]
    return EVENTS_HEAD + "\n".join(rows) + "\n"


def accounts() -> str:
    """Permissions per service at the broker: patterns of names and of routing keys."""
    from chassis.messaging.events import EXCHANGE
    from gateway.credential_cache import REVOCATION_EVENTS

    produced, consumers = _producers_and_consumers()
    keys_by_service = {
        name: {
            "publishes": sorted(key for key, (owner, _) in produced.items() if owner == name),
            "consumes": sorted(key for key in produced if name in consumers[key]),
        }
        for name in SERVICES
    }
    keys_by_service["gateway"] = {"publishes": [], "consumes": sorted(REVOCATION_EVENTS)}
    accounts = {}
    for name, keys in keys_by_service.items():
        # A service may declare the exchange of events, so that it can create a lost one again.
        events = [] if name == "gateway" else [EXCHANGE]
        accounts[name] = {
            "configure": _pattern(events, service=name),
            "write": _pattern([EXCHANGE] if keys["publishes"] else [], service=name),
            "read": _pattern([EXCHANGE] if keys["consumes"] else [], service=name),
            "publishes": _pattern(keys["publishes"]),
            "consumes": _pattern(keys["consumes"]),
        }
    return json.dumps({"exchange": EXCHANGE, "accounts": accounts}, indent=1) + "\n"


def _pattern(names: list[str], service: str = "") -> str:
    """Matches the names and, if a service is given, all names that begin with it and a dot."""
    alternatives = [re.escape(name) for name in names] + ([rf"{service}\..+"] if service else [])
    return f"^({'|'.join(alternatives)})$" if alternatives else "^$"


SETTINGS_HEAD = """# Settings

Generated from the code by `make documents`. Each setting is an environment variable or a line of
`.env`. `make up` sets addresses and secrets that are not given.
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
        return "(required)"
    if "Secret" in str(info.annotation):
        return "(secret)"
    return f"`{value}`" if value not in (None, "") else ""


def _meaning(declared: type[Any], field: str) -> str:
    """The docstring below the field, in the class that declares it."""
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
    """The applications are only built to read their OpenAPI documents, so any key will do."""
    from chassis import testing

    for name in SERVICES:
        os.environ[f"{name.upper()}_IDENTITY_PUBLIC_KEY"] = testing.PUBLIC_KEY


def main(arguments: list[str]) -> int:
    _settings_for_building()
    generators: dict[str, Any] = {
        "gateway/openapi.json": openapi,
        "docs/events.md": events,
        "deploy/rabbitmq/accounts.json": accounts,
        "docs/settings.md": settings,
    }
    outdated = []
    for name, generate in generators.items():
        path = REPOSITORY / name
        text = generate()
        if not path.exists() or path.read_text() != text:
            outdated.append(name)
            if "--check" not in arguments:
                path.write_text(text)
                print(f"wrote {name}")
    if outdated and "--check" in arguments:
        print(f"Out of date: {', '.join(outdated)}. Run `make documents`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
