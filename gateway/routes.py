"""The routing table, built from the OpenAPI document, which names the service of each operation."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from chassis.http.errors import MethodNotAllowed, NotFound

_PATH = re.compile(rb"(?:/(?:[A-Za-z0-9_.~:-]|%3[Aa])+)+")
"""Ids of notifications contain colons, which many clients escape. No other escape has a meaning."""
_SEARCHES = ("/api/users", "/api/search")
_FILES = ("multipart/form-data", "text/csv")
_ACCESS = re.compile(
    r"/api/users/\{id\}(/(administrator|identities|key|keys|roles|sessions)(/.*)?)?"
)
"""Operations whose writes may take away what a person's credentials allow."""
_CACHED_PATHS = 4_096
_METHODS = ("get", "head", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Route:
    template: str
    """The path as the contract writes it; the `handler` label of metrics."""
    method: str
    """The method of the request to the service: GET also for a HEAD that the contract lacks."""
    service: str
    """`gateway` for operations that the gateway serves itself."""
    is_open: bool
    """Needs no credential."""
    is_upload: bool
    """Takes a file instead of a small JSON body."""
    limit_kind: str
    """The rate limit that a request counts towards: a key of `RateLimits.by_kind`."""
    changes_access: bool
    """May take away access of the person whose id is in the path."""


class _Node:
    """One segment of paths: a tree of these holds all routes."""

    __slots__ = ("literals", "operations", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.operations: dict[str, Route] = {}


class Routes:
    def __init__(self, contract: dict[str, Any]) -> None:
        """`contract` is the OpenAPI document; each operation has `x-warble-service`."""
        self._cached_match = lru_cache(_CACHED_PATHS)(self._match)
        self._root = _Node()
        for template, operations in contract["paths"].items():
            node = self._root
            for segment in template.split("/")[1:]:
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node())
            for method in _METHODS:
                if method in operations:
                    node.operations[method.upper()] = _route(template, method, operations[method])
            if "GET" in node.operations:
                # A resource that supports GET supports HEAD (RFC 9110, 9.3.2).
                node.operations.setdefault("HEAD", node.operations["GET"])

    def match(self, method: str, raw_path: bytes) -> Route:
        """The route of a request. Raises NotFound, and MethodNotAllowed."""
        return self._cached_match(method, raw_path)

    def _match(self, method: str, raw_path: bytes) -> Route:
        """The service gets the path exactly as the client sent it. So a path that gateway and
        service might interpret differently (an escaped slash, a dot segment) is not found.
        """
        if not _PATH.fullmatch(raw_path):
            raise NotFound
        node = self._root
        for segment in raw_path.decode("ascii").split("/")[1:]:
            child = node.literals.get(segment) or node.parameter
            if child is None or segment in (".", ".."):
                raise NotFound
            node = child
        route = node.operations.get(method)
        if route is None:
            if not node.operations:
                raise NotFound
            raise MethodNotAllowed(", ".join(sorted(node.operations)))
        return route


def _route(template: str, method: str, operation: dict[str, Any]) -> Route:
    body = operation.get("requestBody", {}).get("content", {})
    is_open = operation.get("security") == []
    is_upload = not body.keys().isdisjoint(_FILES)
    if is_open:
        limit_kind = "download"
    elif is_upload:
        limit_kind = "upload"
    elif method not in ("get", "head"):
        limit_kind = "write"
    else:
        limit_kind = "search" if template in _SEARCHES else "read"
    return Route(
        template,
        method.upper(),
        operation["x-warble-service"],
        is_open,
        is_upload,
        limit_kind,
        changes_access=method != "get" and _ACCESS.fullmatch(template) is not None,
    )
