"""Creating, replacing and revoking API keys, and what a key may do to other keys.

A key has a *scope*: `read`, `write`, `account` or `admin`. Each scope includes the ones before it.
A script that only posts gets a `write` key; managing keys and sessions, and erasing the account,
needs `account`.

Two rules keep a leaked key from becoming a better one. A key creates only keys with the same or a
narrower scope, which expire no later than the key itself. And a key replaces or revokes only keys
with the same or a narrower scope, for which it needs the scope `account`, unless it revokes itself.
So revoking a leaked key, and the keys that were created with it, takes back everything it gave. See
docs/adr/0017.

The service stores the SHA-256 digest of a key and its first characters. Gateways cache keys, and
KeyRevoked makes them forget the cached keys of the person.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth import api_keys
from chassis.auth.identity import Identity, KeyScope
from chassis.database import clock
from chassis.messaging import outbox

from .. import names
from ..errors import (
    AccountScopeRequired,
    KeyNotFound,
    KeyTaken,
    KeyWouldOutliveYours,
    ScopeTooWide,
    TooManyKeys,
)
from ..events import KeyCreated, KeyRevoked
from ..models import ApiKey, Invitation, Person, UserSession
from .locks import lock_active_person

MAX_KEYS = 20
MAX_KEY_NAME_LENGTH = 100
_LAST_USED_INTERVAL = timedelta(hours=1)


class NewKey(NamedTuple):
    id: int
    digest: bytes
    key: str
    """The secret. The service stores its hash, so the key cannot be shown again."""
    expires_at: datetime | None


async def issue_key(
    session: AsyncSession,
    user_id: int,
    *,
    name: str = "",
    scope: KeyScope = KeyScope.admin,
    expires_at: datetime | None = None,
) -> NewKey:
    """Creates a key for a person. Raises UserNotFound, NameNotAccepted, TooManyKeys."""
    await lock_active_person(session, user_id)
    active = select(func.count()).where(col(ApiKey.user_id) == user_id, ApiKey.is_active())
    if (await session.exec(active)).one() >= MAX_KEYS:
        raise TooManyKeys(limit=MAX_KEYS)
    return await add_key(session, user_id, name=name, scope=scope, expires_at=expires_at)


async def add_key(
    session: AsyncSession,
    user_id: int,
    *,
    name: str = "",
    scope: KeyScope = KeyScope.admin,
    expires_at: datetime | None = None,
) -> NewKey:
    """The caller has locked the person, who is active. Raises NameNotAccepted."""
    had_keys = await _has_had_keys(session, user_id)
    key = api_keys.generate()
    row = ApiKey(
        digest=api_keys.digest(key.encode()),
        user_id=user_id,
        name=names.clean(name, MAX_KEY_NAME_LENGTH) if name else "",
        scope=scope,
        hint=key[: api_keys.HINT_LENGTH],
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    if had_keys:
        await outbox.record(session, KeyCreated(user_id=user_id, key_id=row.id, name=row.name))
    return NewKey(row.id, row.digest, key, expires_at)


async def _has_had_keys(session: AsyncSession, user_id: int) -> bool:
    """Whether the person has or had a key: rows of keys stay when the keys end."""
    statement = select(ApiKey.id).where(col(ApiKey.user_id) == user_id).limit(1)
    return (await session.exec(statement)).first() is not None


def new_key_expiry(caller: Identity, lifetime: timedelta | None) -> datetime | None:
    """When a key that the caller creates expires: without a lifetime, with the caller's own key.

    Raises KeyWouldOutliveYours.
    """
    latest = caller_key_expiry(caller)
    if lifetime is None:
        return latest
    expires_at = clock.now() + lifetime
    if latest is not None and expires_at > latest:
        raise KeyWouldOutliveYours(end=latest.strftime("%Y-%m-%d %H:%M UTC"))
    return expires_at


def caller_key_expiry(caller: Identity) -> datetime | None:
    """When the caller's own key expires. None if it never does."""
    if caller.key_expires_at is None:
        return None
    return datetime.fromtimestamp(caller.key_expires_at, UTC)


