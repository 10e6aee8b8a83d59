"""People who are erased while something is broken, and who must then be nowhere."""

import asyncio
from random import Random

import httpx

from tests.journeys.company import Company, Person, company_at
from tests.journeys.erased import Left, until_nowhere

from .bed import Bed, Fault
from .history import Author
from .load import Load

LEAVING = 2
"""Of the people of each load."""
_WITHIN_SECONDS = 15.0
_AGAIN_SECONDS = 0.5
_PATIENCE = 600
"""How often an erasure is asked for until it is answered."""


async def leave(bed: Bed, load: Load, chance: Random) -> None:
    """Erases some of the load's people, each at some moment, while they are at it."""
    async with company_at(bed.stack) as company:
        for author in load.history.people[-LEAVING:]:
            await bed.pause(chance.uniform(0, _WITHIN_SECONDS))
            load.history.erase(author)
            if not await _erased(company, author):
                load.history.wrong.append(f"{author.name} could not be erased")
            bed.left.append((author, load.history))


async def _erased(company: Company, author: Author) -> bool:
    draft = {"user_id": author.id, "name": author.name}
    for _ in range(_PATIENCE):
        try:
            answer = await company.administrator.ask("POST", "/api/erasures", json=draft)
        except httpx.TransportError:
            # Asked again, it is begun once.
            pass
        else:
            if answer.is_success:
                return True
        await asyncio.sleep(_AGAIN_SECONDS)
    return False


async def _nothing_broken(_: Bed, __: Load) -> int:
    return 0


ERASED = Fault(
    "erased",
    "people erased in the middle of all this",
    "they are nowhere: tables, store, queues, logs, answers",
    _nothing_broken,
)
"""The last row: what comes late from them is looked for once more, minutes later."""


async def still_there(bed: Bed) -> list[str]:
    """What is left of those who were erased, in the stated time."""
    found = []
    async with company_at(bed.stack) as company:
        for author, history in bed.left:
            person = Person(author.id, author.name, author.key, company.http)
            pictures = history.pictures_of(author)
            try:
                await until_nowhere(company, Left(person, [author.name], pictures), bed.parts)
            except AssertionError as remains:
                found.append(f"appeared: {author.name} was erased: {remains}")
    return found
