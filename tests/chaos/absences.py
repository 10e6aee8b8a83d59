"""Deactivates people during a fault, while they are active, and brings some of them back.

A second after a deactivation was acknowledged, no call of the person may succeed. The journeys show
the same for a sign-on without an admitting group and for a logout at the identity provider
(tests/journeys/test_sign_on.py).
"""

import asyncio
import time
from contextlib import suppress
from math import inf
from random import Random

import httpx

from tests.journeys.company import Company, company_at

from .harness import Bed, insist
from .history import Author
from .load import Load

ABSENT = 2
"""People of each load who are deactivated. The first comes back during the load; the checker brings
back the other."""
_SKIPPED = 2
"""The first people are those for whom faults make calls of their own."""
_WITHIN_SECONDS = 10.0
GRACE_SECONDS = 1.0
"""After the acknowledgement. A call that begins later must not succeed."""
_WATCHED_SECONDS = 3.0
_READS = ("/api/users/me", "/api/tweets?limit=5", "/api/notifications/unread", "/api/announcements")
_PAUSE_SECONDS = 0.05


async def take_turns(bed: Bed, load: Load, chance: Random) -> None:
    """Deactivates some people of the load at random moments."""
    async with company_at(bed.stack) as company:
        for number, author in enumerate(load.history.ordinary()[_SKIPPED : _SKIPPED + ABSENT]):
            await bed.pause(chance.uniform(0, _WITHIN_SECONDS))
            await _deactivated(company, load, author)
            if number == 0:
                await bed.pause(chance.uniform(0, _WITHIN_SECONDS))
                await _brought_back(company, load, author)


async def _deactivated(company: Company, load: Load, author: Author) -> None:
    access = Access(company, author)
    load.history.deactivate(author)
    async with asyncio.TaskGroup() as group:
        for path in _READS:
            group.create_task(access.try_out(path))
        if await insist(company, "DELETE", f"/api/users/{author.id}") is None:
            load.history.wrong.append(f"{author.name} could not be deactivated")
        access.ended_at = time.monotonic()
    load.history.notes.append(
        f"{author.name} was deactivated: {access.granted} calls before, {access.refused} refused"
    )
    load.history.wrong += access.findings()


async def _brought_back(company: Company, load: Load, author: Author) -> None:
    path = f"/api/users/{author.id}"
    await insist(company, "POST", f"{path}/reactivation")
    # A repetition makes one more key, and does not revoke the first.
    if (made := await insist(company, "POST", f"{path}/keys", json={})) is not None:
        load.history.bring_back(author, made["api_key"])
    else:
        load.history.wrong.append(f"{author.name} could not be brought back")


class Access:
    """Calls of a person whose access ends, and which of them succeeded too late."""

    def __init__(self, company: Company, author: Author) -> None:
        self.ended_at = inf
        """When the end was acknowledged (monotonic seconds)."""
        self.granted = self.refused = 0
        self._person = company.person(author.id, author.name, author.key)
        self._late: list[tuple[str, float]] = []
        """The calls that succeeded, and how many seconds after the end they began."""

    async def try_out(self, path: str) -> None:
        """Repeats a call until some seconds after the end."""
        while time.monotonic() < self.ended_at + _WATCHED_SECONDS:
            began = time.monotonic()
            with suppress(httpx.TransportError):
                response = await self._person.ask("GET", path)
                self.granted += response.is_success
                self.refused += response.status_code == 401
                if response.is_success and began > self.ended_at + GRACE_SECONDS:
                    self._late.append((path, began - self.ended_at))
            await asyncio.sleep(_PAUSE_SECONDS)

    def findings(self) -> list[str]:
        name = self._person.name
        return [
            f"appeared: {name} could still call {path} {seconds:.1f} s after the deactivation"
            for path, seconds in self._late[:3]
        ]
