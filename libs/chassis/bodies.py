"""How much of a request's body a service reads: no more than its calls may need, whoever sends it.

FastAPI's own limit answers a length that is declared too large in plain text.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import BodyTooLarge

JSON_BYTES = 64 * 1024
"""As the gateway lets through."""


class Bounded:
    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise BodyTooLarge(self._most)
            return message

        await self._app(scope, bounded, send)
