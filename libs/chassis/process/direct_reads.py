"""ASGI middleware that answers a service's hottest reads before FastAPI sees them.

The framework's work (routing, dependencies, validation, a response object) costs several times what
these reads do. A service derives a class that recognizes the requests and reads the responses.

Whatever the middleware cannot answer goes to the application, which decides it again from the
beginning: other requests, invalid identities, errors such as a person who does not exist, and an
unavailable database. So the application is the only place that writes error responses, with two
exceptions: a defect, and a timeout, where a second attempt would only repeat the slow statement.
"""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

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

_IDENTITY, _AFTER = IDENTITY_HEADER.encode(), AFTER_HEADER.encode()

RequestT = TypeVar("RequestT")


class DirectReads(ABC, Generic[RequestT]):
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @abstractmethod
    def recognize(self, scope: Scope) -> RequestT | None:
        """What this GET request asks for. None if the application must answer."""

    @abstractmethod
    async def read(
        self, state: State, request: RequestT, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        """The response. None if the application must answer.

        `state` is the application's. `after` is the value of AFTER_HEADER, empty without it.
        """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = None
        if_none_match = b""
        if (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and (request := self.recognize(scope)) is not None
        ):
            headers = dict(scope["headers"])
            if_none_match = headers.get(b"if-none-match", b"")
            try:
                response = await self._read(scope["app"].state, request, headers)
            except Exception as error:
                bind_request(headers)
                await response_to(error)(scope, receive, send)
                return
        if response is None:
            await self._app(scope, receive, send)
            return
        await response.send(send, if_none_match)

    async def _read(
        self, state: State, request: RequestT, headers: dict[bytes, bytes]
    ) -> TaggedJson | None:
        verifier: Verifier = state.verifier
        try:
            identity = verifier.verify(headers.get(_IDENTITY, b"").decode("latin-1"))
            identity.require_person("GET")
        except NotSignedIn:
            return None
        try:
            return await self.read(state, request, identity, headers.get(_AFTER, b""))
        except Exception as error:
            if not isinstance(error, Problem) and not is_dependency_unavailable(error):
                raise
            # The application tries again, and responds with the error if that fails too.
            return None
