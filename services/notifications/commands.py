"""What people decide about their notifications: what they have seen, and their settings.

A command runs in the transaction of its caller, who commits. A command that may change the badge
appends a notice, so that all devices of the person learn of it. It locks the positions before it
changes a row: see `positions`.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from chassis.database.session import AnySession, fetch

from . import positions
from .errors import (
    CannotWatchYourself,
    NotificationNotFound,
    TooManyThreads,
    TooManyWatched,
    UserNotFound,
)
from .kinds import DEFAULT_DELIVERY, Delivery, Kind, Source

MAX_THREADS = 1_000
"""How many threads a person may follow and mute, together."""
MAX_WATCHED = 1_000

_SEEN = "select seq from seen where user_id = $1"
# A marker beyond the last position would hide notifications that are still to come.
_MOVE_MARKER = """
insert into seen (user_id, seq) select $1, least($2, position) from position
on conflict (user_id) do update set seq = excluded.seq where seen.seq < excluded.seq
returning seq
"""
_GROUP = """
select newest_seq > read_seq as unread from notification_group
where recipient_id = $1 and kind = $2 and subject_id = $3 and day = $4
"""
_MARK_READ = """
update notification_group set read_seq = newest_seq
where recipient_id = $1 and kind = $2 and subject_id = $3 and day = $4
"""
_SET_PREFERENCE = """
insert into preference (user_id, kind, delivery, source)
values ($1, $2, coalesce($3, $5), coalesce($4, 'everyone'))
on conflict (user_id, kind) do update set
    delivery = coalesce($3, preference.delivery), source = coalesce($4, preference.source)
"""
_COUNT_THREADS = """
select count(*) as count from thread_preference where user_id = $1 and root_id <> $2
"""
_SET_THREAD = """
insert into thread_preference (user_id, root_id, state, mute_mentions) values ($1, $2, $3, $4)
on conflict (user_id, root_id) do update set
    state = excluded.state, mute_mentions = excluded.mute_mentions,
    since = case
        when thread_preference.state = excluded.state then thread_preference.since
        else excluded.since
    end
where (thread_preference.state, thread_preference.mute_mentions)
    <> (excluded.state, excluded.mute_mentions)
returning 1
"""
_FORGET_THREAD = """
delete from thread_preference where user_id = $1 and root_id = $2 and state = $3 returning 1
"""
_IS_PERSON = "select from person where id = $1 and not hidden and name <> ''"
_COUNT_WATCHED = "select count(*) as count from watch where user_id = $1 and watched_id <> $2"
_WATCH = """
insert into watch (user_id, watched_id) values ($1, $2) on conflict do nothing
"""
_UNWATCH = "delete from watch where user_id = $1 and watched_id = $2"


class GroupId(NamedTuple):
    """What identifies a group of a person's notifications. The API writes `like:31:2026-11-29`."""

    kind: Kind
    subject_id: int
    """The id of a session has a minus: keys and sessions are both of the kind `security`."""
    day: date


class Preference(NamedTuple):
    """A change of a kind's settings. None: it stays as it is."""

    delivery: Delivery | None
    source: Source | None


async def mark_seen(session: AnySession, user_id: int, seq: int) -> None:
    """Moves the person's marker forward, to the last notification at most; never backward."""
    rows = await fetch(session, _SEEN, user_id)
    if seq <= (rows[0]["seq"] if rows else 0):
        return
    await positions.lock(session)
    if await fetch(session, _MOVE_MARKER, user_id, seq):
        await positions.append_unread_notice(session, user_id)


async def mark_read(session: AnySession, user_id: int, group: GroupId) -> None:
    """Marks a group as read. Idempotent; raises NotificationNotFound."""
    rows = await fetch(session, _GROUP, user_id, *group)
    if not rows:
        raise NotificationNotFound
    if rows[0]["unread"]:
        await positions.lock(session)
        await fetch(session, _MARK_READ, user_id, *group)
        await positions.append_unread_notice(session, user_id)


async def change_preferences(
    session: AnySession, user_id: int, changes: Mapping[Kind, Preference]
) -> None:
    if not changes:
        return
    await positions.lock(session)
    for kind, change in changes.items():
        await fetch(session, _SET_PREFERENCE, user_id, kind, *change, DEFAULT_DELIVERY[kind])
    await positions.append_unread_notice(session, user_id)


async def mute_thread(session: AnySession, user_id: int, thread_id: int, *, mentions: bool) -> None:
    """Hides the notifications of a thread. Mentions still pass, unless `mentions` is true.

    Idempotent; raises TooManyThreads.
    """
    await _set_thread(session, user_id, thread_id, "muted", mute_mentions=mentions)


async def unmute_thread(session: AnySession, user_id: int, thread_id: int) -> None:
    """Idempotent."""
    await _forget_thread(session, user_id, thread_id, "muted")


async def follow_thread(session: AnySession, user_id: int, thread_id: int) -> None:
    """A muted thread is no longer muted. Idempotent; raises TooManyThreads."""
    await _set_thread(session, user_id, thread_id, "followed", mute_mentions=False)


async def unfollow_thread(session: AnySession, user_id: int, thread_id: int) -> None:
    """Idempotent."""
    await _forget_thread(session, user_id, thread_id, "followed")


async def _set_thread(
    session: AnySession, user_id: int, thread_id: int, state: str, *, mute_mentions: bool
) -> None:
    # The lock also makes concurrent requests count one after another.
    await positions.lock(session)
    (counted,) = await fetch(session, _COUNT_THREADS, user_id, thread_id)
    if counted["count"] >= MAX_THREADS:
        raise TooManyThreads(limit=MAX_THREADS)
    if await fetch(session, _SET_THREAD, user_id, thread_id, state, mute_mentions):
        await positions.append_unread_notice(session, user_id)


async def _forget_thread(session: AnySession, user_id: int, thread_id: int, state: str) -> None:
    await positions.lock(session)
    if await fetch(session, _FORGET_THREAD, user_id, thread_id, state):
        await positions.append_unread_notice(session, user_id)


async def watch(session: AnySession, user_id: int, watched_id: int) -> None:
    """Notifies the person of new tweets of somebody else. Idempotent.

    Raises CannotWatchYourself, UserNotFound and TooManyWatched.
    """
    if user_id == watched_id:
        raise CannotWatchYourself
    if not await fetch(session, _IS_PERSON, watched_id):
        raise UserNotFound
    (counted,) = await fetch(session, _COUNT_WATCHED, user_id, watched_id)
    if counted["count"] >= MAX_WATCHED:
        raise TooManyWatched(limit=MAX_WATCHED)
    await fetch(session, _WATCH, user_id, watched_id)


async def unwatch(session: AnySession, user_id: int, watched_id: int) -> None:
    """Idempotent, also for somebody who has left or does not exist."""
    await fetch(session, _UNWATCH, user_id, watched_id)
