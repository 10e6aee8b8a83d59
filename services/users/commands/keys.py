"""What people sign in with."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import api_keys, outbox
from chassis.identity import KeyScope

from .. import names
from ..errors import KeyNotFound, KeyTaken, ScopeTooWide, TooManyKeys
from ..events import KeyRevoked
from ..models import ApiKey
from .locks import locked

MOST_KEYS = 20
KEY_NAME_LENGTH = 100
USE_NOTED_EVERY = timedelta(hours=1)


class NewKey(NamedTuple):
    id: int
    key: str
    """Shown this once, by nobody ever again."""


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
    await locked(session, user_id)
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
    await locked(session, user_id)
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
    await locked(session, user_id)
    await kill_keys(session, user_id)
    await outbox.record(session, KeyRevoked(user_id=user_id))


async def _good_key(session: AsyncSession, user_id: int, key_id: int, within: KeyScope) -> ApiKey:
    person = await locked(session, user_id)
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


async def kill_keys(session: AsyncSession, user_id: int) -> None:
    await session.exec(
        update(ApiKey)
        .where(col(ApiKey.user_id) == user_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=datetime.now(UTC))
    )
