"""Deleting a tweet."""

from chassis.database.session import AnySession, fetch
from chassis.messaging import outbox

from ..errors import NotTheAuthor, TweetNotFound
from ..events import ThreadPlace, TweetDeleted

_LOCK_TWEET = """
select author_id, parent_id, root_id, depth, ancestors, self_replies from tweet
where id = $1 and deleted_at is null for update
"""
_DELETE = "update tweet set deleted_at = now(), content = '' where id = $1"
_CLOSE_MEDIA = "update media set closed = true where tweet_id = $1 returning id"


async def delete_tweet(session: AnySession, tweet_id: int, caller_id: int) -> None:
    """Raises TweetNotFound and NotTheAuthor."""
    rows = await fetch(session, _LOCK_TWEET, tweet_id)
    if not rows:
        raise TweetNotFound
    (tweet,) = rows
    if tweet["author_id"] != caller_id:
        raise NotTheAuthor
    await fetch(session, _DELETE, tweet_id)
    closed = await fetch(session, _CLOSE_MEDIA, tweet_id)
    event = TweetDeleted(
        tweet_id=tweet_id,
        author_id=caller_id,
        media_ids=[media["id"] for media in closed],
        thread=ThreadPlace(**tweet) if tweet["parent_id"] is not None else None,
    )
    await outbox.record(session, event)
