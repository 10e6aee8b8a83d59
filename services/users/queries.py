"""Reads people, keys, sessions and the audit log.

`people_lists` and `directory` read lists of people. A page is read with one row more than the
limit: if that row exists, there is a next page.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import KeyScope
from chassis.database.pool import Pool
from chassis.http import paging

from . import names
from .errors import KeyEnded, KeyNotFound, SessionEnded, SessionNotFound, UserNotFound
from .models import ApiKey, AuditEntry, LinkedIdentity, Person, UserSession

PROFILE_LIST_LIMIT = 100
"""How many followers and how many followed people a profile lists. The counts in the profile count
everybody, also deactivated people, whom the lists leave out."""

_LATEST_PEOPLE = """
    select coalesce(
        json_agg(json_build_object('id', id, 'name', name) order by version desc), '[]'
    )
    from (
        select other.id, other.name, follow.version
        from follow join person as other on other.id = follow.{other_column}
        where follow.{own_column} = person.id and follow.active and other.deactivated_at is null
        order by follow.version desc
        limit $3
    ) as latest
"""
_PROFILE = f"""
select json_build_object('result', true, 'user', json_strip_nulls(json_build_object(
    'id', id,
    'name', name,
    'about', about,
    'title', title,
    'department', department,
    'picture', picture,
    'followed', exists (
        select from follow
        where follower_id = $2 and followed_id = person.id and active
    ),
    'followers', ({_LATEST_PEOPLE.format(own_column="followed_id", other_column="follower_id")}),
    'following', ({_LATEST_PEOPLE.format(own_column="follower_id", other_column="followed_id")}),
    'follower_count', follower_count,
    'following_count', following_count
)))::text as body
from person where id = $1 and deactivated_at is null
"""  # noqa: S608  the column names are constants, the values are bound


async def person_by_id(session: AsyncSession, user_id: int) -> Person:
    """Raises UserNotFound, also for a deactivated person."""
    person = await session.get(Person, user_id)
    if person is None or person.deactivated_at is not None:
        raise UserNotFound(user_id)
    return person


async def people_named(session: AsyncSession, name: str) -> Sequence[Person]:
    """All active people with exactly this name, by id."""
    statement = (
        select(Person)
        .where(col(Person.name) == names.normalized(name), col(Person.deactivated_at).is_(None))
        .order_by(col(Person.id))
    )
    return (await session.exec(statement)).all()


async def administrators(session: AsyncSession) -> Sequence[Person]:
    """The active administrators, by id."""
    statement = (
        select(Person)
        .where(col(Person.administrator), col(Person.deactivated_at).is_(None))
        .order_by(col(Person.id))
    )
    return (await session.exec(statement)).all()


async def erased_people(session: AsyncSession) -> list[int]:
    """The ids of everybody who was erased."""
    statement = select(Person.id).where(col(Person.erased_at).is_not(None)).order_by(col(Person.id))
    return list(await session.exec(statement))


class AuditFilter(NamedTuple):
    """Which entries of the audit log to read: those that meet all conditions that are not None."""

    action: str | None = None
    actor_id: int | None = None
    subject_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Excluded."""

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.action is not None:
            found.append(col(AuditEntry.action) == self.action)
        if self.actor_id is not None:
            found.append(col(AuditEntry.actor_id) == self.actor_id)
        if self.subject_id is not None:
            found.append(col(AuditEntry.subject_id) == self.subject_id)
        if self.since is not None:
            found.append(col(AuditEntry.at) >= self.since)
        if self.until is not None:
            found.append(col(AuditEntry.at) < self.until)
        return found


