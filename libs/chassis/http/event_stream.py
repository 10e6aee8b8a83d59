"""Server-Sent Events in plain ASGI: responses that stay open and get small messages now and then.

Thousands of such responses are open at once, so nothing here costs a task or a queue for each of
them. The coroutine of a request only waits for the client to disconnect. Whoever has something to
send calls `send_now` with the `send` of the response and a message that all receivers share.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

from starlette.types import Message, Receive, Scope, Send

MEDIA_TYPE = b"text/event-stream"
HEADERS = (
    (b"content-type", MEDIA_TYPE + b"; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx, and proxies like it, collect a response before they pass it on, unless told not to.
    (b"x-accel-buffering", b"no"),
)
HEARTBEAT_SECONDS = 15
"""How often a stream gets a sign of life. Some proxies close what is silent for 30 s."""
CLOSING_SECONDS = 1.0
"""When a process stops, it closes its streams over this time, not all at once."""

_TURN_SECONDS = 0.1
_RETRY_MILLISECONDS = (5_000, 9_000)
"""Longer than a restart of the process takes: a client that comes back earlier is refused, and then
waits longer."""
_chance = random.Random(secrets.randbits(64))  # noqa: S311  jitter, not a secret

_T = TypeVar("_T")

LAST_CHUNK: Message = {"type": "http.response.body", "body": b"", "more_body": False}


def chunk(content: bytes) -> Message:
    """A message for `send_now`. One object serves all receivers of the same content."""
    return {"type": "http.response.body", "body": content, "more_body": True}


def retry() -> bytes:
    """Tells a client to come back after a random time of 5 to 9 s."""
    return b"retry: %d\n\n" % _chance.randint(*_RETRY_MILLISECONDS)


def send_now(send: Send, message: Message) -> bool:
    """Sends the message if that is possible without waiting; returns whether it was.

    The server hands a message over to the connection at once, unless more than 64 KiB are unsent
    there: then `send` would wait. So this runs one step of the coroutine. If the step does not end
    it, the receiver is too slow and the message is lost: close the response.
    """
    coroutine = cast(Coroutine[Any, None, None], send(message))
    try:
        coroutine.send(None)
    except StopIteration:
        return True
    coroutine.close()
    return False


async def wait_for_disconnect(receive: Receive) -> None:
    """Returns when the client has closed the connection, or when the response is complete."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def spread_over(streams: Iterable[_T], act: Callable[[_T], object], seconds: float) -> None:
    """Calls `act` with each of the streams, spread evenly over the time, in random order."""
    remaining = list(streams)
    _chance.shuffle(remaining)
    turns = max(1, round(seconds / _TURN_SECONDS))
    for turns_left in range(turns, 0, -1):
        for _ in range(-(-len(remaining) // turns_left)):
            act(remaining.pop())
        await asyncio.sleep(_TURN_SECONDS)


def free_scope(scope: Scope) -> None:
    """Removes the request from its scope, which the server keeps until the response is complete.

    The server still asks for `method`. Clearing the dictionary, unlike removing its keys one by
    one, returns its memory too: some hundred bytes of each open stream.
    """
    method = scope["method"]
    scope.clear()
    scope.update(type="http", method=method)
