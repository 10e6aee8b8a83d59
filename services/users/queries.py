"""Everything that reads people.

A page is read with one row more than the limit: if that row exists, there is a next page.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, text
from sqlalchemy import select as sqlalchemy_select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import KeyScope
from chassis.database.session import execute
from chassis.http import paging

from . import names
from .errors import KeyEnded, KeyNotFound, SessionEnded, SessionNotFound, UserNotFound
from .models import ApiKey, AuditEntry, Follow, LinkedIdentity, Person, UserSession

PROFILE_LIST_LIMIT = 100
"""How many followers and how many followed people a profile lists. The counts in the profile count
everybody, also deactivated people, whom the lists leave out."""

MAX_SEARCH_RESULTS = 500
"""A search can be paged up to this many results."""

_SEARCH = """
select id, name, title, department, picture, coalesce(
    (select active from follow where follower_id = :reader_id and followed_id = person.id), false
) as followed
from person
where deactivated_at is null and ({containing} or :typos and {similar})
order by {starting} desc, {containing} desc, {similarity} desc, follower_count desc, id
limit :limit offset :offset
"""
_CONTAINING = "folded like :containing"
# A match may start either line of a search form: see `names.search_form`.
_STARTING = "E'\\n' || folded like :starting"
_SIMILAR = ":query <% folded"
_SIMILARITY = "word_similarity(:query, folded)"
_SEARCH_AS_TYPED = text(
    _SEARCH.format(
        containing=_CONTAINING, similar=_SIMILAR, starting=_STARTING, similarity=_SIMILARITY
    )
).columns(picture=JSONB)
_SEARCH_ALSO_IN_LATIN = text(
    _SEARCH.format(
        containing=f"({_CONTAINING} or {_CONTAINING}_latin)",
        similar=f"({_SIMILAR} or :latin <% folded)",
        starting=f"({_STARTING} or {_STARTING}_latin)",
        similarity=f"greatest({_SIMILARITY}, word_similarity(:latin, folded))",
    )
).columns(picture=JSONB)
_LATEST_PEOPLE = """
    select coalesce(
        json_agg(json_build_object('id', id, 'name', name) order by version desc), '[]'
    )
    from (
        select other.id, other.name, follow.version
        from follow join person as other on other.id = follow.{other_column}
        where follow.{own_column} = person.id and follow.active and other.deactivated_at is null
        order by follow.version desc
        limit :list_limit
    ) as latest
