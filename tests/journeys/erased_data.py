"""Finds data of an erased person in every part of a running system.

A test that erases a person passes what the person had: the name, words of the tweets and of the
descriptions of pictures, and the URLs of pictures. `remains` then searches all tables, the object
store, the dead-letter and retry queues, the log files and the responses of the API. Some of these
places cannot be reached through the API, so the search needs the running instance itself.
"""

import asyncio
import importlib
import os
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import asyncpg
from aio_pika.abc import AbstractChannel

from chassis.messaging.retries import RETRY_DELAYS
from chassis.messaging.subscriptions import Subscription
from devstack.instance import Instance
from devstack.repository import SERVICES
from operate import postgres

from .company import Company, Person

SECONDS = 600
"""The documented time after which no data may be left: see docs/operations.md."""

_PEOPLE = (
    "user_id", "author_id", "owner_id", "follower_id", "followed_id", "recipient_id", "actor_id",
    "watched_id", "reporter_id",
)  # fmt: skip
_KEPT = "erasure.user_id"
"""The table of tombstones keeps the id on purpose."""


@dataclass(frozen=True)
class ErasedData:
    """The data that an erased person had, by which remains are recognised."""

    person: Person
    words: Sequence[str]
    """Unique words: no other person's name or text contains one of them."""
    pictures: Sequence[str] = ()
    """URL paths at the gateway, such as `/uploads/….png`."""

    @property
    def traces(self) -> list[str]:
        return [*self.words, *(path.rpartition("/")[2] for path in self.pictures)]


async def until_nowhere(company: Company, left: ErasedData, parts: Instance | None = None) -> None:
    """Returns when no data is left. Raises AssertionError after the documented time.

    The search takes the messages out of each dead-letter queue for a moment, and a service that
    erases at that moment would miss them until its last pass, five minutes later. So the search
    begins when every service says that it has erased the person.
    """
    deadline = time.monotonic() + SECONDS
    while unfinished := await _still_erasing(company, left.person):
        assert time.monotonic() < deadline, unfinished
        await asyncio.sleep(0.1)
    while found := await remains(company, left, parts):
        assert time.monotonic() < deadline, found
        # The search puts load on the system, which still has to erase.
        await asyncio.sleep(0.5)


async def _still_erasing(company: Company, person: Person) -> list[str]:
    progress = await company.administrator.done("GET", f"/api/erasures/{person.id}")
    return [
        name
        for name, part in progress["parts"].items()
        if part["state"] not in ("settling", "finished")
    ]


async def remains(company: Company, left: ErasedData, parts: Instance | None = None) -> list[str]:
    """Describes each place that still has data of the person.

    `parts` is the instance with the broker and the store; by default, the company's own.
    """
    stack = company.instance
    parts = parts or stack
    return [
        *[place async for place in _in_schemas(stack, left)],
        *_in_store(parts, left),
        *[place async for place in _in_queues(parts, left)],
        *_in_logs({stack.root, parts.root}, left),
        *[place async for place in _in_responses(company, left)],
    ]


async def _in_schemas(stack: Instance, left: ErasedData) -> AsyncIterator[str]:
    async with postgres.connect(stack.database()) as connection:
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


def _in_store(stack: Instance, left: ErasedData) -> list[str]:
    names = {path.rpartition("/")[2] for path in left.pictures}
    # Unlike rglob, os.walk passes over buckets that other tests delete meanwhile.
    return [
        f"the store has {name}"
        for _, folders, files in os.walk(stack.uploads)
        for name in (*folders, *files)
        if name in names
    ]


async def _in_queues(stack: Instance, left: ErasedData) -> AsyncIterator[str]:
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
    """The dead-letter and retry queues. Consumers empty the other queues by themselves."""
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


def _in_logs(roots: Iterable[Path], left: ErasedData) -> list[str]:
    return [
        f"{log.name} holds {word}"
        for root in roots
        for log in (root / "logs").glob("*.log*")
        for word in left.words
        if word in log.read_text(errors="replace")
    ]


async def _in_responses(company: Company, left: ErasedData) -> AsyncIterator[str]:
    person, administrator = left.person, company.administrator
    for path in ("", "/followers", "/following"):
        response = await administrator.ask("GET", f"/api/users/{person.id}{path}")
        if response.status_code != 404:
            yield f"/api/users/{person.id}{path} returned {response.status_code}"
    if (await administrator.done("GET", f"/api/users/{person.id}/tweets"))["tweets"]:
        yield "the person has tweets"
    for word in left.words:
        found = await administrator.ask("GET", "/api/users", params={"query": word[:100]})
        if word in found.text:
            yield f"a search finds {word}"
    for path in left.pictures:
        if (await company.http.get(path)).status_code != 404:
            yield f"{path} can still be read"
    if (await company.http.get("/api/users/me", headers={"api-key": person.key})).is_success:
        yield "the key still works"
    everyone = await administrator.ask("GET", "/api/tweets?scope=everyone&order=recent&limit=100")
    if any(word in everyone.text for word in left.traces) or any(
        person.id == like["user_id"]
        for tweet in everyone.json()["tweets"]
        for like in tweet["likes"]
    ):
        yield "everyone's tweets show the person"
