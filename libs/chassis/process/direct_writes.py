"""Routes for a service's hottest writes, without FastAPI's dependencies and validation.

The framework's work for a like costs three times what the like itself does. A direct route comes
before the framework's own routes and matches only the usual form of a request: a valid identity
that may write, an id or a JSON body, no query. It calls the same function. Every other request does
not match, so the framework's route decides it, before anything was written.

A direct route is inside all middleware and inside the handlers of errors. So a request has the same
log line, metrics, trace, `warble-events` header and error responses by either route.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from pydantic import BaseModel
from starlette.routing import BaseRoute, Match
from starlette.types import Message, Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Identity, Verifier
from chassis.database.session import Database
from chassis.http.body_limit import MAX_JSON_BYTES
from chassis.http.errors import NotSignedIn, ReadOnlyKey

_IDENTITY_HEADER = IDENTITY_HEADER.encode()
_ID = "([1-9][0-9]{0,14})"
"""Less than `paging.MAX_ID`."""
_MATCHED = "warble.direct_write"
"""The key in the ASGI scope of what `matches` has found."""

Endpoint = Callable[[Any, Identity, Any], Awaitable[BaseModel | None]]


class DirectWrite(BaseRoute):
    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        *,
        status: int = 200,
        body: type[BaseModel] | None = None,
    ) -> None:
        """`path` has the parameter `{id}`, unless the request has a `body`.

        `endpoint` gets the id or the body, the identity, and a session in which each statement
        commits by itself. With a body it may return None, and must have written nothing then: the
        framework's route responds.
        """
        self.path_format = path
        self._method = method
        self._path = re.compile(path.replace("{id}", _ID))
        self._endpoint = endpoint
        self._status = status
        self._body = body

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if (
            scope["type"] != "http"
            or scope["method"] != self._method
            or not (path := self._path.fullmatch(scope["path"]))
            or scope["query_string"]
            # The endpoint has left this request to the framework.
            or _MATCHED in scope
        ):
            return Match.NONE, {}
        headers = dict(scope["headers"])
        if not self._has_usual_body(headers):
            return Match.NONE, {}
        verifier: Verifier = scope["app"].state.verifier
        try:
            identity = verifier.verify(headers.get(_IDENTITY_HEADER, b"").decode("latin-1"))
            identity.require_person(self._method)
        except (NotSignedIn, ReadOnlyKey):
            return Match.NONE, {}
        return Match.FULL, {"route": self, _MATCHED: (identity, path)}

    def _has_usual_body(self, headers: dict[bytes, bytes]) -> bool:
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers:
            return False
        if self._body is None:
            return length == b"0"
        return (
            headers.get(b"content-type") == b"application/json"
            and length.isdigit()
            and len(length) <= len(str(MAX_JSON_BYTES))
            # The route of the framework validates its value.
            and b"idempotency-key" not in headers
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity, path = scope[_MATCHED]
        structlog.contextvars.bind_contextvars(user_id=identity.user_id)
        database: Database = scope["app"].state.database
        session = database.autocommit()
        scope["state"].update(identity=identity, events=session.info["events"])
        if self._body is None:
            result = await self._endpoint(int(path[1]), identity, session)
            assert result is not None
        else:
            messages = await _read(receive)
            body = _parse(self._body, messages)
            result = None if body is None else await self._endpoint(body, identity, session)
            if result is None:
                await scope["router"](scope, _again(messages, receive), send)
                return
        content = result.model_dump_json(exclude_none=True).encode()
        headers = [
            (b"content-length", str(len(content)).encode()),
            (b"content-type", b"application/json"),
        ]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _read(receive: Receive) -> list[Message]:
    """The messages of the request's body, or up to the client's disconnection."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _parse(model: type[BaseModel], messages: Sequence[Message]) -> BaseModel | None:
    """None for a body that is not valid, and for one that has not arrived completely."""
    if messages[-1]["type"] != "http.request":
        return None
    try:
        # As FastAPI does it: pydantic's own parser of JSON accepts slightly different texts.
        return model.model_validate(json.loads(b"".join(part["body"] for part in messages)))
    except (ValueError, RecursionError):
        return None


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Gives the messages once more, and after them those of `receive`."""
    remaining = iter(messages)

    async def receive_again() -> Message:
        return next(remaining, None) or await receive()

    return receive_again