"""
_PROFILE = text(f"""
select json_build_object('result', true, 'user', json_strip_nulls(json_build_object(
    'id', id,
    'name', name,
    'about', about,
    'title', title,
    'department', department,
    'picture', picture,
    'followed', exists (
        select from follow
        where follower_id = :reader_id and followed_id = person.id and active
    ),
    'followers', ({_LATEST_PEOPLE.format(own_column="followed_id", other_column="follower_id")}),
    'following', ({_LATEST_PEOPLE.format(own_column="follower_id", other_column="followed_id")}),
    'follower_count', follower_count,
    'following_count', following_count
)))::text
from person where id = :user_id and deactivated_at is null
""")  # noqa: S608  the column names are constants, the values are bound
_TYPO_TOLERANCE = text("select set_config('pg_trgm.word_similarity_threshold', '0.4', true)")


class ListedPerson(NamedTuple):
    id: int
    name: str
    title: str | None
    department: str | None
    picture: dict[str, str] | None
    followed: bool
    """Whether the reader follows this person."""


class PeoplePage(NamedTuple):
    """A page of people, and the cursor of the next page."""

    people: list[ListedPerson]
    next_cursor: str | None


def _listed(reader_id: int) -> tuple[Any, ...]:
    """The columns of a ListedPerson, from the Person of the row."""
    return (
        col(Person.id),
        col(Person.name),
        col(Person.title),
        col(Person.department),
        col(Person.picture),
        _followed_by(reader_id),
    )


def _followed_by(reader_id: int) -> ColumnElement[bool]:
    """A column: whether the reader follows the Person of the row.

    A scalar subquery costs one lookup by primary key per row. With an EXISTS, PostgreSQL may first
    build a hash of everybody whom the reader follows.
    """
    own_follow = aliased(Follow)
    active = select(own_follow.active).where(
        col(own_follow.follower_id) == reader_id, col(own_follow.followed_id) == col(Person.id)
    )
    return func.coalesce(active.scalar_subquery(), False)


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


async def profile(session: AsyncSession, user_id: int, reader_id: int) -> str:
    """The complete response body, as JSON. Raises UserNotFound.

    PostgreSQL builds it in one statement, because every page that somebody opens needs a profile.
    """
    parameters = {
        "user_id": user_id,
        "reader_id": reader_id,
        "list_limit": PROFILE_LIST_LIMIT,
    }
    body: str | None = (await execute(session, _PROFILE, parameters)).scalar_one_or_none()
    if body is None:
        raise UserNotFound(user_id)
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


async def followers(
    session: AsyncSession,
    user_id: int,
    reader_id: int,
    limit: int,
    cursor: str | None,
) -> PeoplePage:
    """The people who follow this person, the latest first."""
    return await _follow_page(
        session, "followed_id", "follower_id", user_id, reader_id, limit, cursor
    )


async def following(
    session: AsyncSession,
    user_id: int,
    reader_id: int,
    limit: int,
    cursor: str | None,
) -> PeoplePage:
    """The people whom this person follows, the latest first."""
    return await _follow_page(
        session, "follower_id", "followed_id", user_id, reader_id, limit, cursor
    )


async def _follow_page(
    session: AsyncSession,
    own_column: str,
    other_column: str,
    user_id: int,
    reader_id: int,
    limit: int,
    cursor: str | None,
) -> PeoplePage:
    statement = (
        sqlalchemy_select(*_listed(reader_id), col(Follow.version))
        .join(Follow, col(getattr(Follow, other_column)) == col(Person.id))
        .where(
            getattr(Follow, own_column) == user_id,
            col(Follow.active),
            col(Person.deactivated_at).is_(None),
        )
        .order_by(col(Follow.version).desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        (last_version,) = paging.decode(cursor, 1)
        statement = statement.where(col(Follow.version) < last_version)
    rows = (await execute(session, statement)).all()
    next_cursor = paging.encode(rows[limit - 1].version) if len(rows) > limit else None
    return PeoplePage([ListedPerson._make(row[:-1]) for row in rows[:limit]], next_cursor)


async def people_by_name(
    session: AsyncSession, query: str, reader_id: int, limit: int, cursor: str | None
) -> PeoplePage:
    """People whose name contains the query or something similar, the best match first.

    If there is nobody, the query is read as typed on the wrong keyboard layout, English or Russian.
    """
    offset, other_layout = paging.decode(cursor, 2) if cursor else (0, 0)
    if not other_layout:
        found = await _people_matching(session, query, reader_id, limit, offset)
        if found or cursor or not names.fold(query):
            return _search_page(found, limit, offset, other_layout=0)
    # A typo on top of this guess would match too many names.
    other = names.on_other_layout(query)
    found = await _people_matching(session, other, reader_id, limit, offset, typos=False)
    return _search_page(found, limit, offset, other_layout=1)


async def _people_matching(
    session: AsyncSession,
    query: str,
    reader_id: int,
    limit: int,
    offset: int,
    *,
    typos: bool = True,
) -> list[ListedPerson]:
    """Up to `limit` + 1 people, also with similar names if `typos`."""
    folded = names.fold(query)
    if not folded:
        # Folding leaves nothing of a query of accents only, and every name contains the empty
        # string, so such a query would find everybody.
        return []
    parameters = {
        "query": folded,
        "reader_id": reader_id,
        "typos": typos,
        "containing": f"%{_escaped(folded)}%",
        "starting": f"%\n{_escaped(folded)}%",
        "limit": max(0, min(limit + 1, MAX_SEARCH_RESULTS - offset)),
        "offset": min(offset, MAX_SEARCH_RESULTS),
    }
    statement = _SEARCH_AS_TYPED
    latin = names.in_latin_letters(folded).strip()
    if latin not in ("", folded):
        statement = _SEARCH_ALSO_IN_LATIN
        parameters |= {
            "latin": latin,
            "containing_latin": f"%{_escaped(latin)}%",
            "starting_latin": f"%\n{_escaped(latin)}%",
        }
    await execute(session, _TYPO_TOLERANCE)
    result = await execute(session, statement, parameters)
    return [ListedPerson._make(row) for row in result]


def _escaped(query: str) -> str:
    """The query for a LIKE pattern, in which `%` and `_` have no special meaning."""
    return query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _search_page(
    found: list[ListedPerson], limit: int, offset: int, *, other_layout: int
) -> PeoplePage:
    next_cursor = paging.encode(offset + limit, other_layout) if len(found) > limit else None
    return PeoplePage(found[:limit], next_cursor)


async def people_by_followers(
    session: AsyncSession, reader_id: int, limit: int, cursor: str | None
) -> PeoplePage:
    """Everybody, the person with the most followers first."""
    statement = (
        sqlalchemy_select(*_listed(reader_id), col(Person.follower_count))
        .where(col(Person.deactivated_at).is_(None))
        .order_by(col(Person.follower_count).desc(), col(Person.id).desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        count, user_id = paging.decode(cursor, 2)
        statement = statement.where(
            text("(follower_count, id) < (:count, :id)").bindparams(count=count, id=user_id)
        )
    rows = (await execute(session, statement)).all()
    last_row = rows[limit - 1] if len(rows) > limit else None
    next_cursor = paging.encode(last_row.follower_count, last_row.id) if last_row else None
    return PeoplePage([ListedPerson._make(row[:-1]) for row in rows[:limit]], next_cursor)
