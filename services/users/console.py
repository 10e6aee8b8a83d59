"""What an operator does by hand, with the service's own settings and no api-key.

`python -m services.users.console grant-key --user 5 --key demonstration`
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

from . import audit, commands, queries
from .audit import Deed
from .errors import UserNotFound
from .settings import Settings


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
    return f"{len(numbers) - unknown} people are erased; {unknown} were not there."


def main() -> int:
    parser = argparse.ArgumentParser(prog="console", description=__doc__)
    chosen = parser.add_subparsers(dest="command", required=True)
    grant = chosen.add_parser("grant-key", help="let a person use a key of your choosing")
    grant.add_argument("--user", type=int, required=True, help="the person's id")
    grant.add_argument("--key", required=True, help="the key, as they will send it")
    chosen.add_parser("erased", help="print the numbers of all who were erased")
    chosen.add_parser("erase-again", help="erase whose numbers come in, a line each")
    said = parser.parse_args()
    try:
        if said.command == "grant-key":
            doing = grant_key(said.user, said.key)
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
