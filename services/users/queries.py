"""Everything that reads people. Lists read one more than asked for, to tell whether more follow."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, text
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import paging
from chassis.database import execute
from chassis.identity import KeyScope

from . import names
from .errors import KeyEnded, KeyNotFound, SessionEnded, SessionNotFound, UserNotFound
from .models import Act, ApiKey, Follow, Person, UserSession

LISTED = 100
"""How many followers and followed a profile lists; the counts are of all, also of who is hidden."""

SEARCHED = 500
"""How deep a search can be paged."""

_SEARCH = text("""
select id, name, coalesce(
    (select active from follow where follower_id = :reader_id and followed_id = person.id), false
) as followed
from person
where deactivated_at is null and (folded like :part escape '\\' or :query <% folded)
order by folded like :start escape '\\' desc, folded like :part escape '\\' desc,
         word_similarity(:query, folded) desc, follower_count desc, id
limit :limit offset :offset
""")
_LATEST = """
    select coalesce(
        json_agg(json_build_object('id', id, 'name', name) order by version desc), '[]'
    )
    from (
        select other.id, other.name, follow.version
        from follow join person as other on other.id = follow.{far}
        where follow.{near} = person.id and follow.active and other.deactivated_at is null
        order by follow.version desc
        limit :listed
    ) as latest
"""
_PROFILE = text(f"""
select json_build_object('result', true, 'user', json_build_object(
    'id', id,
    'name', name,
    'followed', exists (
        select from follow
        where follower_id = :reader_id and followed_id = person.id and active
    ),
    'followers', ({_LATEST.format(near="followed_id", far="follower_id")}),
    'following', ({_LATEST.format(near="follower_id", far="followed_id")}),
    'follower_count', follower_count,
    'following_count', following_count
))::text
from person where id = :user_id and deactivated_at is null
""")  # noqa: S608  the names are ours, the values are bound
_TYPO_TOLERANCE = text("select set_config('pg_trgm.word_similarity_threshold', '0.4', true)")


class ListedPerson(NamedTuple):
    id: int
    name: str
    followed: bool
    """By the reader."""


class Listed(NamedTuple):
    """A page of people, and the cursor of the next."""

    people: list[ListedPerson]
    next_cursor: str | None


def _followed_by(reader_id: int) -> ColumnElement[bool]:
    """Whether the reader follows the Person of the row.

    One look by the primary key for each row given: PostgreSQL would answer an EXISTS from a hash of
    all whom the reader follows.
    """
    own = aliased(Follow)
    active = select(own.active).where(
        col(own.follower_id) == reader_id, col(own.followed_id) == col(Person.id)
    )
    return func.coalesce(active.scalar_subquery(), False)


async def person_by_id(session: AsyncSession, user_id: int) -> Person:
    """Raises UserNotFound, also for one who is hidden."""
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
    """The numbers of all who were erased."""
    erased = select(Person.id).where(col(Person.erased_at).is_not(None)).order_by(col(Person.id))
    return list(await session.exec(erased))


async def acts(
    session: AsyncSession, limit: int, cursor: str | None
) -> tuple[Sequence[Act], str | None]:
    """What administrators did, the latest first, and the cursor of what they did before."""
    statement = select(Act).order_by(col(Act.id).desc()).limit(limit + 1)
    if cursor is not None:
        (behind,) = paging.decode(cursor, 1)
        statement = statement.where(col(Act.id) < behind)
    found = (await session.exec(statement)).all()
    return found[:limit], paging.encode(found[limit - 1].id) if len(found) > limit else None


async def profile(session: AsyncSession, user_id: int, reader_id: int) -> str:
    """A whole answer as JSON, of one statement: every page that is opened asks for one.

    Raises UserNotFound.
    """
    asked = {"user_id": user_id, "reader_id": reader_id, "listed": LISTED}
    answer: str | None = (await execute(session, _PROFILE, asked)).scalar_one_or_none()
    if answer is None:
        raise UserNotFound(user_id)
    return answer


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
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        raise KeyNotFound
    person, key, is_active = found
    if not is_active:
        raise KeyEnded
    return person, key


async def session_owner(session: AsyncSession, digest: bytes) -> tuple[Person, ApiKey, UserSession]:
    """The person, the key and the session whose token has this digest.

    Raises SessionNotFound, and SessionEnded if the session, its key or the person's access ended.
    """
    active = and_(UserSession.is_active(), ApiKey.is_active(), col(Person.deactivated_at).is_(None))
    statement = (
        select(Person, ApiKey, UserSession, active)
        .join(ApiKey, col(ApiKey.user_id) == col(Person.id))
        .join(UserSession, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(col(UserSession.digest) == digest)
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        raise SessionNotFound
    person, key, user_session, is_active = found
    if not is_active:
        raise SessionEnded
    return person, key, user_session


async def sessions_of(session: AsyncSession, user_id: int) -> Sequence[UserSession]:
    """A person's active sessions, the latest first. Raises UserNotFound."""
    await person_by_id(session, user_id)
    statement = (
        select(UserSession)
        .join(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(col(UserSession.user_id) == user_id, UserSession.is_active(), ApiKey.is_active())
        .order_by(col(UserSession.id).desc())
    )
    return (await session.exec(statement)).all()


async def keys_of(session: AsyncSession, user_id: int) -> list[tuple[ApiKey, KeyScope]]:
    """A person's active keys and what each may do, the latest first. Raises UserNotFound."""
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
) -> Listed:
    """Who follows this person, the latest first."""
    return await _edges(session, "followed_id", "follower_id", user_id, reader_id, limit, cursor)


