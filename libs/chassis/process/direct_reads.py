"""Answers a service's hottest reads before FastAPI sees them.

The framework's work (routing, dependencies, validation, a response object) costs several times what
these reads do. A service derives a class that recognizes the requests and reads the responses. What
is in the service's cache is sent without even a task (`chassis.process.direct_responses`).

Whatever this cannot answer goes to the application, which decides it again from the beginning:
other requests, invalid identities, errors such as a person who does not exist, and an unavailable
database. So the application is the only place that writes error responses, with two exceptions: a
defect, and a timeout, where a second attempt would only repeat the slow statement.
"""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from fastapi import FastAPI
from starlette.datastructures import State
from starlette.types import Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Identity, Verifier
from chassis.http.errors import (
    NotSignedIn,
    Problem,
    is_dependency_unavailable,
    response_to,
)
from chassis.http.etags import TaggedJson
from chassis.messaging.own_writes_header import AFTER_HEADER
from chassis.observability.request_context import bind_request
from chassis.process.direct_responses import DirectResponse

_IDENTITY, _AFTER = IDENTITY_HEADER.encode(), AFTER_HEADER.encode()

RequestT = TypeVar("RequestT")


class DirectReads(ABC, Generic[RequestT]):
    """In each method, `state` is that of the application, and `after` is the value of AFTER_HEADER,
    empty without it."""

    @abstractmethod
    def recognize(self, state: State, scope: Scope) -> RequestT | None:
        """What this GET request asks for. None if the application must answer."""

    @abstractmethod
    def cached(
        self, state: State, request: RequestT, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        """The response, if it is in a cache."""

    @abstractmethod
    async def read(
        self, state: State, request: RequestT, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        """The response, if it is in no cache. None if the application must answer."""

    def respond_from_cache(self, state: State, response: DirectResponse) -> bool:
        """Responds if the response is in a cache. Returns whether it has."""
        scope = response.scope
        request = self.recognize(state, scope) if scope["method"] == "GET" else None
        if request is None:
            return False
        headers = dict(scope["headers"])
        identity = _identity(state, headers)
        if identity is None:
            return False
        found = self.cached(state, request, identity, headers.get(_AFTER, b""))
        if found is None:
            return False
        response.send(*found.answer(headers.get(b"if-none-match", b"")))
        return True

    async def respond(self, state: State, scope: Scope, receive: Receive, send: Send) -> bool:
        """Responds from a cache or the database. Returns whether it has."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return False
        request = self.recognize(state, scope)
        if request is None:
            return False
        headers = dict(scope["headers"])
        try:
            found = await self._read(state, request, headers)
        except Exception as error:
            bind_request(headers)
            await response_to(error)(scope, receive, send)
            return True
        if found is None:
            return False
        status, response_headers, body = found.answer(headers.get(b"if-none-match", b""))
        await send({"type": "http.response.start", "status": status, "headers": response_headers})
        await send({"type": "http.response.body", "body": body})
        return True

    async def _read(
        self, state: State, request: RequestT, headers: dict[bytes, bytes]
    ) -> TaggedJson | None:
        identity = _identity(state, headers)
        if identity is None:
            return None
        after = headers.get(_AFTER, b"")
        try:
            found = self.cached(state, request, identity, after)
            return found or await self.read(state, request, identity, after)
        except Exception as error:
            if not isinstance(error, Problem) and not is_dependency_unavailable(error):
                raise
            # The application tries again, and responds with the error if that fails too.
            return None


def _identity(state: State, headers: dict[bytes, bytes]) -> Identity | None:
    """The person who makes a request; None if the request is not from the gateway."""
    verifier: Verifier = state.verifier
    try:
        identity = verifier.verify(headers.get(_IDENTITY, b"").decode("latin-1"))
        identity.require_person("GET")
    except NotSignedIn:
        return None
    return identity


class DirectlyReadApplication(FastAPI):
    """A FastAPI application whose direct reads are answered before it."""

    direct_reads: DirectReads[Any] | None = None

    def respond_directly(self, response: DirectResponse) -> bool:
        """See `chassis.process.direct_responses`."""
        reads = self.direct_reads
        return reads is not None and reads.respond_from_cache(self.state, response)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reads = self.direct_reads
        if reads is None or not await reads.respond(self.state, scope, receive, send):
            await super().__call__(scope, receive, send)
