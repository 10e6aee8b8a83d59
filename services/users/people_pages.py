"""Pages of people: those found by name, everybody, a person's followers, whom a person follows.

PostgreSQL writes each person as the JSON that the API returns. A page is read with one row more
than the limit: if that row exists, there is a next page.
"""

import json
from collections.abc import Sequence

from asyncpg import Record

from chassis.database.session import AnySession, fetch
from chassis.http import paging

from . import names
from .errors import UserNotFound

MAX_SEARCH_RESULTS = 500
"""A search can be paged up to this many results."""
_MAX_FOLLOWERS = 2**31 - 1

# $1 the reader. A scalar subquery costs one lookup by primary key a row. With an EXISTS, PostgreSQL
# may first build a hash of everybody whom the reader follows.
_PERSON = """
json_strip_nulls(json_build_object(
    'id', person.id,
    'name', name,
    'title', title,
    'department', department,
    'picture', picture,
    'followed', coalesce((
        select active from follow as own where follower_id = $1 and followed_id = person.id
    ), false)
))::text as json
"""
# $2 and $3 the key behind which the page begins, $4 the limit.
_EVERYBODY = f"""
select {_PERSON}, follower_count, id from person
where deactivated_at is null and (follower_count, id) < ($2::int, $3::bigint)
order by follower_count desc, id desc limit $4
"""  # noqa: S608  a constant
_IS_ACTIVE = "select from person where id = $1 and deactivated_at is null"
# $2 the person, $3 the version behind which the page begins, $4 the limit.
_FOLLOWS = """
select {person}, follow.version
from follow join person on person.id = follow.{other_column}
where follow.{own_column} = $2 and follow.active and deactivated_at is null
    and follow.version < $3
order by follow.version desc limit $4
"""
_FOLLOWERS = _FOLLOWS.format(person=_PERSON, own_column="followed_id", other_column="follower_id")
_FOLLOWING = _FOLLOWS.format(person=_PERSON, own_column="follower_id", other_column="followed_id")
# $2 the query, $3 whether similar names count, $4 and $5 the patterns of names that contain the
# query and of those in which a word starts with it, $6 the limit, $7 the offset; $8 to $10 the
# query and the patterns in Latin letters.
_SEARCH = """
select {person} from person
where deactivated_at is null and ({containing} or $3 and {similar})
order by {starting} desc, {containing} desc, {similarity} desc, follower_count desc, id
limit $6 offset $7
"""
_SEARCH_AS_TYPED = _SEARCH.format(
    person=_PERSON,
    containing="folded like $4",
    similar="$2 <% folded",
    # A match may start either line of a search form: see `names.search_form`.
    starting="E'\\n' || folded like $5",
    similarity="word_similarity($2, folded)",
)
_SEARCH_ALSO_IN_LATIN = _SEARCH.format(
    person=_PERSON,
    containing="(folded like $4 or folded like $9)",
    similar="($2 <% folded or $8 <% folded)",
    starting="(E'\\n' || folded like $5 or E'\\n' || folded like $10)",
    similarity="greatest(word_similarity($2, folded), word_similarity($8, folded))",
)
_TYPO_TOLERANCE = "select set_config('pg_trgm.word_similarity_threshold', '0.4', true)"


def _page(rows: Sequence[Record], limit: int, *key: str) -> bytes:
    """The response body. `key` are the columns that the next page continues behind."""
    last = rows[limit - 1] if len(rows) > limit else None
    return _body(rows[:limit], last and paging.encode(*(last[column] for column in key)))


def _body(rows: Sequence[Record], next_cursor: str | None) -> bytes:
    people = ",".join(row["json"] for row in rows)
    return f'{{"result":true,"users":[{people}],"next_cursor":{json.dumps(next_cursor)}}}'.encode()


async def everybody(session: AnySession, reader_id: int, limit: int, cursor: str | None) -> bytes:
    """The person with the most followers first."""
    count, user_id = paging.decode(cursor, 2) if cursor else (_MAX_FOLLOWERS, paging.MAX_ID)
    count = min(count, _MAX_FOLLOWERS)
    rows = await fetch(session, _EVERYBODY, reader_id, count, user_id, limit + 1)
    return _page(rows, limit, "follower_count", "id")


async def followers(
    session: AnySession, user_id: int, reader_id: int, limit: int, cursor: str | None
) -> bytes:
    """The people who follow this person, the latest first. Raises UserNotFound."""
    return await _follows(session, _FOLLOWERS, user_id, reader_id, limit, cursor)


async def following(
    session: AnySession, user_id: int, reader_id: int, limit: int, cursor: str | None
) -> bytes:
    """The people whom this person follows, the latest first. Raises UserNotFound."""
    return await _follows(session, _FOLLOWING, user_id, reader_id, limit, cursor)


async def _follows(
    session: AnySession,
    statement: str,
    user_id: int,
    reader_id: int,
    limit: int,
    cursor: str | None,
) -> bytes:
    if not await fetch(session, _IS_ACTIVE, user_id):
        raise UserNotFound(user_id)
    (version,) = paging.decode(cursor, 1) if cursor else (paging.MAX_ID,)
    rows = await fetch(session, statement, reader_id, user_id, version, limit + 1)
    return _page(rows, limit, "version")


async def by_name(
    session: AnySession, query: str, reader_id: int, limit: int, cursor: str | None
) -> bytes:
    """People whose name contains the query or something similar, the best match first.

    If there is nobody, the query is read as typed on the wrong keyboard layout, English or Russian.
    """
    offset, other_layout = paging.decode(cursor, 2) if cursor else (0, 0)
    if not other_layout:
        found = await _matching(session, query, reader_id, limit, offset)
        if found or cursor or not names.fold(query):
            return _search_page(found, limit, offset, other_layout=0)
    # A typo on top of this guess would match too many names.
    other = names.on_other_layout(query)
    found = await _matching(session, other, reader_id, limit, offset, typos=False)
    return _search_page(found, limit, offset, other_layout=1)


async def _matching(
    session: AnySession,
    query: str,
    reader_id: int,
    limit: int,
    offset: int,
    *,
    typos: bool = True,
) -> list[Record]:
    """Up to `limit` + 1 people, also with similar names if `typos`."""
    folded = names.fold(query)
    if not folded:
        # Folding leaves nothing of a query of accents only, and every name contains the empty
        # string, so such a query would find everybody.
        return []
    parameters = [
        *(reader_id, folded, typos, *_patterns(folded)),
        max(0, min(limit + 1, MAX_SEARCH_RESULTS - offset)),
        min(offset, MAX_SEARCH_RESULTS),
    ]
    statement = _SEARCH_AS_TYPED
    latin = names.in_latin_letters(folded).strip()
    if latin not in ("", folded):
        statement = _SEARCH_ALSO_IN_LATIN
        parameters += (latin, *_patterns(latin))
    await fetch(session, _TYPO_TOLERANCE)
    return await fetch(session, statement, *parameters)


def _patterns(query: str) -> tuple[str, str]:
    """For LIKE: names that contain the query, and names that start with it."""
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%", f"%\n{escaped}%"


def _search_page(found: Sequence[Record], limit: int, offset: int, *, other_layout: int) -> bytes:
    next_cursor = paging.encode(offset + limit, other_layout) if len(found) > limit else None
    return _body(found[:limit], next_cursor)
