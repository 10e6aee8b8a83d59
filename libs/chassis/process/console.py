"""What the operators' consoles of the services have in common."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import Database, DatabaseUnavailable
from chassis.http.errors import Problem
from chassis.settings import ServiceSettings


@asynccontextmanager
async def transaction(settings: ServiceSettings) -> AsyncIterator[AsyncSession]:
    """A transaction of a command, with a connection of its own."""
    database = Database(settings)
    try:
        async with database.transaction() as session:
            yield session
    finally:
        await database.close()


def run(parser: argparse.ArgumentParser) -> int:
    """Prints what the chosen `action` returns, or why it failed; returns the exit code."""
    arguments = parser.parse_args()
    try:
        print(asyncio.run(arguments.action(arguments)))
    except DatabaseUnavailable as error:
        print(f"The database is unavailable: {error}", file=sys.stderr)
        return 1
    except (Problem, OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0
