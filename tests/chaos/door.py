"""The public API as the load calls it, and what a caller may conclude from an answer."""

import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.client_exceptions import ClientConnectorError

from chassis import telemetry
from gateway.own_writes import REMEMBERED, SECONDS
from gateway.settings import Settings

from .history import Author, History, Outcome

PATIENCE_SECONDS = 30
"""More than any call may take: who waits longer was left hanging."""

UPLOADS = "/api/medias"
ANSWER_SECONDS: float = Settings.model_fields["answer_seconds"].default
UPLOAD_SECONDS: float = Settings.model_fields["upload_seconds"].default
_SLACK_SECONDS = 5
"""What a loaded machine may take on top."""
_TURN_SECONDS = 25
"""For which a picture waits for its turn to be decoded: the machine is too busy, and it says so."""

_AGAIN_LATER = frozenset({429, 503, 504})
"""Statuses that say when to ask again."""

_NEVER = frozenset({401, 403, 429})
"""Statuses that nobody of the load has any reason to get."""

_NOTHING_DONE = frozenset({"ServiceOverloaded", "TooManyRequests"})
"""Errors that come before anything was begun."""


@dataclass(frozen=True)
class Told:
    outcome: Outcome
    status: int
    """0 where no answer came."""
    body: dict[str, Any]
    stale: bool = False


class Door:
    """Hands the events of one's own writes back, as a browser does by its cookie."""

    def __init__(self, session: aiohttp.ClientSession, history: History) -> None:
        self._session = session
        self._history = history
        self._written: dict[int, list[tuple[float, str]]] = {}

    async def write(self, author: Author, method: str, path: str, **request: Any) -> Told:
        told = await self._ask(author, method, path, **request)
        self._history.writes[told.outcome] += 1
        return told

    async def read(self, author: Author, path: str) -> Told:
        told = await self._ask(author, "GET", path)
        if told.outcome is Outcome.done:
            self._history.reads += 1
            self._history.stale += told.stale
        return told

    async def picture(self, path: str) -> bytes | None:
        """None where there is no such picture."""
        async with self._session.get(path) as answer:
            return await answer.read() if answer.status == 200 else None

    async def _ask(self, author: Author, method: str, path: str, **request: Any) -> Told:
        begun = time.monotonic()
        told = await self._sent(author, method, path, **request)
        waited = time.monotonic() - begun
        self._history.slowest = max(self._history.slowest, waited)
        promised = UPLOAD_SECONDS if path == UPLOADS else ANSWER_SECONDS
        if waited > promised + _SLACK_SECONDS:
            self._history.wrong.append(f"{method} {path} took {waited:.1f} s")
        if told.status in _NEVER and not author.erased:
            self._history.wrong.append(f"{method} {path}: {told.status} {told.body}")
        if told.status == 503 and path == UPLOADS and waited > _TURN_SECONDS:
            self._history.busy += 1
        elif told.status >= 500 or not told.status:
            said = told.body.get("error_type", "no answer")
            self._history.failures.append(f"{method} {path}: {told.status} {said}")
        return told

    async def _sent(self, author: Author, method: str, path: str, **request: Any) -> Told:
        headers = {"api-key": author.key}
        if named := self._recent(author):
            headers[telemetry.EVENTS] = ",".join(named)
        try:
            async with self._session.request(method, path, headers=headers, **request) as answer:
                body = await answer.json()
                if answer.status in _AGAIN_LATER and "Retry-After" not in answer.headers:
                    self._history.wrong.append(f"{method} {path}: {answer.status}, no Retry-After")
                if events := answer.headers.get(telemetry.EVENTS):
                    self._written.setdefault(author.id, []).append((time.monotonic(), events))
                stale = answer.headers.get("warble-stale") == "true"
                return Told(_outcome(answer.status, body), answer.status, body, stale)
        except ClientConnectorError:
            # Nothing was sent. Of others than POST the client may have sent one before: it repeats
            # them by itself where a connection ends.
            return Told(Outcome.refused if method == "POST" else Outcome.unknown, 0, {})
        except (aiohttp.ClientError, TimeoutError):
            return Told(Outcome.unknown, 0, {})

    def _recent(self, author: Author) -> list[str]:
        oldest = time.monotonic() - SECONDS
        written = self._written.get(author.id, [])[-REMEMBERED:]
        return [events for when, events in written if when > oldest]


def _outcome(status: int, body: dict[str, Any]) -> Outcome:
    if status < 400:
        return Outcome.done
    if status < 500 or body.get("error_type") in _NOTHING_DONE:
        return Outcome.refused
    return Outcome.unknown
