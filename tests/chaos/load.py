"""A steady mixed load: people write, like, follow, delete and read, each with one call at a time.

Each person is an `Actor` with a random generator of its own, so the same seed gives the same
choices. One of them may be a moderator, who also announces.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import httpx

from devstack.instance import Instance
from tests.journeys.company import Company, company_at

from .actors import Actor
from .history import Author, History
from .load_client import LoadClient
from .moderator import ROLES, Moderator

PEOPLE = 12
CALLS_A_SECOND = 20.0
"""All people together."""


class Load:
    """The people of a load, with the history of their calls."""

    def __init__(self, http: httpx.AsyncClient, history: History, seed: str) -> None:
        self.history = history
        self.api = LoadClient(http, history)
        self._actors = [
            (Moderator if author is history.moderator else Actor)(
                history, self.api, author, Random(f"{seed}:{number}")
            )
            for number, author in enumerate(history.people)
        ]

    @asynccontextmanager
    async def running(self, calls_a_second: float = CALLS_A_SECOND) -> AsyncIterator[None]:
        """Runs the load inside the `with` block. At its end, calls in progress are completed."""
        ended = asyncio.Event()
        pause = len(self._actors) / calls_a_second
        async with asyncio.TaskGroup() as group:
            for actor in self._actors:
                group.create_task(actor.act(ended, pause))
            try:
                yield
            finally:
                ended.set()


@asynccontextmanager
async def hired(
    stack: Instance, seed: str, people: int = PEOPLE, *, with_moderator: bool = False
) -> AsyncIterator[Load]:
    """Registers new people and gives a load of them. A moderator tells everybody in the system of
    announcements."""
    async with company_at(stack) as company:
        authors = [await _hired(company, number) for number in range(people)]
        moderator = None
        if with_moderator:
            moderator = await _hired(company, people)
            authors.append(moderator)
            for role in ROLES:
                path = f"/api/users/{moderator.id}/roles/{role}"
                await company.administrator.done("PUT", path)
        load = Load(company.http, History(authors, moderator), seed)
        yield load
        for tweet in load.history.announcements:
            if tweet.id is not None:
                await company.administrator.ask("DELETE", f"/api/announcements/{tweet.id}")


async def _hired(company: Company, number: int) -> Author:
    person = await company.hire(f"{secrets.token_hex(4)} {number}")
    return Author(person.id, person.name, person.key)
