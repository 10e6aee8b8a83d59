"""Erases people during a fault, and checks at the end that no data of theirs is left."""

from random import Random

from tests.journeys.company import Person, company_at
from tests.journeys.erased_data import ErasedData, until_nowhere

from .harness import Bed, Fault, insist
from .load import Load

LEAVING = 2
"""People of each load who are erased."""
_WITHIN_SECONDS = 15.0


async def leave(bed: Bed, load: Load, chance: Random) -> None:
    """Erases some people of the load at random moments, while they are active."""
    async with company_at(bed.stack) as company:
        for author in load.history.ordinary()[-LEAVING:]:
            await bed.pause(chance.uniform(0, _WITHIN_SECONDS))
            load.history.erase(author)
            draft = {"user_id": author.id, "name": author.name}
            # The request may be repeated: a second one does not start a second erasure.
            if await insist(company, "POST", "/api/erasures", json=draft) is None:
                load.history.wrong.append(f"{author.name} could not be erased")
            bed.left.append((author, load.history))


async def _nothing_broken(_: Bed, __: Load) -> int:
    return 0


ERASED = Fault(
    "erased",
    "people erased during the faults",
    "no data is left in tables, store, queues, logs and responses",
    _nothing_broken,
)
"""The last row of the table: minutes later, the run looks once more for late data of theirs."""


async def still_there(bed: Bed) -> list[str]:
    """Returns what is left of the erased people after the documented time."""
    found = []
    async with company_at(bed.stack) as company:
        for author, history in bed.left:
            person = Person(author.id, author.name, author.key, company.http)
            pictures = history.pictures_of(author)
            try:
                await until_nowhere(company, ErasedData(person, [author.name], pictures), bed.parts)
            except AssertionError as remains:
                found.append(f"appeared: data of {author.name}, who was erased: {remains}")
    return found
