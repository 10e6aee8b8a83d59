"""Stores announcements as notifications.

An announcement notifies everybody who was registered at that moment. The event of a registration
may arrive after the announcement, so `person` has the time of the registration, and the table
`announcement` the time of each announcement: whichever arrives last finds the other. So the rows do
not depend on the order of the events.

A reminder is the same row with a new version. Unlike other notifications it gets a new `seq`, so
that it comes to the top of the list again, and is unread: see `shared_sql`.
"""

from collections.abc import Sequence

from chassis.database.session import AnySession, fetch

from . import positions
from .events import AnnouncementPosted, AnnouncementReminded
from .shared_sql import storing

_ROWS = """
    select
        'announcement' as family, 'announcement' as kind, announcement.tweet_id as subject_id,
        person.id as recipient_id, author_id as actor_id,
        announcement.tweet_id as group_subject_id, null::bigint as root_id, true as active,
        announcement.version, occurred_at
    from announcement join person on registered_at <= occurred_at and person.id <> author_id
    where not exists (select from erasure where user_id = person.id)
        and not exists (select from tweet where tweet.id = announcement.tweet_id and deleted)
"""
_INSERT = """
insert into announcement (tweet_id, author_id, version, occurred_at)
select $1, $2, $3, $4 where not exists (select from erasure where user_id = $2)
on conflict do nothing
"""
_NOTIFY_EVERYBODY = storing(f"incoming as ({_ROWS} and announcement.tweet_id = $1::bigint)")
_NOTIFY_NEWCOMERS = storing(f"incoming as ({_ROWS} and person.id = any($1::bigint[]))")
_REMIND = storing("""
incoming as (
    select
        'announcement' as family, 'announcement' as kind, $1::bigint as subject_id,
        recipient_id, $2::bigint as actor_id, $1::bigint as group_subject_id,
        null::bigint as root_id, true as active, $3::bigint as version,
        $4::timestamptz as occurred_at
    from unnest($5::bigint[]) as recipient_id
    where not exists (select from erasure where user_id in (recipient_id, $2))
        and not exists (select from tweet where id = $1 and deleted)
)
""")


async def announce(session: AnySession, event: AnnouncementPosted, version: int) -> None:
    """Notifies everybody who was registered."""
    await positions.lock(session)
    await fetch(session, _INSERT, event.tweet_id, event.author_id, version, event.occurred_at)
    await fetch(session, _NOTIFY_EVERYBODY, event.tweet_id)


async def notify_newcomers(session: AnySession, user_ids: Sequence[int]) -> None:
    """Notifies people whose registrations have just arrived of announcements that came later."""
    await fetch(session, _NOTIFY_NEWCOMERS, user_ids)


async def remind(session: AnySession, event: AnnouncementReminded, version: int) -> None:
    """Notifies these people again."""
    await positions.lock(session)
    await fetch(
        session,
        _REMIND,
        event.tweet_id,
        event.author_id,
        version,
        event.occurred_at,
        event.user_ids,
    )
