"""The people as administrators see them: with their roles, whether they left, and their access."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import execute
from chassis.http import paging

from . import names


class PersonState(StrEnum):
    active = "active"
    deactivated = "deactivated"
    erased = "erased"


class AnyRole(StrEnum):
    """The roles that people can have, the administrator's among them."""

    administrator = "administrator"
    moderator = "moderator"
    announcer = "announcer"


class DirectoryEntry(NamedTuple):
    id: int
    name: str
    """Empty for an erased person."""
    title: str | None
    department: str | None
    about: str | None
    external_id: str | None
    administrator: bool
    moderator: bool
    announcer: bool
    created_at: datetime
    deactivated_at: datetime | None
    erased_at: datetime | None
    last_used_at: datetime | None
    """When a key or a session of the person was last used, accurate to an hour."""
    keys: int
    sessions: int
    identities: int


_STATES = {
    None: "erased_at is null",
    PersonState.active: "deactivated_at is null",
    PersonState.deactivated: "deactivated_at is not null and erased_at is null",
    PersonState.erased: "erased_at is not null",
}
# Only the rows of the page are counted: the lateral subqueries are on top of the limit.
_PAGE = """
select page.*, last_used_at, keys, sessions,
    (select count(*) from identity where user_id = page.id) as identities
from (
    select id, name, title, department, about, external_id, administrator, moderator, announcer,
        created_at, deactivated_at, erased_at
    from person
    where {state} and {role} and {query} and id < :before
    order by id desc limit :limit
) as page
cross join lateral (
    select max(used_at) as key_used_at, count(*) filter (
        where revoked_at is null and (expires_at is null or expires_at > now())
    ) as keys
    from api_key where user_id = page.id
) as of_keys
cross join lateral (
    select greatest(key_used_at, max(user_session.used_at)) as last_used_at, count(*) filter (
        where ended_at is null and user_session.expires_at > now() and revoked_at is null
            and (
                idle_seconds is null
                or user_session.used_at > now() - make_interval(secs => idle_seconds)
            )
            and (api_key.expires_at is null or api_key.expires_at > now())
    ) as sessions
    from user_session left join api_key on api_key.digest = key_digest
    where user_session.user_id = page.id
) as of_sessions
order by id desc
"""
_MATCHING = """(
    folded like :containing or folded like :containing_latin
    or department ilike :typed or title ilike :typed
    or external_id = :query or cast(id as text) = :query
)"""


async def directory(
    session: AsyncSession,
    query: str,
    state: PersonState | None,
    role: AnyRole | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[DirectoryEntry], str | None]:
    """A page of people, the latest first, and the cursor of the next page.

    `query` is a part of a name, title or department, or a whole id or external id. Without a state
    the page has everybody who is not erased.
    """
    before = paging.decode(cursor, 1)[0] if cursor else paging.MAX_ID
    query = query.strip()
    folded = names.fold(query)
    statement = _PAGE.format(
        state=_STATES[state], role=role or "true", query=_MATCHING if query else "true"
    )
    parameters: dict[str, object] = {"before": before, "limit": limit + 1}
    if query:
        parameters |= {
            "query": query,
            "typed": _containing(query),
            "containing": _containing(folded or query),
            "containing_latin": _containing(names.in_latin_letters(folded).strip() or query),
        }
    rows = (await execute(session, text(statement), parameters)).all()
    people = [DirectoryEntry._make(row) for row in rows[:limit]]
    return people, paging.encode(people[-1].id) if len(rows) > limit else None


def _containing(query: str) -> str:
    """A LIKE pattern for texts that contain the query."""
    return f"%{names.escape_like(query)}%"
