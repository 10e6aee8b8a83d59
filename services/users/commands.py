"""Everything that changes people, their keys and their follows."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import outbox
from chassis.database import execute

from . import keys, names
from .errors import CannotDeactivateYourself, CannotFollowYourself, KeyTaken, UserNotFound
from .events import (
    KeyRevoked,
    UserDeactivated,
    UserFollowed,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)
from .models import ApiKey, Follow, Person


async def register_user(
    session: AsyncSession, name: str, *, name_length: int, administrator: bool = False
) -> int:
    """Makes a person and gives their id. Raises NameNotAccepted."""
    name = names.clean(name, name_length)
    person = Person(name=name, folded=names.fold(name), administrator=administrator)
    session.add(person)
    await session.flush()
    await outbox.record(session, UserRegistered(user_id=person.id, name=name))
    return person.id


async def rename_user(session: AsyncSession, user_id: int, name: str, *, name_length: int) -> None:
    """Raises UserNotFound and NameNotAccepted."""
    person = await _locked(session, user_id)
    person.name = names.clean(name, name_length)
    person.folded = names.fold(person.name)
    await outbox.record(session, UserRenamed(user_id=user_id, name=person.name))


async def deactivate_user(session: AsyncSession, user_id: int, by: int) -> None:
    """Ends a person's access. What they wrote stays. Idempotent; raises UserNotFound."""
    if user_id == by:
        raise CannotDeactivateYourself
    person = await session.get(Person, user_id, with_for_update={"key_share": True})
    if person is None:
        raise UserNotFound
    if person.deactivated_at is None:
        person.deactivated_at = datetime.now(UTC)
        await _kill_keys(session, user_id)
        await outbox.record(session, UserDeactivated(user_id=user_id))


async def issue_key(session: AsyncSession, user_id: int) -> str:
    """A further key for a person, shown by nobody ever again. Raises UserNotFound."""
    await _locked(session, user_id)
    key = keys.generate()
    session.add(ApiKey(digest=keys.digest(key), user_id=user_id))
    return key


async def grant_key(session: AsyncSession, user_id: int, key: str) -> None:
    """Lets a person use a key of the operator's own choosing. Raises UserNotFound, KeyTaken."""
    await _locked(session, user_id)
    held = await session.get(ApiKey, keys.digest(key))
    if held is None:
        session.add(ApiKey(digest=keys.digest(key), user_id=user_id))
    elif held.user_id != user_id:
        raise KeyTaken
    else:
        held.revoked_at = None


async def rotate_key(session: AsyncSession, user_id: int) -> str:
    """Kills every key of a person's and gives a new one. Raises UserNotFound."""
    await revoke_keys(session, user_id)
    return await issue_key(session, user_id)


async def revoke_keys(session: AsyncSession, user_id: int) -> None:
    """Kills every key of a person's. Idempotent; raises UserNotFound."""
    await _locked(session, user_id)
    await _kill_keys(session, user_id)
    await outbox.record(session, KeyRevoked(user_id=user_id))


async def ensure_administrator(session: AsyncSession, key: str, *, name_length: int) -> None:
    """Makes the first administrator, unless the key is somebody's already."""
    # Replicas that start at once would each make one.
    await execute(session, text("select pg_advisory_xact_lock(hashtext('first administrator'))"))
    if await session.get(ApiKey, keys.digest(key)) is None:
        user_id = await register_user(
            session, "Administrator", name_length=name_length, administrator=True
        )
        await grant_key(session, user_id, key)


async def follow(session: AsyncSession, follower_id: int, followed_id: int) -> None:
    """Idempotent. Raises UserNotFound, CannotFollowYourself."""
    if follower_id == followed_id:
        raise CannotFollowYourself
    people = await _locked_pair(session, follower_id, followed_id)
    if people[followed_id].deactivated_at is not None:
        raise UserNotFound
    event = UserFollowed(follower_id=follower_id, followed_id=followed_id)
    await _set_follow(session, event, people)


async def unfollow(session: AsyncSession, follower_id: int, followed_id: int) -> None:
    """Idempotent. Raises UserNotFound."""
    people = await _locked_pair(session, follower_id, followed_id)
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


async def _locked(session: AsyncSession, user_id: int) -> Person:
    person = await session.get(Person, user_id, with_for_update={"key_share": True})
    if person is None or person.deactivated_at is not None:
        raise UserNotFound
    return person


async def _locked_pair(session: AsyncSession, one: int, other: int) -> dict[int, Person]:
    """Both people, locked in the order of their ids: two who follow each other cannot deadlock."""
    statement = (
        select(Person)
        .where(col(Person.id).in_((one, other)))
        .order_by(col(Person.id))
        .with_for_update(key_share=True)
    )
    people = {person.id: person for person in await session.exec(statement)}
    if not {one, other} <= people.keys():
        raise UserNotFound
    return people


async def _kill_keys(session: AsyncSession, user_id: int) -> None:
    await session.exec(
        update(ApiKey)
        .where(col(ApiKey.user_id) == user_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=datetime.now(UTC))
    )
