"""Announcements: tweets that everybody sees above their feed until a time.

An announcement is an ordinary tweet and a row beside it, so it can be read, liked and, unless its
author closes the replies, answered like any other. It is in force until its time is over, its
author ends it, or the tweet is deleted or hidden. Where it asks for it, people confirm that they
have read it; its author sees who has and who has not, and reminds the others.

Everybody is expected to confirm whom `person` knows as active, except for the author. The list of
those who are missing is made at each read, so that people who join or leave later are right.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from asyncpg import Record

from chassis.auth.identity import Identity
from chassis.database import clock
from chassis.database.session import AnySession, fetch
from chassis.http import paging
from chassis.messaging import outbox

from . import commands
from .commands import NewTweet, Posted
from .errors import (
    AnnouncementEnded,
    AnnouncementNotFound,
    AnnouncementPeriodNotAccepted,
    NothingToAcknowledge,
    NotYourAnnouncement,
    RemindedRecently,
)
from .events import AnnouncementPosted, AnnouncementReminded, ModerationActed

MAX_DAYS = 366
"""How long an announcement can be in force."""
MAX_LISTED = 20
"""How many announcements are shown at a time: the newest ones."""
REMINDER_INTERVAL = timedelta(hours=1)
REMINDED_BATCH = 1_000
"""How many people an event of a reminder names at most."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_INSERT = """
insert into announcement (tweet_id, author_id, created_at, until, acknowledge)
values ($1, $2, $3, $4, $5)
on conflict do nothing
returning tweet_id
"""
# Statements name their columns: with `*` their results would change when a newer version adds a
# column, and connections that have prepared them would fail.
_COLUMNS = """
announcement.tweet_id, announcement.author_id, announcement.created_at, until, acknowledge,
ended_at, reminded_at"""
# $1 the reader, $2 the present time, $3 the limit.
_IN_FORCE = f"""
select {_COLUMNS}, person.name as author_name, acknowledged_at is not null as acknowledged
from announcement
join tweet on tweet.id = announcement.tweet_id and deleted_at is null and hidden_at is null
left join person on person.id = announcement.author_id
left join acknowledgement as own
    on own.tweet_id = announcement.tweet_id and own.user_id = $1
where until > $2 and ended_at is null and person.active is not false
order by announcement.tweet_id desc limit $3
"""  # noqa: S608  a constant
_FIND = f"""
select {_COLUMNS} from announcement join tweet on tweet.id = tweet_id and deleted_at is null
where tweet_id = $1
"""  # noqa: S608  a constant
_LOCK = f"{_FIND.strip()} for update of announcement"
_ACKNOWLEDGE = """
insert into acknowledgement (tweet_id, user_id, acknowledged_at) values ($1, $2, $3)
on conflict do nothing
"""
_END = """
update announcement set ended_at = $2 where tweet_id = $1 and ended_at is null returning tweet_id
"""
_SET_REMINDED = "update announcement set reminded_at = $2 where tweet_id = $1"
# $1 the tweet, $2 the id behind which the page begins, $3 the limit.
_DONE = """
select user_id as id, coalesce(name, '') as name, acknowledged_at
from acknowledgement left join person on person.id = user_id
where tweet_id = $1 and user_id > $2 order by user_id limit $3
"""
# A person of version 0 is a placeholder, whose name has not arrived.
_MISSING = """
select id, name, null::timestamptz as acknowledged_at
from person
where id > $2 and active and version > 0
    and id <> (select author_id from announcement where tweet_id = $1)
    and not exists (select from acknowledgement where tweet_id = $1 and user_id = person.id)
order by id limit $3
"""
_COUNT = """
select
    (select count(*) from acknowledgement where tweet_id = $1) as done,
    (select count(*) from person
        where active and version > 0
            and id <> (select author_id from announcement where tweet_id = $1)
            and not exists (
                select from acknowledgement where tweet_id = $1 and user_id = person.id
            )
    ) as missing