async def replace_key(
    session: AsyncSession, user_id: int, key_id: int, *, caller: Identity, overlap: timedelta
) -> NewKey:
    """Creates a key with the name, scope and lifetime of this one, which expires after the overlap.

    The new key expires no later than the caller's own key. Raises UserNotFound, KeyNotFound,
    AccountScopeRequired, ScopeTooWide, TooManyKeys.
    """
    key = await _lock_key_to_revoke(session, user_id, key_id, caller)
    expiries = [caller_key_expiry(caller)]
    if key.expires_at is not None:
        expiries.append(clock.now() + (key.expires_at - key.created_at))
    overlap_end = clock.now() + overlap
    if not overlap:
        key.revoked_at = overlap_end
    elif key.expires_at is None or key.expires_at > overlap_end:
        key.expires_at = overlap_end
    await outbox.record(session, KeyRevoked(user_id=user_id))
    return await issue_key(
        session,
        user_id,
        name=key.name,
        scope=KeyScope(key.scope),
        expires_at=min((expiry for expiry in expiries if expiry is not None), default=None),
    )


async def revoke_key(session: AsyncSession, user_id: int, key_id: int, *, caller: Identity) -> None:
    """Raises UserNotFound, KeyNotFound, AccountScopeRequired, ScopeTooWide."""
    key = await _lock_key_to_revoke(session, user_id, key_id, caller)
    key.revoked_at = clock.now()
    await outbox.record(session, KeyRevoked(user_id=user_id))


def touch_last_used(key: ApiKey) -> None:
    """Stores when the key was last used, at most once an hour, so that reads rarely write."""
    now = clock.now()
    if key.used_at is None or now - key.used_at >= _LAST_USED_INTERVAL:
        key.used_at = now


async def grant_key(session: AsyncSession, user_id: int, key: str) -> None:
    """Stores a key that the operator chose, or restores it. Raises UserNotFound, KeyTaken."""
    await lock_active_person(session, user_id)
    existing = await session.get(ApiKey, api_keys.digest(key.encode()))
    if existing is None:
        had_keys = await _has_had_keys(session, user_id)
        row = ApiKey(digest=api_keys.digest(key.encode()), user_id=user_id)
        session.add(row)
        await session.flush()
        if had_keys:
            await outbox.record(session, KeyCreated(user_id=user_id, key_id=row.id, name=""))
    elif existing.user_id != user_id:
        raise KeyTaken
    else:
        existing.revoked_at = existing.expires_at = None


async def rotate_key(session: AsyncSession, user_id: int, *, caller: Identity) -> NewKey:
    """Revokes all keys of a person and creates one, which expires together with the caller's key.

    Raises UserNotFound.
    """
    await revoke_keys(session, user_id)
    return await issue_key(session, user_id, expires_at=caller_key_expiry(caller))


async def revoke_keys(session: AsyncSession, user_id: int) -> None:
    """Revokes all keys and invitations of a person. Idempotent; raises UserNotFound."""
    await lock_active_person(session, user_id)
    await mark_keys_revoked(session, user_id)
    await outbox.record(session, KeyRevoked(user_id=user_id))


async def _lock_key_to_revoke(
    session: AsyncSession, user_id: int, key_id: int, caller: Identity
) -> ApiKey:
    """An active key that the caller may replace or revoke. Locks the person's row."""
    person = await lock_active_person(session, user_id)
    key = (
        await session.exec(
            select(ApiKey).where(
                col(ApiKey.id) == key_id, col(ApiKey.user_id) == user_id, ApiKey.is_active()
            )
        )
    ).one_or_none()
    if key is None:
        raise KeyNotFound
    check_may_revoke(caller, key, person)
    return key


def check_may_revoke(caller: Identity, key: ApiKey, person: Person) -> None:
    """Checks that the caller may revoke this key, or end a session that was started with it.

    Raises AccountScopeRequired and ScopeTooWide: see the rules at the head of this module.
    """
    if caller.key_id != key.id and not caller.scope.covers(KeyScope.account):
        raise AccountScopeRequired
    if not caller.scope.covers(key.scope_for(person)):
        raise ScopeTooWide


async def mark_keys_revoked(session: AsyncSession, *user_ids: int) -> None:
    """Also revokes the invitations, and ends the sessions that no key started. The caller has
    locked the people, and records the events."""
    await mark_invitations_revoked(session, *user_ids)
    await session.exec(
        update(UserSession)
        .where(
            col(UserSession.user_id).in_(user_ids),
            col(UserSession.key_digest).is_(None),
            col(UserSession.ended_at).is_(None),
        )
        .values(ended_at=clock.now())
    )
    await session.exec(
        update(ApiKey)
        .where(col(ApiKey.user_id).in_(user_ids), col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=clock.now())
    )


async def mark_invitations_revoked(session: AsyncSession, *user_ids: int) -> None:
    """The caller has locked the people."""
    await session.exec(
        update(Invitation)
        .where(col(Invitation.user_id).in_(user_ids), Invitation.is_active())
        .values(revoked_at=clock.now())
    )
