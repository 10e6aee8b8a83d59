"""Likes."""

from chassis.database.session import AnySession, fetch
from chassis.messaging import outbox

from ..errors import TweetNotFound
from ..events import TweetLiked, TweetUnliked

# Both statements lock the like, and keep the tweet from being deleted until it is committed. They
# return the version of the like, null if there is none, and whether the tweet exists. A hidden
# tweet gets no likes; those that it has can be taken back. $3 to $6 are the event, see
# `outbox.values`.
_RECORD_CHANGE = """
event as (
    insert into outbox (id, routing_key, payload, request_id, traceparent)
    overriding system value
    select version, $3, $4::text::jsonb, $5, $6 from set_like where is_changed
)
select (select version from set_like) as version, exists (select from tweet) as tweet_exists
"""
_LIKE = f"""
with tweet as (
    select id from tweet
    where id = $1 and deleted_at is null and hidden_at is null for key share
), set_like as (
    insert into tweet_like (tweet_id, user_id, active, version)
    select id, $2, true, nextval('outbox_id_seq') from tweet
    on conflict (tweet_id, user_id) do update set active = true, version =
        case when tweet_like.active then tweet_like.version else nextval('outbox_id_seq') end
    returning new.version, old.active is not true as is_changed
), {_RECORD_CHANGE.strip()}
"""  # noqa: S608  only constants are inserted
_UNLIKE = f"""
with tweet as (
    select id from tweet where id = $1 and deleted_at is null for key share
), set_like as (
    update tweet_like set active = false, version =
        case when active then nextval('outbox_id_seq') else version end
    from tweet where tweet_id = tweet.id and user_id = $2
    returning new.version, old.active as is_changed
), {_RECORD_CHANGE.strip()}
"""  # noqa: S608  only constants are inserted


async def like_tweet(session: AnySession, tweet_id: int, user_id: int) -> None:
    """Idempotent. Raises TweetNotFound."""
    await _set_like(session, _LIKE, TweetLiked(tweet_id=tweet_id, user_id=user_id))


async def unlike_tweet(session: AnySession, tweet_id: int, user_id: int) -> None:
    """Idempotent. Raises TweetNotFound."""
    await _set_like(session, _UNLIKE, TweetUnliked(tweet_id=tweet_id, user_id=user_id))


async def _set_like(session: AnySession, statement: str, event: TweetLiked | TweetUnliked) -> None:
    ((version, tweet_exists),) = await fetch(
        session, statement, event.tweet_id, event.user_id, *outbox.values(event)
    )
    if not tweet_exists:
        raise TweetNotFound
    if version is not None:
        outbox.name_in_response(session, version)
