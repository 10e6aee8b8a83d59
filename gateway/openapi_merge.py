"""Merges the OpenAPI documents of the services and the gateway into one for the whole API."""

import copy
from collections.abc import Mapping
from typing import Any

from chassis.http import errors
from chassis.http.errors import Problem

from .sessions import CrossSiteRequest, SessionChanged

API_KEY = "api-key"
_REF = "#/components/schemas/"
_ERROR = "ErrorBody"
_PUBLIC_PREFIXES = ("/api/", "/uploads/")
_METHODS = ("get", "head", "post", "put", "patch", "delete")

_DESCRIPTION = """\
**Authentication.** Send your key in the header `api-key`:

    curl -H 'api-key: wrb_…' https://warble.example.com/api/tweets

A browser signs in with `POST /api/session` and sends the session cookie from then on. Only
Warble's own page may change data with the cookie; any other page gets 403 `CrossSiteRequest`.
All tabs of a browser share the cookie. A page that sends the id of the person whom it shows, as
the header `warble-user-id`, gets 409 `SessionChanged` if someone else has signed in meanwhile.

**Errors.** Every error has the same shape. `error_type` is a stable name for programs,
`error_message` a sentence for people:

    {"result": false, "error_type": "NotSignedIn", "error_message": "…"}

**Rate limits.** Each kind of call (reading, writing, uploading, searching) has a limit per person.
Every response states the limit and what is left of it. In this example 1200 calls are allowed in 60
seconds, 1180 are left, and all 1200 are available again in 2 seconds:

    RateLimit-Policy: "read";q=1200;w=60
    RateLimit: "read";r=1180;t=2

A call over the limit gets 429 `TooManyRequests` and `Retry-After` in seconds.

**Reading your own writes.** The response of a write names its event, for example
`warble-events: tweets:31`. Your next read of the feed includes it. If Warble runs several
gateways, send the header `warble-events` back with that read; browsers do so with a cookie. If the
feed cannot include the write within a second, the response has the header `warble-stale: true`.
"""

_INFO = {
    "title": "Warble",
    "version": "1",
    "summary": "A corporate micro-blogging service.",
    "description": _DESCRIPTION,
    "license": {"name": "MIT", "identifier": "MIT"},
}
_TAGS = {
    "tweets": "Post, delete and like tweets.",
    "feed": "Read your feed, a person's tweets, and who liked a tweet.",
    "notifications": "What concerns you, such as replies, mentions and likes.",
    "media": "Upload pictures for tweets, and download them.",
    "users": "People: profiles, follows, keys and sessions.",
    "session": "Sign in and out in a browser.",
    "administration": "Administrators, erasures and the audit log.",
}
"""In the order in which Swagger UI shows them: the most used first."""


def merge(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """One valid OpenAPI 3.1 document. `documents` are by the name of the service, or `gateway`.

    Raises ValueError if two services have the same operation, or different schemas of one name.
    """
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for service, document in copy.deepcopy(dict(documents)).items():
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            if name in ("HTTPValidationError", "ValidationError"):
                continue
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(
                    f"the schema {name} of {service} differs from that of another service"
                )
        for path, operations in document["paths"].items():
            if not path.startswith(_PUBLIC_PREFIXES):
                continue
            merged = paths.setdefault(path, {})
            for method in _METHODS:
                if method not in operations:
                    continue
                if method in merged:
                    raise ValueError(f"two services have the operation {method} {path}")
                merged[method] = _operation(service, path, method, operations[method])
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{API_KEY: []}],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "securitySchemes": {
                API_KEY: {
                    "type": "apiKey",
                    "in": "header",
                    "name": API_KEY,
                    "description": "One of your keys. A key is shown once, when it is created.",
                },
                # The session cookie is not listed: no script may set it, so a field for it in the
                # dialog "Authorize" of Swagger UI could not work.
            },
        },
    }


def _operation(service: str, path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    merged = {**operation, "x-warble-service": service}
    merged["operationId"] = f"{service}_{method}_{path.strip('/').translate(_IDENTIFIER)}"
    responses = merged["responses"]
    if _HTTP_VALIDATION in str(responses.get("422")):
        del responses["422"]
    if path.startswith("/uploads/"):
        merged["security"] = []
    problems = [
        problem
        for problem in _common_problems(path, method, merged)
        if not _has_example(responses, problem)
    ]
    for status, response in errors.responses(*problems).items():
        documented = responses.setdefault(str(status), {"description": response["description"]})
        content = documented.setdefault("content", {}).setdefault(
            "application/json", {"schema": {"$ref": _REF + _ERROR}}
        )
        content.setdefault("examples", {}).update(
            response["content"]["application/json"]["examples"]
        )
    merged["responses"] = {status: responses[status] for status in sorted(responses)}
    return merged


_IDENTIFIER = str.maketrans({"/": "_", "{": None, "}": None, "-": "_"})
_HTTP_VALIDATION = "HTTPValidationError"


def _has_example(responses: dict[str, Any], problem: type[Problem]) -> bool:
    content = responses.get(str(problem.status), {}).get("content", {})
    return problem.__name__ in content.get("application/json", {}).get("examples", {})


def _common_problems(path: str, method: str, operation: dict[str, Any]) -> list[type[Problem]]:
    """Errors that the gateway or any service may return beside the operation's own."""
    problems: list[type[Problem]] = [
        errors.TooManyRequests,
        errors.InternalError,
        errors.BadGateway,
        errors.ServiceUnavailable,
        errors.ServiceOverloaded,
        errors.ServiceTimeout,
    ]
    if operation.get("security") != []:
        problems += [errors.NotSignedIn, SessionChanged]
        if method not in ("get", "head"):
            problems += [CrossSiteRequest, errors.ReadOnlyKey]
    if operation.get("parameters") or "requestBody" in operation:
        problems.append(errors.InvalidRequest)
    if "{" in path:
        problems.append(errors.NotFound)
    if "requestBody" in operation:
        problems += [errors.PayloadTooLarge, errors.RequestTimeout]
    return problems
