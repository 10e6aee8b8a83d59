"""Where something of an erased person's is left, in every part of a running system.

`remains` is for any run that erases somebody and knows what they left: their name, words that stood
in their tweets and descriptions, addresses of their pictures. It looks where no caller of the API
can, too.
"""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import asyncpg
from aio_pika.abc import AbstractChannel

from chassis.subscriptions import RETRY_DELAYS, Subscription
from deploy.local import postgres
from deploy.local.instance import Instance
from deploy.local.places import SERVICES

from .company import Company, Person

SECONDS = 600
"""The stated time, in which nothing may be left any more: see docs/operations.md."""

_PEOPLE = ("user_id", "author_id", "owner_id", "follower_id", "followed_id")
_KEPT = "erasure.user_id"
"""The tombstone."""


@dataclass(frozen=True)
class Left:
    """What an erased person had."""

    person: Person
    words: Sequence[str]
    """Found nowhere else: no other person's name or text holds one of them."""
    pictures: Sequence[str] = ()
    """Addresses below the gateway, such as `/uploads/….png`."""

    @property
    def traces(self) -> list[str]:
        return [*self.words, *(path.rpartition("/")[2] for path in self.pictures)]


async def until_nowhere(company: Company, left: Left, parts: Instance | None = None) -> None:
    """Returns when nothing is left anywhere. Raises AssertionError after the stated time."""
    deadline = time.monotonic() + SECONDS
    while found := await remains(company, left, parts):
        assert time.monotonic() < deadline, found
        # To look everywhere is work for the system too, which has its own to do.
        await asyncio.sleep(0.5)


async def remains(company: Company, left: Left, parts: Instance | None = None) -> list[str]:
    """Each place that still has something, in words for whoever reads the failure.

    `parts` has the broker and the store, where the stack has none of its own.
    """
    stack = company.stack
    parts = parts or stack
    return [
        *[place async for place in _in_schemas(stack, left)],
        *_in_store(parts, left),
        *[place async for place in _in_queues(parts, left)],
        *_in_logs({stack.root, parts.root}, left),
        *[place async for place in _in_answers(company, left)],
    ]


async def _in_schemas(stack: Instance, left: Left) -> AsyncIterator[str]:
    async with postgres.connected(stack.database()) as connection:
        for table in await _tables(connection):
            words = await connection.fetch(
                f"select word from unnest($1::text[]) as word"
                f" where exists (select from {table} t where position(word in t::text) > 0)",
                left.traces,
            )
            for row in words:
                yield f"{table} holds {row['word']}"
        columns = await connection.fetch(
            "select table_schema || '.' || table_name as name, column_name"
            " from information_schema.columns"
            " where table_schema = any($1) and column_name = any($2)",
            SERVICES,
            _PEOPLE,
        )
        for name, column in columns:
            if not f"{name}.{column}".endswith(_KEPT) and await connection.fetchval(
                f"select exists (select from {name} where {column} = $1)", left.person.id
            ):
                yield f"{name}.{column} names the person"


async def _tables(connection: asyncpg.Connection) -> list[str]:
    found = await connection.fetch(
        "select schemaname || '.' || quote_ident(tablename) as name from pg_tables"
        " where schemaname = any($1)",
        SERVICES,
    )
    return [row["name"] for row in found]


def _in_store(stack: Instance, left: Left) -> list[str]:
    names = {path.rpartition("/")[2] for path in left.pictures}
    return [f"the store has {path.name}" for path in stack.uploads.rglob("*") if path.name in names]


async def _in_queues(stack: Instance, left: Left) -> AsyncIterator[str]:
    async with _channel(stack) as channel:
        for name in _queues():
            try:
                queue = await channel.get_queue(name)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                await channel.reopen()
                continue
            looked_at = []
            while (message := await queue.get(fail=False)) is not None:
                looked_at.append(message)
            for message in looked_at:
                if any(word.encode() in message.body for word in left.traces):
                    yield f"{name} holds {message.message_id}"
                await message.nack(requeue=True)


@asynccontextmanager
async def _channel(stack: Instance) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(stack.broker_url)
    async with connection, connection.channel() as channel:
        yield channel


def _queues() -> list[str]:
    """Dead letters, and what waits to be tried again; the others are emptied by their consumers."""
    waiting = [f"{name}.retry.{delay}s" for name in SERVICES for delay in RETRY_DELAYS]
    return waiting + [
        f"{subscription.queue}.dead" for name in SERVICES for subscription in _subscriptions(name)
    ]


def _subscriptions(service: str) -> Iterable[Subscription]:
    try:
        module = importlib.import_module(f"services.{service}.handlers")
    except ModuleNotFoundError:
        return ()
    return list(module.subscriptions)


def _in_logs(roots: Iterable[Path], left: Left) -> list[str]:
    return [
        f"{log.name} holds {word}"
        for root in roots
        for log in (root / "logs").glob("*.log*")
        for word in left.words
        if word in log.read_text(errors="replace")
    ]


async def _in_answers(company: Company, left: Left) -> AsyncIterator[str]:
    person, administrator = left.person, company.administrator
    for path in ("", "/followers", "/following"):
        answer = await administrator.ask("GET", f"/api/users/{person.id}{path}")
        if answer.status_code != 404:
            yield f"/api/users/{person.id}{path} answers {answer.status_code}"
    if (await administrator.done("GET", f"/api/users/{person.id}/tweets"))["tweets"]:
        yield "the person has tweets"
    for word in left.words:
        found = await administrator.ask("GET", "/api/users", params={"query": word[:100]})
        if word in found.text:
            yield f"a search finds {word}"
    for path in left.pictures:
        if (await company.http.get(path)).status_code != 404:
            yield f"{path} is there"
    if (await company.http.get("/api/users/me", headers={"api-key": person.key})).is_success:
        yield "the key opens the door"
    everyone = await administrator.ask("GET", "/api/tweets?scope=everyone&order=recent&limit=100")
    if any(word in everyone.text for word in left.traces) or any(
        person.id == like["user_id"]
        for tweet in everyone.json()["tweets"]
        for like in tweet["likes"]
    ):
        yield "everyone's tweets show the person"
