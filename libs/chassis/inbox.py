"""The inbox: which events this service has handled, written in the handler's own transaction."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, text
from sqlmodel.ext.asyncio.session import AsyncSession

from .database import execute
from .events import EventId

_INSERT = text(
    "insert into inbox (source, id) values (:source, :id) on conflict do nothing returning id"
)


def define(metadata: MetaData) -> Table:
    """The inbox as part of a service's tables."""
    return Table(
        "inbox",
        metadata,
        Column("source", Text, primary_key=True),
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("handled_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )


CREATE = """
create table inbox (
    source text,
    id bigint,
    handled_at timestamptz not null default now(),
    primary key (source, id)
);
"""
"""The first revision of the table, for a service's first migration."""


async def admit(session: AsyncSession, event: EventId) -> bool:
    """True the first time; false for an event whose effect is here already."""
    row = await execute(session, _INSERT, {"source": event.source, "id": event.number})
    return row.first() is not None


def split(events: Iterable[EventId]) -> tuple[list[str], list[int]]:
    """The ids as the two arrays that `unnest` takes."""
    pairs = list(events)
    return [event.source for event in pairs], [event.number for event in pairs]
