"""Erasing a person: how a service deletes what belongs to a person.

Handling `user.erased.v1` leaves a row in `erasure`, for ever and of ids alone: the tombstone by
which handlers recognise events that come late. A job then deletes what there is, a batch a
transaction. One worker at a time erases a person: it holds a lease on the row, which expires, so
that another worker continues if it dies. Each service knows what belongs to a person. See
docs/adr/0021.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, DateTime, Index, MetaData, Table, text
from sqlmodel.ext.asyncio.session import AsyncSession

from . import broker
from .app import Id
from .database import Database, Transaction, execute, fetch
from .errors import report_job_error
from .identity import Administrator
from .subscriptions import Subscription, Subscriptions

ROUTING_KEY = "user.erased.v1"
BATCH = 500
"""Rows that one statement of a sweep deletes or updates at most."""

SETTLE = timedelta(minutes=5)
"""After this nothing of the person's is on its way any more: an identity lives for a minute, an
upload takes one at most, an event that fails is tried for less than three."""

LOOK_SECONDS = 1
AGAIN = timedelta(minutes=1)
"""How long an erasure that failed, or whose worker died, waits for its next turn."""

_SCANNED = 20_000
"""Kept events that one statement looks through."""
_REPEATED = 100_000
"""How far the last scan goes back behind the first one's end: numbers commit out of order."""
_PERSON = ("user_id", "author_id", "owner_id", "follower_id", "followed_id")
"""The fields by which an event names a person."""

# A lease: until `due_at` no other worker takes the same person. _COUNT and _SCANNED_TO renew it.
_TAKE = text("""
update erasure set due_at = now() + cast(:again as interval)
where user_id = (
    select user_id from erasure where finished_at is null and due_at <= now()
    order by due_at limit 1 for update skip locked
)
returning user_id
""")
_EVERYBODY = text("select user_id from erasure")
_HEAR = "insert into erasure (user_id) values ($1) on conflict do nothing"
_HEARD = "select from erasure where user_id = any($1::bigint[])"
_COUNT = text("""
update erasure set erased = erased + :erased, due_at = now() + cast(:again as interval)
where user_id = :user_id
""")
_SCAN_FROM = text("""
select scanned, (select coalesce(max(id), 0) from outbox) as newest, cleared_at
from erasure where user_id = :user_id
""")
_SCANNED_TO = text("""
update erasure set scanned = :scanned, due_at = now() + cast(:again as interval)
where user_id = :user_id
""")
# What is blank already is left out, so that the next batch finds the rest.
_BLANK = text("""
update outbox set payload = payload || cast(:blank as jsonb)
where id in (
    select id from outbox
    where id > :after and id <= :until and routing_key = :routing_key
      and payload -> cast(:person as text) = to_jsonb(cast(:user_id as bigint))
      and payload <> payload || cast(:blank as jsonb)
    order by id limit :batch for update
)
""")
_NOW = text("select now()")
_END_PASS = text("""
update erasure set
    cleared_at = coalesce(cleared_at, now()),
    finished_at = case when heard_at + cast(:settle as interval) <= :begun then now() end,
    due_at = heard_at + cast(:settle as interval)
where user_id = :user_id
returning finished_at
""")
_PROGRESS = text(
    "select erased, heard_at, cleared_at, finished_at from erasure where user_id = :id"
)

log = structlog.get_logger()

Sweep = Callable[[Database, int], Awaitable[int]]
"""Takes away a batch of what is this person's, committed; gives how many things, 0 at the end."""

CleanUp = Callable[[Database], Awaitable[int]]
"""Deletes a batch of rows that earlier deletions left, committed; gives how many, 0 at the end."""


@dataclass(frozen=True)
class Told:
    """What an event of a service's own says of a person, beside ids."""

    person: str
    """The field with the person's id."""
    blank: Mapping[str, Any]
    """What is written over the fields that are theirs."""


