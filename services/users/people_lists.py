"""Pages of people: those found by name, everybody, a person's followers, whom a person follows.

PostgreSQL writes each person as the JSON that the API returns. A page is read with one row more
than the limit: if that row exists, there is a next page.
"""

import json
from collections.abc import Sequence

from asyncpg import Record

from chassis.database.pool import Pool
from chassis.http import paging

from . import names
from .errors import UserNotFound

POOL_SETTINGS = {"pg_trgm.word_similarity_threshold": "0.4"}
"""What `by_name` needs of its connections: a name is similar if it has this share of the query's
trigrams."""
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
# $2 how many people to find, $3 how many of these earlier pages had, $4 whether similar names
# count; $5 the query, $6 the pattern of names that contain it, $7 and $8 the patterns of search
# forms of which a line starts with it (see `names.search_form`); $9 to $12 the same in Latin
# letters.
#
# People whose name starts with the query come first, then those whose name contains it, then those
# with a similar name. Most queries find enough people in the first step, and PostgreSQL does not
# execute the following ones then: each compares more names than the one before. Each step uses the
# trigram index.
_SEARCH = """
with starting as materialized (
    select id, 1 as step, {similarity} as similarity, follower_count from person
    where {starting} and deactivated_at is null
    order by similarity desc, follower_count desc, id limit $2
), containing as materialized (
    select id, 2 as step, {similarity} as similarity, follower_count from person
    where (select count(*) from starting) < $2
        and {containing} and not {starting} and deactivated_at is null
    order by similarity desc, follower_count desc, id limit $2
), similar_names as materialized (
    select id, 3 as step, {similarity} as similarity, follower_count from person
    where $4 and (select count(*) from starting) + (select count(*) from containing) < $2
        and {similar} and not {containing} and deactivated_at is null
    order by similarity desc, follower_count desc, id limit $2
), found as (
    select * from starting union all select * from containing union all select * from similar_names
    order by step, similarity desc, follower_count desc, id limit $2 - $3 offset $3
)
select (select {person} from person where id = found.id) as json
from found order by step, similarity desc, follower_count desc, id
"""
_SEARCH_AS_TYPED = _SEARCH.format(
    person=_PERSON,
    starting="(folded like $7 or folded like $8)",
    containing="folded like $6",
    similar="$5 <% folded",
    similarity="word_similarity($5, folded)",
)
_SEARCH_ALSO_IN_LATIN = _SEARCH.format(
    person=_PERSON,
    starting="(folded like $7 or folded like $8 or folded like $11 or folded like $12)",
    containing="(folded like $6 or folded like $10)",
    similar="($5 <% folded or $9 <% folded)",
    similarity="greatest(word_similarity($5, folded), word_similarity($9, folded))",
)


def _page(rows: Sequence[Record], limit: int, *key: str) -> bytes:
    """The response body. `key` are the columns that the next page continues behind."""
    last = rows[limit - 1] if len(rows) > limit else None
    return _body(rows[:limit], last and paging.encode(*(last[column] for column in key)))


def _body(rows: Sequence[Record], next_cursor: str | None) -> bytes:
    people = ",".join(row["json"] for row in rows)
    return f'{{"result":true,"users":[{people}],"next_cursor":{json.dumps(next_cursor)}}}'.encode()


async def everybody(connections: Pool, reader_id: int, limit: int, cursor: str | None) -> bytes:
    """The person with the most followers first."""
    count, user_id = paging.decode(cursor, 2) if cursor else (_MAX_FOLLOWERS, paging.MAX_ID)
    count = min(count, _MAX_FOLLOWERS)
    rows = await connections.fetch(_EVERYBODY, reader_id, count, user_id, limit + 1)
    return _page(rows, limit, "follower_count", "id")


async def followers(
    connections: Pool, user_id: int, reader_id: int, limit: int, cursor: str | None
) -> bytes:
    """The people who follow this person, the latest first. Raises UserNotFound."""
    return await _follows(connections, _FOLLOWERS, user_id, reader_id, limit, cursor)


async def following(
    connections: Pool, user_id: int, reader_id: int, limit: int, cursor: str | None
) -> bytes:
    """The people whom this person follows, the latest first. Raises UserNotFound."""
    return await _follows(connections, _FOLLOWING, user_id, reader_id, limit, cursor)


async def _follows(
    connections: Pool,
    statement: str,
    user_id: int,
    reader_id: int,
    limit: int,
    cursor: str | None,
) -> bytes:
    if not await connections.fetch(_IS_ACTIVE, user_id):
        raise UserNotFound(user_id)
    (version,) = paging.decode(cursor, 1) if cursor else (paging.MAX_ID,)
    rows = await connections.fetch(statement, reader_id, user_id, version, limit + 1)
    return _page(rows, limit, "version")


async def by_name(
    connections: Pool, query: str, reader_id: int, limit: int, cursor: str | None
) -> bytes:
    """People whose name contains the query or something similar, the best match first.

    If there is nobody, the query is read as typed on the wrong keyboard layout, English or Russian.
    """
    offset, other_layout = paging.decode(cursor, 2) if cursor else (0, 0)
    if not other_layout:
        found = await _matching(connections, query, reader_id, limit, offset)
        if found or cursor or not names.fold(query):
            return _search_page(found, limit, offset, other_layout=0)
    # A typo on top of this guess would match too many names.
    other = names.on_other_layout(query)
    found = await _matching(connections, other, reader_id, limit, offset, typos=False)
    return _search_page(found, limit, offset, other_layout=1)


async def _matching(
    connections: Pool,
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
    wanted = min(offset + limit + 1, MAX_SEARCH_RESULTS)
    parameters = [reader_id, wanted, min(offset, wanted), typos, folded, *_patterns(folded)]
    statement = _SEARCH_AS_TYPED
    latin = names.in_latin_letters(folded).strip()
    if latin not in ("", folded):
        statement = _SEARCH_ALSO_IN_LATIN
        parameters += (latin, *_patterns(latin))
    return await connections.fetch(statement, *parameters)


def _patterns(query: str) -> tuple[str, str, str]:
    """For LIKE: search forms that contain the query, and those of which the first or another line
    starts with it."""
    escaped = names.escape_like(query)
    return f"%{escaped}%", f"{escaped}%", f"%\n{escaped}%"


def _search_page(found: Sequence[Record], limit: int, offset: int, *, other_layout: int) -> bytes:
    next_cursor = paging.encode(offset + limit, other_layout) if len(found) > limit else None
    return _body(found[:limit], next_cursor)
