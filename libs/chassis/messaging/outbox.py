"""The outbox: an event is a row, inserted in the same transaction as the change that it reports.

The database and the broker share no transaction, so publishing directly would lose the event, or
publish an event whose change is rolled back, whenever a process dies between the two. Instead a
command inserts the event here; it is stored if and only if the change is. The relay publishes it
afterwards, as often as it takes.

The row's id is also the event's number and the new version of the aggregate that changed. Consumers
drop what is older than the version that they have, so ids must grow in the order in which changes
to one aggregate commit. A sequence alone does not promise that: two transactions can draw ids in
one order and commit in the other. Therefore a command locks the aggregate's row first and records
the event while it holds the lock: the next transaction can draw its id only after this one has
ended. Ids of different aggregates may commit in any order, so no reader may rely on "greater than
the last id that I saw". See docs/adr/0003 and docs/adr/0004.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from chassis.database.session import AnySession, fetch
from chassis.messaging.events import Event, EventId
from chassis.observability import tracing

_INSERT = """
insert into outbox (routing_key, payload, request_id, traceparent)
values ($1, $2::text::jsonb, $3, $4) returning id
"""


_INSERT_ALL = """
insert into outbox (routing_key, payload, request_id, traceparent)
select routing_key, payload::jsonb, $3, $4
from unnest($1::text[], $2::text[]) with ordinality as event (routing_key, payload, number)
order by number
returning id
"""


def define(metadata: MetaData) -> Table:
    """Adds the outbox to a service's tables."""
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
"""The table's DDL, for a service's first migration, with the trigger that wakes the relay."""

WAKE_RELAY_ONLY_IF_NECESSARY = """
create or replace trigger outbox_wakes_relay after insert on outbox for each statement
    when (current_setting('warble.wakes_relay', true) is distinct from 'on')
    execute function wake_relay();
"""
"""Turns the trigger off for connections whose process wakes the relay after the commit."""


async def record(session: AnySession, event: Event) -> int:
    """Inserts the event and returns its number, the aggregate's new version.

    The caller holds the lock of the aggregate's row. The response names the event, unless its class
    says otherwise.
    """
    session.info["wake_relay"] = True
    (row,) = await fetch(session, _INSERT, *values(event))
    version: int = row["id"]
    if event.named_in_response:
        name_in_response(session, version)
    return version


def values(event: Event) -> tuple[str, str, str | None, str | None]:
    """The columns `routing_key`, `payload`, `request_id` and `traceparent` of the event's row, for
    a statement that changes an aggregate and records the event at once."""
    return event.routing_key, event.model_dump_json(), *_cause()


def _cause() -> tuple[str | None, str | None]:
    """The id and the trace of the request for which this task works."""
    context = structlog.contextvars.get_contextvars()
    return (
        context.get("request_id"),
        tracing.current_traceparent() or context.get("traceparent"),
    )


async def record_all(session: AnySession, events: Sequence[Event]) -> list[int]:
    """Like `record`, in one statement; returns the numbers in the order of the events.

    The response names none of them: thousands of ids do not fit into a header.
    """
    session.info["wake_relay"] = True
    rows = await fetch(
        session,
        _INSERT_ALL,
        [event.routing_key for event in events],
        [event.model_dump_json() for event in events],
        *_cause(),
    )
    # PostgreSQL draws the ids in the order of the SELECT.
    return sorted(row["id"] for row in rows)


def name_in_response(session: AnySession, version: int) -> None:
    """Adds this service's event to those that the response names.

    A command that finds nothing to change names the earlier event that made the change: consumers
    may not have handled it yet, and the caller's next read has to wait for it.

    It also wakes the relay, because a statement that inserts into the outbox by itself has not
    called `record`.
    """
    session.info["wake_relay"] = True
    session.info["events"].append(EventId(source=session.info["service"], number=version))