async def following(
    session: AsyncSession,
    user_id: int,
    reader_id: int,
    limit: int,
    cursor: str | None,
) -> Listed:
    """Whom this person follows, the latest first."""
    return await _edges(session, "follower_id", "followed_id", user_id, reader_id, limit, cursor)


async def _edges(
    session: AsyncSession,
    near: str,
    far: str,
    user_id: int,
    reader_id: int,
    limit: int,
    cursor: str | None,
) -> Listed:
    statement = (
        select(Person.id, Person.name, _followed_by(reader_id), Follow.version)
        .join(Follow, col(getattr(Follow, far)) == col(Person.id))
        .where(
            getattr(Follow, near) == user_id,
            col(Follow.active),
            col(Person.deactivated_at).is_(None),
        )
        .order_by(col(Follow.version).desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        (behind,) = paging.decode(cursor, 1)
        statement = statement.where(col(Follow.version) < behind)
    rows = (await session.exec(statement)).all()
    more = paging.encode(rows[limit - 1][3]) if len(rows) > limit else None
    return Listed([ListedPerson(*row[:3]) for row in rows[:limit]], more)


async def people_by_name(
    session: AsyncSession, query: str, reader_id: int, limit: int, cursor: str | None
) -> Listed:
    """People whose name contains the query or something similar, the best match first."""
    offset = paging.decode(cursor, 1)[0] if cursor else 0
    folded = names.fold(query)
    if not folded:
        # Every name contains the empty string: a lone accent would find everybody.
        return Listed([], None)
    escaped = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    await execute(session, _TYPO_TOLERANCE)
    found = await execute(
        session,
        _SEARCH,
        {
            "query": folded,
            "reader_id": reader_id,
            "part": f"%{escaped}%",
            "start": f"{escaped}%",
            "limit": max(0, min(limit + 1, SEARCHED - offset)),
            "offset": min(offset, SEARCHED),
        },
    )
    rows = found.all()
    more = paging.encode(offset + limit) if len(rows) > limit else None
    return Listed([ListedPerson(row.id, row.name, row.followed) for row in rows[:limit]], more)


async def people_by_followers(
    session: AsyncSession, reader_id: int, limit: int, cursor: str | None
) -> Listed:
    """Everyone, the most followed first."""
    statement = (
        select(Person.id, Person.name, _followed_by(reader_id), Person.follower_count)
        .where(col(Person.deactivated_at).is_(None))
        .order_by(col(Person.follower_count).desc(), col(Person.id).desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        count, user_id = paging.decode(cursor, 2)
        statement = statement.where(
            text("(follower_count, id) < (:count, :id)").bindparams(count=count, id=user_id)
        )
    rows = (await session.exec(statement)).all()
    last = rows[limit - 1] if len(rows) > limit else None
    more = paging.encode(last[3], last[0]) if last else None
    return Listed([ListedPerson(*row[:3]) for row in rows[:limit]], more)
