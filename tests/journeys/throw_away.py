"""Loaded by Schemathesis: changes calls that it made up.

A call that would end a key, a role or a person names a person who is made for it. Otherwise the
first such call would take the caller's own access away, and every later call would be refused. Some
calls name a picture or an erasure that exists, because no made-up name is one.
"""

import os
import re
from typing import Annotated, Any

import httpx
import schemathesis
from pydantic import Field, TypeAdapter, ValidationError

from chassis.paging import MAX_ID

TAKING = re.compile(r"(POST|PUT|DELETE) /api/(users/\{id\}/(keys?(/.*)?|administrator)|erasures)$")
URL = os.environ["WARBLE_FUZZ_URL"]
ADMINISTRATOR = {"api-key": os.environ["WARBLE_FUZZ_ADMIN_KEY"]}
KNOWN = {
    "/uploads/{name}": ("name", os.environ["WARBLE_FUZZ_PICTURE"]),
    "/api/erasures/{id}": ("id", int(os.environ["WARBLE_FUZZ_ERASED"])),
}

_ID: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=MAX_ID)])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    path = case.operation.path
    if TAKING.match(f"{case.method.upper()} {path}"):
        named = case.path_parameters or case.body
        for name in ("id", "user_id"):
            if isinstance(named, dict) and _is_somebody(named.get(name)):
                _replace(named, name)
    elif path in KNOWN and case.meta is not None and not case.meta.generation.mode.is_negative:
        name, known = KNOWN[path]
        # Every other one, as it happens.
        if len(str(case.path_parameters.get(name))) % 2:
            case.path_parameters[name] = known


def _is_somebody(value: Any) -> bool:
    """Whether a service would take it for a person's number, however it is written."""
    try:
        _ID.validate_python(value)
    except ValidationError:
        return False
    return True


def _replace(named: dict[str, Any], by: str) -> None:
    """Puts a new person in place of the one that was made up, and their key and name likewise."""
    body = {"name": "Throw Away"}
    answer = httpx.post(f"{URL}/api/users", json=body, headers=ADMINISTRATOR, timeout=120)
    made = answer.raise_for_status().json()
    named[by] = made["user_id"]
    if "key_id" in named and _is_somebody(named["key_id"]):
        named["key_id"] = made["key_id"]
    if "name" in named:
        named["name"] = body["name"]
