"""Hooks for Schemathesis, which change some of the calls that it generates.

A call that would revoke a key, a role or an account gets the id of a person who is registered for
it. Otherwise the first such call could remove the caller's own access, and every later call would
be refused. Some calls get the name of an existing picture or erasure, because a generated name
never hits one. An announcement gets an end in the past: everybody would be notified of one, in the
middle of other tests.
"""

import os
import re
from typing import Annotated, Any

import httpx
import schemathesis
from pydantic import Field, TypeAdapter, ValidationError

from chassis.http.paging import MAX_ID

TAKING = re.compile(
    r"(POST|PUT|DELETE) /api/(users/\{id\}/(keys?(/.*)?|invitation|administrator)|erasures)$"
)
URL = os.environ["WARBLE_FUZZ_URL"]
ADMINISTRATOR = {"api-key": os.environ["WARBLE_FUZZ_ADMIN_KEY"]}
KNOWN = {
    "/uploads/{name}": ("name", os.environ["WARBLE_FUZZ_PICTURE"]),
    "/api/erasures/{id}": ("id", int(os.environ["WARBLE_FUZZ_ERASED"])),
}

_ID: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=MAX_ID)])


@schemathesis.serializer("text/csv")
def csv_serializer(ctx: Any, value: Any) -> bytes:
    """A generated body is a text that is rarely CSV: an import must refuse it."""
    return value.encode(errors="replace") if isinstance(value, str) else repr(value).encode()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    path = case.operation.path
    if TAKING.match(f"{case.method.upper()} {path}"):
        named = case.path_parameters or case.body
        for name in ("id", "user_id"):
            if isinstance(named, dict) and _is_somebody(named.get(name)):
                _replace(named, name)
    elif path == "/api/announcements" and isinstance(case.body, dict):
        if isinstance(case.body.get("until"), str):
            case.body["until"] = "2026-01-01T00:00:00Z"
    elif path in KNOWN and case.meta is not None and not case.meta.generation.mode.is_negative:
        name, known = KNOWN[path]
        # About half of the calls, chosen by the length of the generated name.
        if len(str(case.path_parameters.get(name))) % 2:
            case.path_parameters[name] = known


def _is_somebody(value: Any) -> bool:
    """Whether a service would accept the value as an id, in whatever notation."""
    try:
        _ID.validate_python(value)
    except ValidationError:
        return False
    return True


def _replace(named: dict[str, Any], by: str) -> None:
    """Replaces the generated id by a new person's, and likewise the key id and the name."""
    body = {"name": "Throw Away"}
    response = httpx.post(f"{URL}/api/users", json=body, headers=ADMINISTRATOR, timeout=120)
    created = response.raise_for_status().json()
    named[by] = created["user_id"]
    if "key_id" in named and _is_somebody(named["key_id"]):
        named["key_id"] = created["key_id"]
    if "name" in named:
        named["name"] = body["name"]
