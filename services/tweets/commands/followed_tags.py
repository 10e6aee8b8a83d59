"""Hashtags that a person follows."""

from chassis.database.session import AnySession, fetch
from chassis.messaging import outbox

from ..errors import TooManyTags
from ..events import TagFollowed, TagUnfollowed

MAX_FOLLOWED_TAGS = 100
"""How many hashtags a person can follow. Each costs a little at every read of the feed."""

# Both statements lock the follow until the transaction ends. They return it before the change:
# version 0 if there has never been one. The first one also inserts an inactive follow then.
_LOCK_TAG_FOLLOW_OR_INSERT = """
insert into tag_follow (user_id, tag, active, version) values ($1, $2, false, 0)
on conflict (user_id, tag) do update set active = tag_follow.active
returning active, version
"""
_LOCK_TAG_FOLLOW = """
select active, version from tag_follow where user_id = $1 and tag = $2 for update
"""
_COUNT_TAGS = "select count(*) as tags from tag_follow where user_id = $1 and active"
_SET_TAG_FOLLOW = "update tag_follow set active = $3, version = $4 where user_id = $1 and tag = $2"


async def follow_tag(session: AnySession, user_id: int, tag: str) -> None:
    """Idempotent. `tag` is folded. Raises TooManyTags."""
    await _set_tag_follow(session, TagFollowed(user_id=user_id, tag=tag))


async def unfollow_tag(session: AnySession, user_id: int, tag: str) -> None:
    """Idempotent. `tag` is folded."""
    await _set_tag_follow(session, TagUnfollowed(user_id=user_id, tag=tag))


async def _set_tag_follow(session: AnySession, event: TagFollowed | TagUnfollowed) -> None:
    active = isinstance(event, TagFollowed)
    lock_statement = _LOCK_TAG_FOLLOW_OR_INSERT if active else _LOCK_TAG_FOLLOW
    rows = await fetch(session, lock_statement, event.user_id, event.tag)
    if not rows:
        return
    (follow,) = rows
    if follow["active"] != active:
        if active:
            (counted,) = await fetch(session, _COUNT_TAGS, event.user_id)
            if counted["tags"] >= MAX_FOLLOWED_TAGS:
                raise TooManyTags(limit=MAX_FOLLOWED_TAGS)
        version = await outbox.record(session, event)
        await fetch(session, _SET_TAG_FOLLOW, event.user_id, event.tag, active, version)
    elif follow["version"]:
        outbox.name_in_response(session, follow["version"])
