"""The inbox: which events this service has handled, written in the handler's own transaction."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, text
from sqlmodel.ext.asyncio.session import AsyncSession

from .database import fetch
from .events import EventId

# In the order of the key: of two workers with the same events, none holds what the other waits for.
_INSERT = """
insert into inbox (source, id)
select source, id from unnest($1::text[], $2::bigint[]) as arrived (source, id) order by 1, 2
on conflict do nothing returning source, id
"""


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


async def admit(session: AsyncSession, events: Iterable[EventId]) -> set[EventId]:
    """Those that come for the first time: the effect of the others is here already."""
    rows = await fetch(session, _INSERT, *split(events))
    return {EventId(source, number) for source, number in rows}


def split(events: Iterable[EventId]) -> tuple[list[str], list[int]]:
    """The ids as the two arrays that `unnest` takes."""
    pairs = list(events)
    return [event.source for event in pairs], [event.number for event in pairs]
