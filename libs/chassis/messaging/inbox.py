"""The inbox: the ids of the events that this service has handled.

The broker delivers at least once: a message comes again when a worker dies before it acknowledges,
or when the relay dies before it marks the event as published. So the consumer inserts the event's
id into the inbox in the same transaction as the handler's changes. If the id is there already, an
earlier transaction has committed the changes, and the handler is skipped. If the transaction rolls
back, the id disappears together with the changes, and the next delivery is handled. Thus every
event takes effect exactly once. Rows stay for ever: no consumer knows how long a producer keeps an
event, and `projections.backfill` delivers every stored event whose id the inbox lacks. See
docs/adr/0003.
"""

from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, text

from chassis.database.session import AnySession, fetch
from chassis.messaging.events import EventId

# Sorted by key, so that two workers with the same events lock them in the same order and cannot
# deadlock.
_INSERT = """
insert into inbox (source, id)
select source, id from unnest($1::text[], $2::bigint[]) as delivered (source, id) order by 1, 2
on conflict do nothing returning source, id
"""


def define(metadata: MetaData) -> Table:
    """Adds the inbox to a service's tables."""
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
"""The table's DDL, for a service's first migration."""


COUNT_MISSING = """
select count(*) as missing from unnest($1::text[], $2::bigint[]) as requested (source, id)
where not exists (
    select from inbox where inbox.source = requested.source and inbox.id = requested.id
)
"""
"""How many of the requested events (`as_arrays`) are not handled yet."""


async def insert_new(session: AnySession, events: Iterable[EventId]) -> set[EventId]:
    """Inserts the ids and returns those that were not there: only these have to be handled.

    Waits for a concurrent transaction that has inserted the same id.
    """
    rows = await fetch(session, _INSERT, *as_arrays(events))
    return {EventId(source, number) for source, number in rows}


def as_arrays(events: Iterable[EventId]) -> tuple[list[str], list[int]]:
    """The sources and the numbers, as two arguments for PostgreSQL's `unnest`."""
    pairs = list(events)
    return [event.source for event in pairs], [event.number for event in pairs]
