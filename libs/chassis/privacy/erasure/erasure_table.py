"""The table `erasure`: the tombstones, and how far each erasure is.

| column | holds |
|---|---|
| `heard_at` | when the service learned of the erasure; the grace period begins here |
| `due_at` | when the job may next take the person: the end of a lease or of the grace period |
| `erased` | how many things of the person are deleted |
| `scanned` | the id of the last outbox row whose payload was checked |
| `cleared_at` | when the first pass found nothing left |
| `finished_at` | when the last pass ended |
"""

from sqlalchemy import BigInteger, Column, DateTime, Index, MetaData, Table, text

from chassis.database.session import AnySession, fetch

_INSERT = "insert into erasure (user_id) values ($1) on conflict do nothing"
_SELECT = "select from erasure where user_id = any($1::bigint[])"


def define(metadata: MetaData) -> Table:
    """Adds the table of erasures to a service's tables."""
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
"""The table's DDL, for a migration of the service."""


async def mark_erased(session: AnySession, user_id: int) -> None:
    """Inserts the person's tombstone, from which the job knows that there is work. Idempotent."""
    await fetch(session, _INSERT, user_id)


async def is_erased(session: AnySession, *user_ids: int) -> bool:
    """Whether any of these people has a tombstone. A handler drops the event then.

    A handler that runs just before the tombstone is committed stores the data nevertheless: the
    last pass of the job deletes it.
    """
    return bool(await fetch(session, _SELECT, user_ids))
