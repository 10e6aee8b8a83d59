"""The outbox: an event is a row, written in the same transaction as the change that it tells of.

Publishing what is pending is the relay's work.
"""

import structlog
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from . import traces
from .database import fetch
from .events import Event, EventId

_INSERT = """
insert into outbox (routing_key, payload, request_id, traceparent)
values ($1, $2::text::jsonb, $3, $4) returning id
"""


def define(metadata: MetaData) -> Table:
    """The outbox as part of a service's tables."""
    return Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("routing_key", Text, nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("request_id", Text),
        Column("traceparent", Text),
        Column(
            "occurred_at", DateTime(timezone=True), nullable=False, server_default=text("now()")
        ),
        Column("due_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("published_at", DateTime(timezone=True)),
        Index("outbox_pending", "due_at", "id", postgresql_where=text("published_at is null")),
    )


CREATE = """
create table outbox (
    id bigint generated always as identity primary key,
    routing_key text not null,
    payload jsonb not null,
    request_id text,
    traceparent text,
    occurred_at timestamptz not null default now(),
    due_at timestamptz not null default now(),
    published_at timestamptz
);
create index outbox_pending on outbox (due_at, id) where published_at is null;
create function wake_relay() returns trigger language plpgsql as
$$ begin perform pg_notify(tg_table_schema || '_outbox', ''); return null; end $$;
create trigger outbox_wakes_relay after insert on outbox
    for each statement execute function wake_relay();
"""
"""The first revision of the table, for a service's first migration: a trigger wakes the relay."""


async def record(session: AsyncSession, event: Event) -> int:
    """Writes the event and gives its number, the aggregate's new version.

    The caller holds the lock of the aggregate's row: otherwise two changes to it could draw their
    numbers in the one order and commit in the other.
    """
    context = structlog.contextvars.get_contextvars()
    (written,) = await fetch(
        session,
        _INSERT,
        event.routing_key,
        event.model_dump_json(),
        context.get("request_id"),
        traces.here() or context.get("traceparent"),
    )
    version: int = written["id"]
    if event.awaited:
        mention(session, version)
    return version


def mention(session: AsyncSession, version: int) -> None:
    """Has the answer name this event: it brought about the state that the caller asked for.

    A call that found nothing left to do mentions the earlier event, which may be on its way still.
    """
    session.info["events"].append(EventId(source=session.info["service"], number=version))
