"""Following and unfollowing.

Both people's rows are locked before the event is recorded. So changes to one follow are made one
after another, and the ids of their events, which are the follow's versions, grow in the same order.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.messaging import outbox

from ..errors import CannotFollowYourself, UserNotFound
from ..events import UserFollowed, UserUnfollowed
from ..models import Follow, Person
from .locks import lock_pair


async def follow(session: AsyncSession, follower_id: int, followed_id: int) -> None:
    """Idempotent. Raises CannotFollowYourself, and UserNotFound about either person."""
    if follower_id == followed_id:
        raise CannotFollowYourself
    people = await lock_pair(session, follower_id, followed_id)
    for user_id in (follower_id, followed_id):
        if people[user_id].deactivated_at is not None:
            raise UserNotFound(user_id)
    event = UserFollowed(follower_id=follower_id, followed_id=followed_id)
    await _set_follow(session, event, people)


async def unfollow(session: AsyncSession, follower_id: int, followed_id: int) -> None:
    """Idempotent, also for a followed person who is deactivated. Raises UserNotFound."""
    people = await lock_pair(session, follower_id, followed_id)
    if people[follower_id].deactivated_at is not None:
        raise UserNotFound(follower_id)
    event = UserUnfollowed(follower_id=follower_id, followed_id=followed_id)
    await _set_follow(session, event, people)


async def _set_follow(
    session: AsyncSession, event: UserFollowed | UserUnfollowed, people: dict[int, Person]
) -> None:
    active = isinstance(event, UserFollowed)
    existing = await session.get(Follow, (event.follower_id, event.followed_id))
    if existing is None and not active:
        return
    if existing is not None and existing.active == active:
        outbox.name_in_response(session, existing.version)
        return
    version = await outbox.record(session, event)
    session.add(existing or Follow(**event.model_dump(), active=active, version=version))
    if existing is not None:
        existing.active, existing.version = active, version
    change = 1 if active else -1
    people[event.follower_id].following_count += change
    people[event.followed_id].follower_count += change