@dataclass(frozen=True)
class Eraser:
    """A service's way to erase somebody."""

    sweep: Sweep
    told: Mapping[str, Told] = field(default_factory=dict)
    """By routing key; a service without an outbox has none."""
    subscriptions: Subscriptions | None = None
    clean_up: CleanUp | None = None
    """For a service in which more is deleted than one transaction takes."""

    async def job(self, app: FastAPI) -> None:
        """Erases the people who are due; runs beside the relay and the consumer."""
        database: Database = app.state.database
        while True:
            while (user_id := await self._take(database)) is not None:
                try:
                    await self.advance(database, app.state.broker, user_id)
                except Exception as error:
                    # Its lease ends in a minute. Until then other people have their turn.
                    report_job_error(
                        error,
                        unavailable="person.not_erased",
                        failed="person.not_erased",
                        person=user_id,
                    )
            await self._clean_up_all(database)
            await asyncio.sleep(LOOK_SECONDS)

    async def _take(self, database: Database) -> int | None:
        """Leases the next person who is due, unless another worker has the lease."""
        async with database.transaction() as session:
            user_id: int | None = (await execute(session, _TAKE, {"again": AGAIN})).scalar()
            return user_id

    async def _clean_up_all(self, database: Database) -> None:
        while self.clean_up is not None and await self.clean_up(database):
            continue

    async def take_away(self, database: Database) -> None:
        """Takes away what there is of everybody, from a copy that serves nobody yet."""
        async with database.transaction() as session:
            people = list((await execute(session, _EVERYBODY)).scalars())
        for user_id in people:
            while await self.sweep(database, user_id):
                continue
        await self._clean_up_all(database)

    async def advance(
        self,
        database: Database,
        connection: AbstractRobustConnection | None,
        user_id: int,
        settle: timedelta = SETTLE,
    ) -> bool:
        """Takes away all that is there now; true once nothing more can come.

        `connection` leads to the broker; without one, dead letters stay.
        """
        async with database.transaction() as session:
            begun = (await execute(session, _NOW)).scalar_one()
        while erased := await self.sweep(database, user_id):
            async with database.transaction() as session:
                counted = {"user_id": user_id, "erased": erased, "again": AGAIN}
                await execute(session, _COUNT, counted)
        await self._clean_up_all(database)
        if self.told:
            await self._blank(database, user_id)
        if self.subscriptions is not None and connection is not None:
            async with connection.channel(on_return_raises=True) as channel:
                for subscription in self.subscriptions:
                    await _sift(channel, subscription, user_id)
        async with database.transaction() as session:
            this = {"user_id": user_id, "begun": begun, "settle": settle}
            ended = await execute(session, _END_PASS, this)
            finished = ended.scalar_one() is not None
        log.info("person.erased", person=user_id, finished=finished)
        return finished

    async def _blank(self, database: Database, user_id: int) -> None:
        """Writes over the person's words in kept events, and in those not yet published."""
        async with database.transaction() as session:
            scan = (await execute(session, _SCAN_FROM, {"user_id": user_id})).one()
        after = scan.scanned
        if scan.cleared_at is not None:
            after = max(0, after - _REPEATED)
        while after < scan.newest:
            until = min(after + _SCANNED, scan.newest)
            async with database.transaction() as session:
                for routing_key, told in self.told.items():
                    these = {
                        "after": after,
                        "until": until,
                        "routing_key": routing_key,
                        "person": told.person,
                        "user_id": user_id,
                        "blank": json.dumps(told.blank),
                        "batch": BATCH,
                    }
                    while (await execute(session, _BLANK, these)).rowcount == BATCH:
                        continue
                scanned = {"user_id": user_id, "scanned": until, "again": AGAIN}
                await execute(session, _SCANNED_TO, scanned)
            after = until


def define(metadata: MetaData) -> Table:
    """The erasures as part of a service's tables."""
    now = text("now()")
    return Table(
        "erasure",
        metadata,
        Column("user_id", BigInteger, primary_key=True, autoincrement=False),
        Column("heard_at", DateTime(timezone=True), nullable=False, server_default=now),
        Column("due_at", DateTime(timezone=True), nullable=False, server_default=now),
        Column("erased", BigInteger, nullable=False, server_default=text("0")),
        Column("scanned", BigInteger, nullable=False, server_default=text("0")),
        Column("cleared_at", DateTime(timezone=True)),
        Column("finished_at", DateTime(timezone=True)),
        Index("erasure_due", "due_at", postgresql_where=text("finished_at is null")),
    )


CREATE = """
create table erasure (
    user_id bigint primary key,
    heard_at timestamptz not null default now(),
    due_at timestamptz not null default now(),
    erased bigint not null default 0,
    scanned bigint not null default 0,
    cleared_at timestamptz,
    finished_at timestamptz
);
create index erasure_due on erasure (due_at) where finished_at is null;
"""
"""The first revision of the table, for a migration of the service's."""


async def hear(session: AsyncSession, user_id: int) -> None:
    """Leaves the tombstone, by which the job knows its work too. Idempotent."""
    await fetch(session, _HEAR, user_id)


async def heard(session: AsyncSession, *people: int) -> bool:
    """Whether one of these people is to be forgotten: what comes of theirs is dropped then.

    What a handler stores while the word is on its way, the job's last pass takes away.
    """
    return bool(await fetch(session, _HEARD, people))


async def _sift(channel: AbstractChannel, subscription: Subscription, user_id: int) -> None:
    """Takes the person's dead letters out of a queue; the others go to its end."""
    dead = await channel.get_queue(subscription.dead_queue)
    exchange = await broker.own_exchange(channel, subscription.service)
    # Bounded by what lies there now, since what is put back comes again.
    for _ in range(dead.declaration_result.message_count or 0):
        message = await dead.get(fail=False)
        if message is None:
            break
        if not _concerns(message, user_id):
            await exchange.publish(_same(message), subscription.dead_queue)
        await message.ack()


def _concerns(message: AbstractIncomingMessage, user_id: int) -> bool:
    """The word of the erasure itself stays: once it can be handled, it must be."""
    try:
        event = json.loads(message.body)
    except ValueError:
        return False
    if not isinstance(event, dict) or message.type == ROUTING_KEY:
        return False
    return any(event.get(name) == user_id for name in _PERSON)


def _same(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers=message.headers,
        message_id=message.message_id,
        type=message.type,
        content_type=message.content_type,
        timestamp=message.timestamp,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


class Progress(BaseModel):
    """How far a service is with somebody's erasure."""

    state: Literal["waiting", "erasing", "settling", "finished"]
    """`waiting`: it has not heard. `settling`: nothing is left, but something may be on its way."""
    erased: int = 0
    """Tweets, likes, follows or pictures that are gone."""
    heard_at: datetime | None = None
    cleared_at: datetime | None = None
    finished_at: datetime | None = None


router = APIRouter(prefix="/internal", include_in_schema=False)
"""Each service answers for itself; the gateway puts the answers together."""


@router.get("/erasures/{id}")
async def progress(id: Id, identity: Administrator, session: Transaction) -> Progress:
    row = (await execute(session, _PROGRESS, {"id": id})).first()
    if row is None:
        return Progress(state="waiting")
    state: Literal["erasing", "settling", "finished"] = "erasing"
    if row.finished_at is not None:
        state = "finished"
    elif row.cleared_at is not None:
        state = "settling"
    return Progress(state=state, **row._asdict())