async def audit_entries(
    session: AsyncSession, only: AuditFilter, limit: int, cursor: str | None
) -> tuple[Sequence[AuditEntry], str | None]:
    """A page of the audit log, the latest entry first, and the cursor of the next page."""
    statement = (
        select(AuditEntry)
        .where(*only.conditions())
        .order_by(col(AuditEntry.id).desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        (last_id,) = paging.decode(cursor, 1)
        statement = statement.where(col(AuditEntry.id) < last_id)
    entries = (await session.exec(statement)).all()
    next_cursor = paging.encode(entries[limit - 1].id) if len(entries) > limit else None
    return entries[:limit], next_cursor


async def profile(connections: Pool, user_id: int, reader_id: int) -> str:
    """The complete response body, as JSON. Raises UserNotFound.

    PostgreSQL builds it in one statement, because every page that somebody opens needs a profile.
    """
    rows = await connections.fetch(_PROFILE, user_id, reader_id, PROFILE_LIST_LIMIT)
    if not rows:
        raise UserNotFound(user_id)
    body: str = rows[0]["body"]
    return body


async def key_owner(session: AsyncSession, digest: bytes) -> tuple[Person, ApiKey]:
    """The person and the key with this digest.

    Raises KeyNotFound, and KeyEnded if the key was revoked or has expired, or if the person was
    deactivated.
    """
    active = and_(ApiKey.is_active(), col(Person.deactivated_at).is_(None))
    statement = (
        select(Person, ApiKey, active)
        .join(ApiKey, col(ApiKey.user_id) == col(Person.id))
        .where(col(ApiKey.digest) == digest)
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        raise KeyNotFound
    person, key, is_active = row
    if not is_active:
        raise KeyEnded
    return person, key


async def session_owner(
    session: AsyncSession, digest: bytes
) -> tuple[Person, ApiKey | None, UserSession]:
    """The person, the key, if there is one, and the session whose token has this digest.

    Raises SessionNotFound, and SessionEnded if the session, its key or the person's access ended.
    """
    active = and_(
        UserSession.is_active(),
        UserSession.has_active_key(),
        col(Person.deactivated_at).is_(None),
    )
    statement = (
        select(Person, ApiKey, UserSession, active)
        .select_from(UserSession)
        .join(Person, col(UserSession.user_id) == col(Person.id))
        .outerjoin(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(col(UserSession.digest) == digest)
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        raise SessionNotFound
    person, key, user_session, is_active = row
    if not is_active:
        raise SessionEnded
    return person, key, user_session


async def sessions_of(session: AsyncSession, user_id: int) -> Sequence[UserSession]:
    """A person's active sessions, the latest first. Raises UserNotFound."""
    await person_by_id(session, user_id)
    statement = (
        select(UserSession)
        .outerjoin(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(
            col(UserSession.user_id) == user_id,
            UserSession.is_active(),
            UserSession.has_active_key(),
        )
        .order_by(col(UserSession.id).desc())
    )
    return (await session.exec(statement)).all()


async def identities_of(session: AsyncSession, user_id: int) -> Sequence[LinkedIdentity]:
    """The accounts at identity providers that are linked to a person. Raises UserNotFound."""
    await person_by_id(session, user_id)
    statement = (
        select(LinkedIdentity)
        .where(col(LinkedIdentity.user_id) == user_id)
        .order_by(col(LinkedIdentity.id))
    )
    return (await session.exec(statement)).all()


async def issuer_of_session(session: AsyncSession, user_session: UserSession) -> str | None:
    """The provider with whose account the session was started."""
    statement = select(LinkedIdentity.issuer).where(
        col(LinkedIdentity.id) == user_session.identity_id
    )
    return (await session.exec(statement)).one_or_none()


async def keys_of(session: AsyncSession, user_id: int) -> list[tuple[ApiKey, KeyScope]]:
    """A person's active keys, each with what it allows now, the latest first.

    Raises UserNotFound.
    """
    person = await person_by_id(session, user_id)
    statement = (
        select(ApiKey)
        .where(col(ApiKey.user_id) == user_id, ApiKey.is_active())
        .order_by(col(ApiKey.id).desc())
    )
    return [(key, key.scope_for(person)) for key in await session.exec(statement)]
