"""The client of the load: calls the public API and classifies each response.

A write is `done`, `refused` or `unknown`. `refused` means that the system certainly did nothing.
`unknown` means that the write may have happened or may still happen: the connection broke, the
call timed out, or the system reported an error of its own. The checker relies on this difference,
so a response is `refused` only if its error is raised before the system changes anything.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx

from chassis.messaging.own_writes_header import MAX_EVENTS
from chassis.observability import request_context
from gateway.consistency_tokens import TTL_SECONDS
from gateway.settings import Settings

from .history import Author, History, Outcome

PATIENCE_SECONDS = 30
"""Client timeout, longer than any call may take: it is reached only if a call hangs."""

UPLOADS = "/api/medias"
ANSWER_SECONDS: float = Settings.model_fields["upstream_timeout_seconds"].default
UPLOAD_SECONDS: float = Settings.model_fields["upload_timeout_seconds"].default
_SLACK_SECONDS = 5
"""Added to the time limits, because the machine is busy."""
_TURN_SECONDS = 25
"""An upload waits so long for its turn to be decoded. A 503 after that means that the machine is
too busy, so it does not count as a failure."""

_AGAIN_LATER = frozenset({429, 503, 504})
"""Statuses whose responses must have the header Retry-After."""

_NEVER = frozenset({401, 403, 429})
"""Statuses that no call of the load should get."""

_NOTHING_DONE = frozenset({"ServiceOverloaded", "TooManyRequests"})
"""Error types that are raised before the system changes anything."""


@dataclass(frozen=True)
class Response:
    outcome: Outcome
    status: int
    """0 if no response came."""
    body: dict[str, Any]
    stale: bool = False


class LoadClient:
    """Sends the ids of an author's recent events with each request, as a browser's cookie does.

    The gateway uses these ids to serve reads that contain the author's own writes.
    """

    def __init__(self, http: httpx.AsyncClient, history: History) -> None:
        self._http = http
        self._history = history
        self._written: dict[int, list[tuple[float, str]]] = {}

    async def write(self, author: Author, method: str, path: str, **request: Any) -> Response:
        response = await self._ask(author, method, path, **request)
        self._history.writes[response.outcome] += 1
        return response

    async def read(self, author: Author, path: str) -> Response:
        response = await self._ask(author, "GET", path)
        if response.outcome is Outcome.done:
            self._history.reads += 1
            self._history.stale += response.stale
        return response

    async def picture(self, path: str) -> bytes | None:
        """The bytes of the picture; None if there is no such picture."""
        response = await self._http.get(path)
        return response.content if response.status_code == 200 else None

    async def _ask(self, author: Author, method: str, path: str, **request: Any) -> Response:
        started_at = time.monotonic()
        response = await self._sent(author, method, path, **request)
        waited = time.monotonic() - started_at
        self._history.slowest = max(self._history.slowest, waited)
        promised = UPLOAD_SECONDS if path == UPLOADS else ANSWER_SECONDS
        if waited > promised + _SLACK_SECONDS:
            self._history.wrong.append(f"{method} {path} took {waited:.1f} s")
        if response.status in _NEVER and not author.erased and not author.was_away:
            self._history.wrong.append(f"{method} {path}: {response.status} {response.body}")
        if response.status == 503 and path == UPLOADS and waited > _TURN_SECONDS:
            self._history.busy += 1
        elif response.status >= 500 or not response.status:
            error = response.body.get("error_type", "no response")
            self._history.failures.append(f"{method} {path}: {response.status} {error}")
        return response

    async def _sent(self, author: Author, method: str, path: str, **request: Any) -> Response:
        headers = {"api-key": author.key}
        if named := self._recent(author):
            headers[request_context.EVENTS_HEADER] = ",".join(named)
        patience = PATIENCE_SECONDS + (UPLOAD_SECONDS if path == UPLOADS else 0)
        try:
            async with asyncio.timeout(patience):
                response = await self._http.request(method, path, headers=headers, **request)
        except httpx.ConnectError:
            return Response(Outcome.refused, 0, {})
        except (httpx.TransportError, TimeoutError):
            return Response(Outcome.unknown, 0, {})
        status, body = response.status_code, response.json()
        if status in _AGAIN_LATER and "Retry-After" not in response.headers:
            self._history.wrong.append(f"{method} {path}: {status}, no Retry-After")
        if events := response.headers.get(request_context.EVENTS_HEADER):
            self._written.setdefault(author.id, []).append((time.monotonic(), events))
        stale = response.headers.get("warble-stale") == "true"
        return Response(_outcome(status, body), status, body, stale)

    def _recent(self, author: Author) -> list[str]:
        oldest = time.monotonic() - TTL_SECONDS
        written = self._written.get(author.id, [])[-MAX_EVENTS:]
        return [events for when, events in written if when > oldest]


def _outcome(status: int, body: dict[str, Any]) -> Outcome:
    if status < 400:
        return Outcome.done
    if status < 500 or body.get("error_type") in _NOTHING_DONE:
        return Outcome.refused
    return Outcome.unknown