"""


@dataclass(frozen=True)
class NewAnnouncement:
    tweet: NewTweet
    until: datetime
    acknowledge: bool


class Counts(NamedTuple):
    done: int
    missing: int


async def announce(
    session: AnySession, author_id: int, new: NewAnnouncement, draft_id: str | None
) -> Posted:
    """Posts a tweet and makes it an announcement. A draft that is posted again gives its first one.

    Raises AnnouncementPeriodNotAccepted, and what `commands.post_tweet` raises.
    """
    now = clock.now()
    if not now < new.until <= now + timedelta(days=MAX_DAYS):
        raise AnnouncementPeriodNotAccepted(MAX_DAYS)
    posted = await commands.post_tweet(session, author_id, new.tweet, draft_id)
    if await fetch(session, _INSERT, posted.tweet_id, author_id, now, new.until, new.acknowledge):
        event = AnnouncementPosted(tweet_id=posted.tweet_id, author_id=author_id)
        await outbox.record(session, event)
    return posted


async def in_force(session: AnySession, reader_id: int) -> Sequence[Record]:
    """The announcements that are in force, the newest first."""
    return await fetch(session, _IN_FORCE, reader_id, clock.now(), MAX_LISTED)


async def acknowledge(session: AnySession, tweet_id: int, user_id: int) -> None:
    """Idempotent. Raises AnnouncementNotFound."""
    if not await fetch(session, _FIND, tweet_id):
        raise AnnouncementNotFound
    await fetch(session, _ACKNOWLEDGE, tweet_id, user_id, clock.now())


async def end(session: AnySession, tweet_id: int, caller: Identity | None) -> None:
    """Idempotent. An operator at the console has no identity.

    Raises AnnouncementNotFound and NotYourAnnouncement.
    """
    announcement = await _lock(session, tweet_id, caller)
    if await fetch(session, _END, tweet_id, clock.now()):
        await _record_act(session, "announcement_ended", announcement, caller)


async def remind(session: AnySession, tweet_id: int, caller: Identity | None) -> int:
    """Reminds those who have not confirmed. Returns how many.

    Raises AnnouncementNotFound, NotYourAnnouncement, NothingToAcknowledge, AnnouncementEnded and
    RemindedRecently.
    """
    announcement = await _lock(session, tweet_id, caller)
    now = clock.now()
    if not announcement["acknowledge"]:
        raise NothingToAcknowledge
    if announcement["ended_at"] is not None or announcement["until"] <= now:
        raise AnnouncementEnded
    reminded_at = announcement["reminded_at"]
    if reminded_at is not None and now < reminded_at + REMINDER_INTERVAL:
        raise RemindedRecently
    await fetch(session, _SET_REMINDED, tweet_id, now)
    await _record_act(session, "announcement_reminded", announcement, caller)
    people = [row["id"] for row in await fetch(session, _MISSING, tweet_id, 0, None)]
    for start in range(0, len(people), REMINDED_BATCH):
        event = AnnouncementReminded(
            tweet_id=tweet_id,
            author_id=announcement["author_id"],
            user_ids=people[start : start + REMINDED_BATCH],
        )
        await outbox.record(session, event)
    return len(people)


async def acknowledgements(
    session: AnySession,
    tweet_id: int,
    caller: Identity,
    *,
    missing: bool,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Record], str | None, Counts]:
    """A page of the people who have confirmed, or of those who have not, by id.

    Raises AnnouncementNotFound, NotYourAnnouncement, and InvalidRequest for an invalid cursor.
    """
    (behind,) = paging.decode(cursor, 1) if cursor is not None else (0,)
    await _find(session, tweet_id, caller)
    rows = await fetch(session, _MISSING if missing else _DONE, tweet_id, behind, limit)
    next_cursor = paging.encode(rows[-1]["id"]) if len(rows) == limit else None
    return rows, next_cursor, await _counts(session, tweet_id)


async def everybody(
    session: AnySession, tweet_id: int, caller: Identity | None
) -> tuple[Sequence[Record], Sequence[Record]]:
    """All who have confirmed, and all who have not.

    Raises AnnouncementNotFound and NotYourAnnouncement.
    """
    await _find(session, tweet_id, caller)
    done = await fetch(session, _DONE, tweet_id, 0, None)
    return done, await fetch(session, _MISSING, tweet_id, 0, None)


async def _counts(session: AnySession, tweet_id: int) -> Counts:
    (row,) = await fetch(session, _COUNT, tweet_id)
    return Counts(row["done"], row["missing"])


async def _find(session: AnySession, tweet_id: int, caller: Identity | None) -> Record:
    return _owned(await fetch(session, _FIND, tweet_id), caller)


async def _lock(session: AnySession, tweet_id: int, caller: Identity | None) -> Record:
    return _owned(await fetch(session, _LOCK, tweet_id), caller)


def _owned(found: Sequence[Record], caller: Identity | None) -> Record:
    if not found:
        raise AnnouncementNotFound
    if caller and found[0]["author_id"] != caller.user_id and not caller.administrator:
        raise NotYourAnnouncement
    return found[0]


async def _record_act(
    session: AnySession,
    action: Literal["announcement_ended", "announcement_reminded"],
    announcement: Record,
    caller: Identity | None,
) -> None:
    """The audit log has what others than the author did."""
    actor_id = caller.user_id if caller else None
    if actor_id == announcement["author_id"]:
        return
    event = ModerationActed(
        actor_id=actor_id,
        action=action,
        subject_id=announcement["author_id"],
        object_id=announcement["tweet_id"],
    )
    await outbox.record(session, event)


def as_csv(people: Iterable[Record]) -> str:
    """One line for each person, with the moment of the confirmation if there is one."""
    lines = io.StringIO()
    # Spreadsheets take a file without the mark for the encoding of the computer.
    lines.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    table = csv.writer(lines)
    table.writerow(["id", "name", "acknowledged_at"])
    for person in people:
        moment = person["acknowledged_at"]
        table.writerow([person["id"], _inert(person["name"]), moment.isoformat() if moment else ""])
    return lines.getvalue()


def _inert(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
