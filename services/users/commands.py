"""Everything that changes people, their keys and their follows."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import api_keys, outbox
from chassis.database import execute
from chassis.identity import KeyScope

from . import names
from .errors import (
    CannotDeactivateYourself,
    CannotFollowYourself,
    KeyNotFound,
    KeyTaken,
    ScopeTooWide,
    TooManyKeys,
    UserNotFound,
)
from .events import (
    KeyRevoked,
    UserDeactivated,
    UserFollowed,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)
from .models import ApiKey, Follow, Person

MOST_KEYS = 20
KEY_NAME_LENGTH = 100
USE_NOTED_EVERY = timedelta(hours=1)


class NewKey(NamedTuple):
    id: int
    key: str
    """Shown this once, by nobody ever again."""


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


async def issue_key(
    session: AsyncSession,
    user_id: int,
    *,
    name: str = "",
    scope: KeyScope = KeyScope.admin,
    lasting: timedelta | None = None,
) -> NewKey:
    """A further key for a person, for ever unless it says how long.

    Raises UserNotFound, NameNotAccepted, TooManyKeys.
    """
    await _locked(session, user_id)
    good = select(func.count()).where(col(ApiKey.user_id) == user_id, ApiKey.is_good())
    if (await session.exec(good)).one() >= MOST_KEYS:
        raise TooManyKeys(limit=MOST_KEYS)
    key = api_keys.generate()
    issued = ApiKey(
        digest=api_keys.digest(key.encode()),
        user_id=user_id,
        name=names.clean(name, KEY_NAME_LENGTH) if name else "",
        scope=scope,
        hint=key[: api_keys.HINT_LENGTH],
        expires_at=None if lasting is None else datetime.now(UTC) + lasting,
    )
    session.add(issued)
    await session.flush()
    return NewKey(issued.id, key)


async def replace_key(
    session: AsyncSession, user_id: int, key_id: int, *, within: KeyScope, overlap: timedelta
) -> NewKey:
    """A key like this one and for as long, while this one ends after the overlap.

    `within` is the scope of whoever asks. Raises UserNotFound, KeyNotFound, ScopeTooWide,
    TooManyKeys.
    """
    key = await _good_key(session, user_id, key_id, within)
    lasting = None if key.expires_at is None else key.expires_at - key.created_at
    end = datetime.now(UTC) + overlap
    if not overlap:
        key.revoked_at = end
    elif key.expires_at is None or key.expires_at > end:
        key.expires_at = end
    await outbox.record(session, KeyRevoked(user_id=user_id))
    return await issue_key(
        session, user_id, name=key.name, scope=KeyScope(key.scope), lasting=lasting
    )


async def revoke_key(session: AsyncSession, user_id: int, key_id: int, *, within: KeyScope) -> None:
    """`within` is the scope of whoever asks. Raises UserNotFound, KeyNotFound, ScopeTooWide."""
    key = await _good_key(session, user_id, key_id, within)
    key.revoked_at = datetime.now(UTC)
    await outbox.record(session, KeyRevoked(user_id=user_id))


async def note_use(session: AsyncSession, key: ApiKey) -> None:
    """To the hour: a key that is used all day is written once an hour, whoever asks about it."""
    now = datetime.now(UTC)
    if key.used_at is None or now - key.used_at >= USE_NOTED_EVERY:
        key.used_at = now


async def grant_key(session: AsyncSession, user_id: int, key: str) -> None:
    """Lets a person use a key of the operator's own choosing. Raises UserNotFound, KeyTaken."""
    await _locked(session, user_id)
    held = await session.get(ApiKey, api_keys.digest(key.encode()))
    if held is None:
        session.add(ApiKey(digest=api_keys.digest(key.encode()), user_id=user_id))
    elif held.user_id != user_id:
        raise KeyTaken
    else:
        held.revoked_at = held.expires_at = None


async def rotate_key(session: AsyncSession, user_id: int) -> NewKey:
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
    if await session.get(ApiKey, api_keys.digest(key.encode())) is None:
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


async def _good_key(session: AsyncSession, user_id: int, key_id: int, within: KeyScope) -> ApiKey:
    person = await _locked(session, user_id)
    key = (
        await session.exec(
            select(ApiKey).where(
                col(ApiKey.id) == key_id, col(ApiKey.user_id) == user_id, ApiKey.is_good()
            )
        )
    ).one_or_none()
    if key is None:
        raise KeyNotFound
    if not within.covers(key.scope_for(person)):
        raise ScopeTooWide
    return key


async def _kill_keys(session: AsyncSession, user_id: int) -> None:
    await session.exec(
        update(ApiKey)
        .where(col(ApiKey.user_id) == user_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=datetime.now(UTC))
    )
