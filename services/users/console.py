"""What an operator does by hand, with the service's own settings and no api-key.

`python -m services.users.console grant-key --user 5 --key demonstration`
`python -m services.users.console administrator add 5`, or the person's name in place of the number
`python -m services.users.console erased > erased.txt`, and `erase-again < erased.txt` after a
backup was restored
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database
from chassis.errors import Problem
from chassis.paging import MAX_ID

from . import audit, commands, queries
from .audit import Deed
from .errors import UserNotFound
from .settings import Settings

_ROLE_CHANGES = {
    "add": (commands.add_administrator, Deed.administrator_added),
    "remove": (commands.remove_administrator, Deed.administrator_removed),
}


@asynccontextmanager
async def _transaction() -> AsyncIterator[AsyncSession]:
    database = Database(Settings())
    try:
        async with database.transaction() as session:
            yield session
    finally:
        await database.close()


async def grant_key(user_id: int, key: str) -> str:
    async with _transaction() as session:
        await commands.grant_key(session, user_id, key)
        audit.note(session, Deed.key_made, user_id, by=None)
    return f"The person {user_id} may use this key now."


async def administrators() -> str:
    """The active administrators, number and name, a line each."""
    async with _transaction() as session:
        people = await queries.administrators(session)
    return "\n".join(f"{person.id}  {person.name}" for person in people)


async def change_administrators(change: str, who: str) -> str:
    """Makes a person an administrator (`add`) or takes the role away (`remove`); lists them then.

    `who` is a number or a whole name. Raises UserNotFound, LastAdministrator, and ValueError for a
    name that no person, or more than one, has.
    """
    command, deed = _ROLE_CHANGES[change]
    async with _transaction() as session:
        user_id = await _number_of(session, who)
        if await command(session, user_id):
            audit.note(session, deed, user_id, by=None)
    return await administrators()


async def _number_of(session: AsyncSession, who: str) -> int:
    if who.isdecimal() and int(who) <= MAX_ID:
        return int(who)
    people = await queries.people_named(session, who)
    if len(people) == 1:
        return people[0].id
    if not people:
        raise ValueError(f"No active person has the name {who!r}.")
    numbers = ", ".join(str(person.id) for person in people)
    raise ValueError(f"Several people have the name {who!r}: give one of the numbers {numbers}.")


async def erased() -> str:
    """The numbers of all who were erased, a line each. It holds nothing else, and may be kept."""
    async with _transaction() as session:
        return "\n".join(map(str, await queries.erased_people(session)))


async def erase_again(numbers: list[int]) -> str:
    """Whoever is not in the backup is passed over: nobody may have that number by now."""
    unknown = 0
    async with _transaction() as session:
        for user_id in numbers:
            try:
                await commands.erase_again(session, user_id)
                audit.note(session, Deed.erased, user_id, by=None)
            except UserNotFound:
                unknown += 1
        remaining = await queries.administrators(session)
    warning = "" if remaining else " No administrator is left: add one at this console."
    return f"{len(numbers) - unknown} people are erased; {unknown} were not there.{warning}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="console", description=__doc__)
    chosen = parser.add_subparsers(dest="command", required=True)
    grant = chosen.add_parser("grant-key", help="let a person use a key of your choosing")
    grant.add_argument("--user", type=int, required=True, help="the person's id")
    grant.add_argument("--key", required=True, help="the key, as they will send it")
    role = chosen.add_parser("administrator", help="who is an administrator")
    what = role.add_subparsers(dest="change", required=True)
    what.add_parser("list", help="print the number and name of each")
    for change, help_text in (
        ("add", "make a person one"),
        ("remove", "take the role away, but not from the last one"),
    ):
        what.add_parser(change, help=help_text).add_argument(
            "person", help="the person's number, or the whole name"
        )
    chosen.add_parser("erased", help="print the numbers of all who were erased")
    chosen.add_parser("erase-again", help="erase whose numbers come in, a line each")
    said = parser.parse_args()
    try:
        if said.command == "grant-key":
            doing = grant_key(said.user, said.key)
        elif said.command == "administrator":
            listing = said.change == "list"
            doing = administrators() if listing else change_administrators(said.change, said.person)
        elif said.command == "erased":
            doing = erased()
        else:
            doing = erase_again([int(line) for line in sys.stdin.read().split()])
        print(asyncio.run(doing))
    except (Problem, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
