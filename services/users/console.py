"""What an operator does by hand, with the service's own settings and no api-key.

`python -m services.users.console grant-key --user 5 --key demonstration`
"""

import argparse
import asyncio
import sys

from chassis.database import Database
from chassis.errors import Problem

from . import commands
from .settings import Settings


async def grant_key(user_id: int, key: str) -> None:
    database = Database(Settings())
    try:
        async with database.transaction() as session:
            await commands.grant_key(session, user_id, key)
    finally:
        await database.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="console", description=__doc__)
    commands_ = parser.add_subparsers(required=True)
    grant = commands_.add_parser("grant-key", help="let a person use a key of your choosing")
    grant.add_argument("--user", type=int, required=True, help="the person's id")
    grant.add_argument("--key", required=True, help="the key, as they will send it")
    chosen = parser.parse_args()
    try:
        asyncio.run(grant_key(chosen.user, chosen.key))
    except Problem as problem:
        print(problem.sentence, file=sys.stderr)
        return 1
    print(f"The person {chosen.user} may use this key now.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
