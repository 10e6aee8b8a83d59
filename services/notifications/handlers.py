"""Applies the events of users, tweets and media to the tables of the projection.

Events arrive in any order and several times, as in every projection: docs/adr/0004. So every
handler commutes with all others, by the same three means as those of the feed: versions, tombstones
and placeholders. Only `seq` tells in which order the events arrived.

The transaction of a handler locks the positions before anything else, so all handlers of all
workers run one after another, and no row needs another lock.

`notification_group` is not written here: triggers derive it from the rows of `notification`.
"""

import json
from collections.abc import Sequence

from chassis.database.session import AnySession, fetch
from chassis.messaging.subscriptions import Subscriptions
from chassis.privacy import erasure

from . import announcements, moderation, positions
from .events import (
    AnnouncementPosted,
    AnnouncementReminded,
    KeyCreated,
    PersonPictured,
    ReportClosed,
    SessionCreated,
    TagFollowed,
    TagUnfollowed,
    TweetDeleted,
    TweetHidden,
    TweetLiked,
    TweetPosted,
    TweetRestored,
    TweetUnliked,
    UserDeactivated,
    UserErased,
    UserFollowed,
    UserReactivated,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)
from .likes import set_likes
from .shared_sql import storing
from .tweets import delete_tweets, insert_tweets

subscriptions = Subscriptions("notifications", sources=("users", "tweets", "media"))

# `distinct on`: one insert cannot change the same row twice.
_SET_NAMES = """
insert into person (id, name, version, registered_at)
select distinct on (id) id, name, version, max(registered_at) over (partition by id)
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::timestamptz[])
    as event (id, name, version, registered_at)
order by id, version desc
on conflict (id) do update set
    name = case
        when person.version < excluded.version then excluded.name else person.name
    end,
    version = greatest(person.version, excluded.version),
    registered_at = coalesce(person.registered_at, excluded.registered_at)
where person.version < excluded.version
    or person.registered_at is null and excluded.registered_at is not null
returning new.id, new.registered_at is not null and old.registered_at is null as is_new
"""
# Of `person_to_hide` and `person_to_show` the person is in the one that the latest event asks for.
_SET_HIDDEN = """
with changed as (
    insert into person (id, name, version, hidden, hidden_version) values ($1, '', 0, $2, $3)
    on conflict (id)
    do update set hidden = excluded.hidden, hidden_version = excluded.hidden_version
    where person.hidden_version < excluded.hidden_version
    returning id, hidden
), to_hide as (
    insert into person_to_hide (user_id) select id from changed where hidden on conflict do nothing
), to_show as (
    insert into person_to_show (user_id) select id from changed where not hidden
    on conflict do nothing
), not_to_hide as (
    delete from person_to_hide using changed where user_id = id and not hidden
)
delete from person_to_show using changed where user_id = id and hidden
"""
_SET_PICTURE = """
insert into person (id, name, version, picture, picture_version)
select $1, '', 0, $2, $3 where not exists (select from erasure where user_id = $1)
on conflict (id)
do update set picture = excluded.picture, picture_version = excluded.picture_version
where person.picture_version < excluded.picture_version
"""
_DELETE_PICTURE = "update person set picture = null, picture_version = 0 where id = $1"
_SET_FOLLOWS = storing(
    """
event as (
    select distinct on (follower_id, followed_id) *
    from json_to_recordset($1::json) as event (
        follower_id bigint, followed_id bigint, active boolean, version bigint,
        occurred_at timestamptz
    )
    where not exists (select from erasure where user_id in (follower_id, followed_id))
    order by follower_id, followed_id, version desc
), incoming as (
    select
        'follow' as family, 'follow' as kind, 0::bigint as subject_id, followed_id as recipient_id,
        follower_id as actor_id, 0::bigint as group_subject_id, null::bigint as root_id,
        active, version, occurred_at
    from event
)
""",
    result="""
insert into follow (follower_id, followed_id, active, version)
select follower_id, followed_id, active, version from event
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
""",
)
_SET_TAG_FOLLOW = """
insert into tag_follow (user_id, tag, active, version)
select $1, $2, $3, $4 where not exists (select from erasure where user_id = $1)
on conflict (user_id, tag) do update set active = excluded.active, version = excluded.version
where tag_follow.version < excluded.version
"""
_STORE_SECURITY = storing("""
incoming as (
    select
        'security' as family, 'security' as kind, $1::bigint as subject_id,
        $2::bigint as recipient_id, 0::bigint as actor_id, $1::bigint as group_subject_id,
        null::bigint as root_id, true as active, $3::bigint as version,
        $4::timestamptz as occurred_at
    where not exists (select from erasure where user_id = $2)
)
""")


@subscriptions.on(UserRegistered)
async def on_user_registered(session: AnySession, event: UserRegistered, version: int) -> None:
    await set_names(session, [(event, version)])


@subscriptions.on(UserRenamed)
async def on_user_renamed(session: AnySession, event: UserRenamed, version: int) -> None:
    await set_names(session, [(event, version)])


