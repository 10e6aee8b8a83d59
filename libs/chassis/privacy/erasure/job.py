"""The worker's job that deletes what a service holds of erased people."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from aio_pika.abc import AbstractRobustConnection
from fastapi import FastAPI
from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.http.errors import report_job_error
from chassis.privacy.erasure.purge_dead_letters import DeadLetters

BATCH = 500
"""Rows that one statement of a sweep deletes or updates at most."""

GRACE_PERIOD = timedelta(minutes=5)
"""How long data of the person can still arrive: an identity is valid for one minute, an upload
takes one at most, and an event that fails is retried for less than three."""

POLL_INTERVAL_SECONDS = 1
LEASE = timedelta(seconds=20)
"""How long an erasure that failed, or whose worker died, waits until a worker takes it again."""

SCAN_EVENTS = 20_000
"""Stored events that one statement looks through."""
RESCAN_EVENTS = 100_000
"""How far the last pass goes back behind the end of the first scan: ids commit out of order, so an
event with a smaller id may have been committed after the scan."""

# The lease: no other worker takes the person before `due_at`. _COUNT and _SET_SCANNED renew it.
_TAKE_LEASE = """
update erasure set due_at = now() + $1::interval
where user_id = (
    select user_id from erasure where finished_at is null and due_at <= now()
    order by due_at limit 1 for update skip locked
)
returning user_id
"""
_ERASED_PEOPLE = text("select user_id from erasure")
_COUNT = text("""
update erasure set erased = erased + :erased, due_at = now() + cast(:lease as interval)
where user_id = :user_id
""")
_SCAN_RANGE = text("""
select scanned, (select coalesce(max(id), 0) from outbox) as newest, cleared_at
from erasure where user_id = :user_id
""")
_SET_SCANNED = text("""
update erasure set scanned = :scanned, due_at = now() + cast(:lease as interval)
where user_id = :user_id
""")
# Events that are redacted already do not match, so that the next batch finds the rest.
_REDACT = text("""
update outbox set payload = payload || cast(:replacement as jsonb)
where id in (
    select id from outbox
    where id > :after and id <= :until and routing_key = :routing_key
      and payload -> cast(:person_field as text) = to_jsonb(cast(:user_id as bigint))
      and payload <> payload || cast(:replacement as jsonb)
    order by id limit :batch for update
)
""")
_NOW = text("select now()")
_END_PASS = text("""
update erasure set
    cleared_at = coalesce(cleared_at, now()),
    finished_at = case
        when heard_at + cast(:grace_period as interval) <= :started_at then now()
    end,
    due_at = heard_at + cast(:grace_period as interval)
where user_id = :user_id
returning finished_at
""")

log = structlog.get_logger()

Sweep = Callable[[Database, int], Awaitable[int]]
"""Deletes and commits a batch of what belongs to the person; returns how many things, 0 at the
end."""

CleanUp = Callable[[Database], Awaitable[int]]
"""Deletes and commits a batch of rows that earlier deletions left; returns how many, 0 at the
end."""


@dataclass(frozen=True)
class Redaction:
    """What a service's stored event says of a person beside ids, and what replaces it."""

    person_field: str
    """The field with the person's id."""
    replacement: Mapping[str, Any]
    """New values for the fields with the person's data."""


@dataclass(frozen=True)
class Eraser:
    """How a service erases a person."""

    sweep: Sweep
    redactions: Mapping[str, Redaction] = field(default_factory=dict)
    """By routing key; a service without an outbox has none."""
    dead_letters: DeadLetters | None = None
    """None for a service without subscriptions."""
    clean_up: CleanUp | None = None
    """For a service that deletes more rows than one transaction may."""

    async def job(self, app: FastAPI) -> None:
        """Erases people who are due, until it is cancelled."""
        database: Database = app.state.database
        while True:
            while (user_id := await self._take_lease(database)) is not None:
                try:
                    await self.run_pass(database, app.state.broker, user_id)
                except Exception as error:
                    # The lease ends soon. Until then, other people are erased.
                    report_job_error(
                        error,
                        unavailable="person.not_erased",
                        failed="person.not_erased",
                        person=user_id,
                    )
            await self._clean_up_all(database)
            await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def _take_lease(self, database: Database) -> int | None:
        """A person who is due, whom no other worker takes until the lease ends; None without
        any."""
        rows = await database.fetch(_TAKE_LEASE, LEASE)
        return rows[0]["user_id"] if rows else None

    async def _clean_up_all(self, database: Database) -> None:
        while self.clean_up is not None and await self.clean_up(database):
            continue

    async def sweep_all(self, database: Database) -> None:
        """Deletes what there is of all erased people, without leases: for a rebuild's copy, to
        which no worker writes."""
        async with database.transaction() as session:
            user_ids = list((await execute(session, _ERASED_PEOPLE)).scalars())
        for user_id in user_ids:
            while await self.sweep(database, user_id):
                continue
        await self._clean_up_all(database)

    async def run_pass(
        self,
        database: Database,
        connection: AbstractRobustConnection | None,
        user_id: int,
        grace_period: timedelta = GRACE_PERIOD,
    ) -> bool:
        """Deletes all that there is of the person now; returns whether this was the last pass.

        It is the last one if it began after the grace period: nothing can arrive any more.
        `connection` leads to the broker; without it, dead letters stay. Raises what the database
        and the broker raise; the next pass continues.
        """
        async with database.transaction() as session:
            started_at = (await execute(session, _NOW)).scalar_one()
        while erased := await self.sweep(database, user_id):
            async with database.transaction() as session:
                count = {"user_id": user_id, "erased": erased, "lease": LEASE}
                await execute(session, _COUNT, count)
        await self._clean_up_all(database)
        if self.redactions:
            await self._redact_events(database, user_id)
        if self.dead_letters is not None and connection is not None:
            await self.dead_letters.purge(connection, user_id)
        async with database.transaction() as session:
            parameters = {
                "user_id": user_id,
                "started_at": started_at,
                "grace_period": grace_period,
            }
            finished_at = (await execute(session, _END_PASS, parameters)).scalar_one()
        finished = finished_at is not None
        log.info("person.erased", person=user_id, finished=finished)
        return finished

    async def _redact_events(self, database: Database, user_id: int) -> None:
        """Overwrites the person's data in all stored events, also in those not yet published.

        Only events that the last scan has not seen are read; see RESCAN_EVENTS.
        """
        async with database.transaction() as session:
            scan = (await execute(session, _SCAN_RANGE, {"user_id": user_id})).one()
        after = scan.scanned
        if scan.cleared_at is not None:
            after = max(0, after - RESCAN_EVENTS)
        while after < scan.newest:
            until = min(after + SCAN_EVENTS, scan.newest)
            async with database.transaction() as session:
                for routing_key, redaction in self.redactions.items():
                    parameters = {
                        "after": after,
                        "until": until,
                        "routing_key": routing_key,
                        "person_field": redaction.person_field,
                        "user_id": user_id,
                        "replacement": json.dumps(redaction.replacement),
                        "batch": BATCH,
                    }
                    while (await execute(session, _REDACT, parameters)).rowcount == BATCH:
                        continue
                scanned = {"user_id": user_id, "scanned": until, "lease": LEASE}
                await execute(session, _SET_SCANNED, scanned)
            after = until
