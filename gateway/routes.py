"""The routing table: the contract, in which each operation names the part that answers it."""

import re
from dataclasses import dataclass
from typing import Any

from chassis.errors import MethodNotAllowed, NotFound

_PATH = re.compile(rb"(?:/[A-Za-z0-9_.~-]+)+")
_SEARCHES = ("/api/users",)
_METHODS = ("get", "head", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Route:
    template: str
    """The path as the contract writes it: the label of the route's metrics."""
    method: str
    """The method that the service gets: GET also for a HEAD that the contract does not name."""
    service: str
    """`gateway` for the operations that the gateway answers itself."""
    open: bool
    """Needs no key."""
    upload: bool
    """Takes a file in place of a small JSON body."""
    kind: str
    """Which of the limits it counts for."""


class _Node:
    __slots__ = ("literals", "operations", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.operations: dict[str, Route] = {}


class Routes:
    def __init__(self, contract: dict[str, Any]) -> None:
        """`contract` is the OpenAPI document, its operations marked with `x-warble-service`."""
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
                # HEAD is answered wherever GET is (RFC 9110, 9.3.2).
                node.operations.setdefault("HEAD", node.operations["GET"])

    def match(self, method: str, raw_path: bytes) -> Route:
        """Raises NotFound, and MethodNotAllowed.

        A path goes to the service as it came. So whatever one side could read in another way than
        the other (an escaped slash, a dot segment) is no path of ours.
        """
        if not _PATH.fullmatch(raw_path):
            raise NotFound
        node = self._root
        for segment in raw_path.decode("ascii").split("/")[1:]:
            step = node.literals.get(segment) or node.parameter
            if step is None or segment in (".", ".."):
                raise NotFound
            node = step
        route = node.operations.get(method)
        if route is None:
            if not node.operations:
                raise NotFound
            raise MethodNotAllowed(", ".join(sorted(node.operations)))
        return route


def _route(template: str, method: str, operation: dict[str, Any]) -> Route:
    body = operation.get("requestBody", {}).get("content", {})
    is_open = operation.get("security") == []
    upload = "multipart/form-data" in body
    if is_open:
        kind = "download"
    elif upload:
        kind = "upload"
    elif method not in ("get", "head"):
        kind = "write"
    else:
        kind = "search" if template in _SEARCHES else "read"
    service = operation["x-warble-service"]
    return Route(template, method.upper(), service, is_open, upload, kind)