async def set_names(
    session: AnySession, events: Sequence[tuple[UserRegistered | UserRenamed, int]]
) -> None:
    await positions.lock(session)
    rows = (
        (
            event.user_id,
            event.name,
            version,
            event.occurred_at if isinstance(event, UserRegistered) else None,
        )
        for event, version in events
    )
    changed = await fetch(session, _SET_NAMES, *zip(*rows, strict=True))
    if newcomers := [row["id"] for row in changed if row["is_new"]]:
        await announcements.notify_newcomers(session, newcomers)


@subscriptions.on(UserDeactivated)
async def on_user_deactivated(session: AnySession, event: UserDeactivated, version: int) -> None:
    await _set_hidden(session, event, version, hidden=True)


@subscriptions.on(UserReactivated)
async def on_user_reactivated(session: AnySession, event: UserReactivated, version: int) -> None:
    await _set_hidden(session, event, version, hidden=False)


async def _set_hidden(
    session: AnySession,
    event: UserDeactivated | UserReactivated | UserErased,
    version: int,
    *,
    hidden: bool,
) -> None:
    # The worker hides or shows what the person did: see `privacy.eraser`.
    await positions.lock(session)
    await fetch(session, _SET_HIDDEN, event.user_id, hidden, version)


@subscriptions.on(UserErased)
async def on_user_erased(session: AnySession, event: UserErased, version: int) -> None:
    # Names of late events have older versions than this empty one.
    await positions.lock(session)
    await fetch(session, _SET_NAMES, [event.user_id], [""], [version], [None])
    await _set_hidden(session, event, version, hidden=True)
    await fetch(session, _DELETE_PICTURE, event.user_id)
    await erasure.mark_erased(session, event.user_id)


@subscriptions.on(PersonPictured)
async def on_person_pictured(session: AnySession, event: PersonPictured, version: int) -> None:
    await positions.lock(session)
    picture = event.picture and event.picture.model_dump_json()
    await fetch(session, _SET_PICTURE, event.user_id, picture, version)


@subscriptions.on_many(UserFollowed, UserUnfollowed)
async def set_follows(
    session: AnySession, events: Sequence[tuple[UserFollowed | UserUnfollowed, int]]
) -> None:
    rows = [
        {
            "follower_id": event.follower_id,
            "followed_id": event.followed_id,
            "active": isinstance(event, UserFollowed),
            "version": version,
            "occurred_at": event.occurred_at.isoformat(),
        }
        for event, version in events
    ]
    await positions.lock(session)
    await fetch(session, _SET_FOLLOWS, json.dumps(rows))


@subscriptions.on(KeyCreated)
async def on_key_created(session: AnySession, event: KeyCreated, version: int) -> None:
    await _store_security(session, event.key_id, event, version)


@subscriptions.on(SessionCreated)
async def on_session_created(session: AnySession, event: SessionCreated, version: int) -> None:
    # Keys and sessions are numbered independently; the sign keeps them apart.
    await _store_security(session, -event.session_id, event, version)


async def _store_security(
    session: AnySession, subject_id: int, event: KeyCreated | SessionCreated, version: int
) -> None:
    await positions.lock(session)
    await fetch(session, _STORE_SECURITY, subject_id, event.user_id, version, event.occurred_at)


@subscriptions.on(TagFollowed)
async def on_tag_followed(session: AnySession, event: TagFollowed, version: int) -> None:
    await _set_tag_follow(session, event, version, active=True)


@subscriptions.on(TagUnfollowed)
async def on_tag_unfollowed(session: AnySession, event: TagUnfollowed, version: int) -> None:
    await _set_tag_follow(session, event, version, active=False)


async def _set_tag_follow(
    session: AnySession, event: TagFollowed | TagUnfollowed, version: int, *, active: bool
) -> None:
    await positions.lock(session)
    await fetch(session, _SET_TAG_FOLLOW, event.user_id, event.tag, active, version)


subscriptions.on_many(TweetPosted)(insert_tweets)


@subscriptions.on(TweetDeleted)
async def on_tweet_deleted(session: AnySession, event: TweetDeleted, version: int) -> None:
    await delete_tweets(session, [(event, version)])


@subscriptions.on(TweetHidden)
async def on_tweet_hidden(session: AnySession, event: TweetHidden, version: int) -> None:
    await moderation.tell_author(session, event, version)


@subscriptions.on(TweetRestored)
async def on_tweet_restored(session: AnySession, event: TweetRestored, version: int) -> None:
    await moderation.tell_author(session, event, version)


@subscriptions.on(ReportClosed)
async def on_report_closed(session: AnySession, event: ReportClosed, version: int) -> None:
    await moderation.tell_reporter(session, event, version)


@subscriptions.on(AnnouncementPosted)
async def on_announcement_posted(
    session: AnySession, event: AnnouncementPosted, version: int
) -> None:
    await announcements.announce(session, event, version)


@subscriptions.on(AnnouncementReminded)
async def on_announcement_reminded(
    session: AnySession, event: AnnouncementReminded, version: int
) -> None:
    await announcements.remind(session, event, version)


subscriptions.on_many(TweetLiked, TweetUnliked)(set_likes)
