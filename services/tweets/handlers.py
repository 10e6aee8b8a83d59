"""Reactions to events of other services: they keep the copies of names, follows and pictures.

The handlers commute: an event that arrives twice or late changes nothing that matters. A picture's
record is inserted only once. Names, follows, and whether a person is active have versions. An
erased person's tombstone stops events that arrive after it.
"""

from collections.abc import Sequence

from chassis import plain_text
from chassis.database.session import AnySession, fetch
from chassis.messaging import outbox
from chassis.messaging.subscriptions import Subscriptions
from chassis.privacy import erasure

from . import attachments
from .events import (
    MediaExpired,
    MediaReleased,
    MediaUploaded,
    UserDeactivated,
    UserErased,
    UserFollowed,
    UserReactivated,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)
from .models import Media

subscriptions = Subscriptions("tweets", sources=("users", "media"))

_SET_NAME = """
insert into person (id, name, folded, version) values ($1, $2, $3, $4)
on conflict (id)
do update set name = excluded.name, folded = excluded.folded, version = excluded.version
where person.version < excluded.version
"""
_SET_ACTIVE = """
insert into person (id, name, folded, version, active, active_version)
values ($1, '', '', 0, $2, $3)
on conflict (id)
do update set active = excluded.active, active_version = excluded.active_version
where person.active_version < excluded.active_version
"""
_DELETE_PERSON = "delete from person where id = $1"
# `distinct on`: one insert cannot change the same row twice.
_SET_FOLLOWS = """
insert into follow (follower_id, followed_id, active, version)
select distinct on (follower_id, followed_id) follower_id, followed_id, active, version
from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
    as event (follower_id, followed_id, active, version)
where not exists (select from erasure where user_id in (follower_id, followed_id))
order by follower_id, followed_id, version desc
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
"""
_CLOSE_UNATTACHED = """
update media set closed = true where id = $1 and tweet_id is null returning id
"""


@subscriptions.on(UserRegistered)
async def on_user_registered(session: AnySession, event: UserRegistered, version: int) -> None:
    await _set_name(session, event, version)


@subscriptions.on(UserRenamed)
async def on_user_renamed(session: AnySession, event: UserRenamed, version: int) -> None:
    await _set_name(session, event, version)


async def _set_name(session: AnySession, event: UserRegistered | UserRenamed, version: int) -> None:
    if not await erasure.is_erased(session, event.user_id):
        folded = plain_text.fold(event.name)
        await fetch(session, _SET_NAME, event.user_id, event.name, folded, version)


@subscriptions.on(UserDeactivated)
async def on_user_deactivated(session: AnySession, event: UserDeactivated, version: int) -> None:
    await _set_active(session, event, version, active=False)


@subscriptions.on(UserReactivated)
async def on_user_reactivated(session: AnySession, event: UserReactivated, version: int) -> None:
    await _set_active(session, event, version, active=True)


async def _set_active(
    session: AnySession, event: UserDeactivated | UserReactivated, version: int, *, active: bool
) -> None:
    if not await erasure.is_erased(session, event.user_id):
        await fetch(session, _SET_ACTIVE, event.user_id, active, version)


@subscriptions.on(UserErased)
async def on_user_erased(session: AnySession, event: UserErased, version: int) -> None:
    await erasure.mark_erased(session, event.user_id)
    await fetch(session, _DELETE_PERSON, event.user_id)


@subscriptions.on_many(UserFollowed, UserUnfollowed)
async def set_follows(
    session: AnySession, events: Sequence[tuple[UserFollowed | UserUnfollowed, int]]
) -> None:
    """Applies follows and their ends, in any order."""
    rows = (
        (event.follower_id, event.followed_id, isinstance(event, UserFollowed), version)
        for event, version in events
    )
    await fetch(session, _SET_FOLLOWS, *zip(*rows, strict=True))


@subscriptions.on(MediaUploaded)
async def on_media_uploaded(session: AnySession, event: MediaUploaded, version: int) -> None:
    if await erasure.is_erased(session, event.owner_id):
        return
    record = event.model_dump(exclude={"media_id"})
    await attachments.store_record(session, Media(id=event.media_id, **record))


@subscriptions.on(MediaExpired)
async def on_media_expired(session: AnySession, event: MediaExpired, version: int) -> None:
    """Hands a picture back to media, which deletes it, unless a tweet has the picture.

    Media publishes this event about every picture once it is a day old. `closed` is set under the
    row's lock, so either a tweet attaches the picture first and it stays, or it is closed first and
    the tweet is refused. The record is inserted if the event of the upload has not arrived yet:
    a later one then cannot make the picture available again.
    """
    if await erasure.is_erased(session, event.owner_id):
        return
    await attachments.store_record(
        session, Media(id=event.media_id, owner_id=event.owner_id, path=event.path)
    )
    if await fetch(session, _CLOSE_UNATTACHED, event.media_id):
        await outbox.record(session, MediaReleased(media_id=event.media_id))
