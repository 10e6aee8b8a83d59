"""Who follows whom."""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import outbox

from ..errors import CannotFollowYourself, UserNotFound
from ..events import UserFollowed, UserUnfollowed
from ..models import Follow, Person
from .locks import locked_pair


async def follow(session: AsyncSession, follower_id: int, followed_id: int) -> None:
    """Idempotent. Raises UserNotFound for either person, CannotFollowYourself."""
    if follower_id == followed_id:
        raise CannotFollowYourself
    people = await locked_pair(session, follower_id, followed_id)
    for user_id in (follower_id, followed_id):
        if people[user_id].deactivated_at is not None:
            raise UserNotFound(user_id)
    event = UserFollowed(follower_id=follower_id, followed_id=followed_id)
    await _set_follow(session, event, people)


async def unfollow(session: AsyncSession, follower_id: int, followed_id: int) -> None:
    """Idempotent, also for a followed person who is deactivated. Raises UserNotFound."""
    people = await locked_pair(session, follower_id, followed_id)
    if people[follower_id].deactivated_at is not None:
        raise UserNotFound(follower_id)
    event = UserUnfollowed(follower_id=follower_id, followed_id=followed_id)
    await _set_follow(session, event, people)


async def _set_follow(
    session: AsyncSession, event: UserFollowed | UserUnfollowed, people: dict[int, Person]
) -> None:
    active = isinstance(event, UserFollowed)
    edge = await session.get(Follow, (event.follower_id, event.followed_id))
    if edge is None and not active:
        return
    if edge is not None and edge.active == active:
        outbox.mention(session, edge.version)
        return
    version = await outbox.record(session, event)
    session.add(edge or Follow(**event.model_dump(), active=active, version=version))
    if edge is not None:
        edge.active, edge.version = active, version
    step = 1 if active else -1
    people[event.follower_id].following_count += step
    people[event.followed_id].follower_count += step
