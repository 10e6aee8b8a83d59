"""One OpenAPI document for the whole contract, merged from those of the services."""

import copy
from collections.abc import Mapping
from typing import Any

from chassis import errors
from chassis.errors import Problem

from .session import COOKIE, CrossSiteRequest

API_KEY = "api-key"
SESSION = "session"
_REF = "#/components/schemas/"
_ERROR = "ErrorBody"
_PAGES_OF = ("/api/", "/uploads/")
_METHODS = ("get", "head", "post", "put", "patch", "delete")

_INFO = {
    "title": "Warble",
    "version": "1",
    "summary": "A corporate micro-blogging service.",
    "description": (
        "A call carries the header `api-key`, or the cookie of a session; with the cookie alone, "
        "only Warble's own page may write. Every error, from every service, has one shape: "
        "`error_type` is a stable name, `error_message` a sentence for the person. `RateLimit` "
        "says how many calls of a kind are left, `RateLimit-Policy` how many there are and in how "
        "many seconds."
    ),
    "license": {"name": "MIT", "identifier": "MIT"},
}
_TAGS = {
    "session": "Who is signed in on the page.",
    "users": "Who people are, and whom they follow.",
    "tweets": "What people say, and who likes it.",
    "media": "What people attach.",
    "feed": "What each person reads.",
}


def merge(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """One valid OpenAPI 3.1 document of the services' own and the gateway's, by their names.

    Raises ValueError where two services claim one operation, or one name for two schemas.
    """
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for service, document in copy.deepcopy(dict(documents)).items():
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            if name in ("HTTPValidationError", "ValidationError"):
                continue
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"{service} has another {name} than a service before it")
        for path, operations in document["paths"].items():
            if not path.startswith(_PAGES_OF):
                continue
            here = paths.setdefault(path, {})
            for method in _METHODS:
                if method not in operations:
                    continue
                if method in here:
                    raise ValueError(f"two services answer {method} {path}")
                here[method] = _operation(service, path, method, operations[method])
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{API_KEY: []}, {SESSION: []}],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "securitySchemes": {
                API_KEY: {
                    "type": "apiKey",
                    "in": "header",
                    "name": API_KEY,
                    "description": "The person's key, shown once when they were registered.",
                },
                SESSION: {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "What `POST /api/session` gives for a key.",
                },
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
        problem for problem in _edge_problems(path, method, merged) if _adds(responses, problem)
    ]
    for status, response in errors.responses(*problems).items():
        here = responses.setdefault(str(status), {"description": response["description"]})
        content = here.setdefault("content", {}).setdefault(
            "application/json", {"schema": {"$ref": _REF + _ERROR}}
        )
        content.setdefault("examples", {}).update(
            response["content"]["application/json"]["examples"]
        )
    merged["responses"] = {status: responses[status] for status in sorted(responses)}
    return merged


_IDENTIFIER = str.maketrans({"/": "_", "{": None, "}": None, "-": "_"})
_HTTP_VALIDATION = "HTTPValidationError"


def _adds(responses: dict[str, Any], problem: type[Problem]) -> bool:
    content = responses.get(str(problem.status), {}).get("content", {})
    return problem.__name__ not in content.get("application/json", {}).get("examples", {})


def _edge_problems(path: str, method: str, operation: dict[str, Any]) -> list[type[Problem]]:
    """What the gateway and every service may answer beside the operation's own errors."""
    problems: list[type[Problem]] = [
        errors.TooManyRequests,
        errors.InternalError,
        errors.BadGateway,
        errors.ServiceUnavailable,
        errors.ServiceOverloaded,
        errors.ServiceTimeout,
    ]
    if operation.get("security") != []:
        problems.append(errors.NotSignedIn)
        if method not in ("get", "head"):
            problems += [CrossSiteRequest, errors.ReadOnlyKey]
    if operation.get("parameters") or "requestBody" in operation:
        problems.append(errors.InvalidRequest)
    if "{" in path:
        problems.append(errors.NotFound)
    if "requestBody" in operation:
        problems += [errors.PayloadTooLarge, errors.RequestTimeout]
    return problems
