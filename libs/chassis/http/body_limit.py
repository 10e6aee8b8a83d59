"""Limits how much of a request body a service reads.

A service checks this itself, and does not rely on the gateway. FastAPI has a limit of its own, but
its response to a declared length that is too large is plain text, not our error format.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.http.errors import BodyTooLarge

MAX_JSON_BYTES = 64 * 1024
"""The same limit as in the gateway."""


class BodyLimit:
    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise BodyTooLarge(self._max_bytes)
            return message

        await self._app(scope, limited_receive, send)
