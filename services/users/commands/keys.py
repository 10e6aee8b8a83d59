"""Keys: how they are made, replaced and revoked, and what a key may do to other keys.

A key cannot make a key that may do more than itself or that lasts longer. So a leaked key cannot be
turned into a better one, and revoking it, or waiting for its end, takes back all that it gave.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import api_keys, clock, outbox
from chassis.identity import Identity, KeyScope

from .. import names
from ..errors import (
    AccountScopeRequired,
    KeyNotFound,
    KeyTaken,
    KeyWouldOutliveYours,
    ScopeTooWide,
    TooManyKeys,
)
from ..events import KeyRevoked
from ..models import ApiKey, Person
from .locks import locked

MOST_KEYS = 20
KEY_NAME_LENGTH = 100
USE_NOTED_EVERY = timedelta(hours=1)


class NewKey(NamedTuple):
    id: int
    key: str
    """The key itself. Only its hash is stored, so it cannot be shown again."""
    expires_at: datetime | None


async def issue_key(
    session: AsyncSession,
    user_id: int,
    *,
    name: str = "",
    scope: KeyScope = KeyScope.admin,
    expires_at: datetime | None = None,
) -> NewKey:
    """Makes a key for a person. Raises UserNotFound, NameNotAccepted, TooManyKeys."""
    await locked(session, user_id)
    active = select(func.count()).where(col(ApiKey.user_id) == user_id, ApiKey.is_active())
    if (await session.exec(active)).one() >= MOST_KEYS:
        raise TooManyKeys(limit=MOST_KEYS)
    key = api_keys.generate()
    issued = ApiKey(
        digest=api_keys.digest(key.encode()),
        user_id=user_id,
        name=names.clean(name, KEY_NAME_LENGTH) if name else "",
        scope=scope,
        hint=key[: api_keys.HINT_LENGTH],
        expires_at=expires_at,
    )
    session.add(issued)
    await session.flush()
    return NewKey(issued.id, key, expires_at)


def expiry_within(by: Identity, lifetime: timedelta | None) -> datetime | None:
    """When a key made by this caller expires; without a lifetime, when the caller's own key does.

    Raises KeyWouldOutliveYours.
    """
    end = caller_key_expiry(by)
    if lifetime is None:
        return end
    expires_at = clock.now() + lifetime
    if end is not None and expires_at > end:
        raise KeyWouldOutliveYours(end=end.strftime("%Y-%m-%d %H:%M UTC"))
    return expires_at


def caller_key_expiry(by: Identity) -> datetime | None:
    """When the caller's own key expires."""
    return None if by.key_expires_at is None else datetime.fromtimestamp(by.key_expires_at, UTC)


async def replace_key(
    session: AsyncSession, user_id: int, key_id: int, *, by: Identity, overlap: timedelta
) -> NewKey:
    """Makes a key with this one's name, scope and lifetime; this one expires after the overlap.

    The new key expires with the caller's own key if that is sooner. Raises UserNotFound,
    KeyNotFound, AccountScopeRequired, ScopeTooWide, TooManyKeys.
    """
    key = await _key_to_end(session, user_id, key_id, by)
    ends = [caller_key_expiry(by)]
    if key.expires_at is not None:
        ends.append(clock.now() + (key.expires_at - key.created_at))
    end = clock.now() + overlap
    if not overlap:
        key.revoked_at = end
    elif key.expires_at is None or key.expires_at > end:
        key.expires_at = end
    await outbox.record(session, KeyRevoked(user_id=user_id))
    return await issue_key(
        session,
        user_id,
        name=key.name,
        scope=KeyScope(key.scope),
        expires_at=min((end for end in ends if end is not None), default=None),
    )


async def revoke_key(session: AsyncSession, user_id: int, key_id: int, *, by: Identity) -> None:
    """Raises UserNotFound, KeyNotFound, AccountScopeRequired, ScopeTooWide."""
    key = await _key_to_end(session, user_id, key_id, by)
    key.revoked_at = clock.now()
    await outbox.record(session, KeyRevoked(user_id=user_id))


async def note_use(session: AsyncSession, key: ApiKey) -> None:
    """Notes that the key is used, at most once an hour, so that reads rarely write."""
    now = clock.now()
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


async def rotate_key(session: AsyncSession, user_id: int, *, by: Identity) -> NewKey:
    """Revokes all keys of a person and makes a new one, which expires with the caller's own key.

    Raises UserNotFound.
    """
    await revoke_keys(session, user_id)
    return await issue_key(session, user_id, expires_at=caller_key_expiry(by))


async def revoke_keys(session: AsyncSession, user_id: int) -> None:
    """Revokes all keys of a person. Idempotent; raises UserNotFound."""
    await locked(session, user_id)
    await kill_keys(session, user_id)
    await outbox.record(session, KeyRevoked(user_id=user_id))


async def _key_to_end(session: AsyncSession, user_id: int, key_id: int, by: Identity) -> ApiKey:
    """An active key that the caller may replace or revoke, with its person's row locked."""
    person = await locked(session, user_id)
    key = (
        await session.exec(
            select(ApiKey).where(
                col(ApiKey.id) == key_id, col(ApiKey.user_id) == user_id, ApiKey.is_active()
            )
        )
    ).one_or_none()
    if key is None:
        raise KeyNotFound
    check_may_end(by, key, person)
    return key


def check_may_end(by: Identity, key: ApiKey, person: Person) -> None:
    """Whether the caller may end this key, or a session that the key began.

    Any key may end itself; to end others it needs the scope `account`, and no narrower scope than
    theirs. Raises AccountScopeRequired, ScopeTooWide.
    """
    if by.key_id != key.id and not by.scope.covers(KeyScope.account):
        raise AccountScopeRequired
    if not by.scope.covers(key.scope_for(person)):
        raise ScopeTooWide


async def kill_keys(session: AsyncSession, user_id: int) -> None:
    await session.exec(
        update(ApiKey)
        .where(col(ApiKey.user_id) == user_id, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=clock.now())
    )
