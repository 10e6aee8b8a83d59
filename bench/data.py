"""Fills the feed's tables directly: a million tweets by HTTP would take hours.

What is written is what the handlers would have written: people, follows, tweets with their cards,
likes with their counts. Ids begin where no real one is.
"""

import asyncpg

FIRST = 10_000_000
"""The first id of a person and of a tweet that was made here."""

_EMPTY = f"""
delete from tweet_like where tweet_id >= {FIRST};
delete from tweet where id >= {FIRST};
delete from follow where followed_id >= {FIRST};
delete from person where id >= {FIRST};
"""
_PEOPLE = """
insert into person (id, name, version)
select $1::bigint + n, (array['Анна','Boris','Chiara','Дмитрий'])[1 + n % 4] || ' ' || n, 1
from generate_series(1, $2::int) as n
"""
_NUMBERED = """
select n, floor(power((n * 2654435761::bigint % 1000003) / 1000003.0, 8) * $3::int)::int as likes
from generate_series(1, $4::int) as n
"""
_TWEETS = f"""
insert into tweet (id, author_id, like_count, card)
select
    $1::bigint + n,
    $1::bigint + 1 + (n * 7919::bigint) % $2::int,
    likes,
    '"id":' || ($1::bigint + n) || ',"content":"' || repeat('слово and word ', 9)
        || n || '","attachments":[],"created_at":"2026-11-01T09:30:00.123456Z"'
        || ',"stamp":"2026-11-01T09:30:00.123456Z","media":[]'
from ({_NUMBERED}) as numbered
"""
_LIKES = f"""
insert into tweet_like (tweet_id, user_id, active, version)
select $1::bigint + n, $1::bigint + 1 + (n + i * 31) % $2::int, true, n * 100::bigint + i
from ({_NUMBERED}) as numbered, generate_series(1, likes) as i
"""
_FOLLOW = """
insert into follow (follower_id, followed_id, active, version)
select $1::bigint, $2::bigint + 1 + (n * 13 + $1::bigint) % $3::int, true, 1
from generate_series(1, $4::int) as n
on conflict do nothing
"""


async def fill(
    connection: asyncpg.Connection, tweets: int, authors: int, most_likes: int = 20
) -> None:
    """So many tweets by so many authors, likes heavy-tailed, at most `most_likes` a tweet."""
    await connection.execute(_EMPTY)
    await connection.execute(_PEOPLE, FIRST, authors)
    await connection.execute(_TWEETS, FIRST, authors, most_likes + 1, tweets)
    await connection.execute(_LIKES, FIRST, authors, most_likes + 1, tweets)
    for table in ("person", "tweet", "tweet_like", "follow"):
        await connection.execute(f"vacuum analyze {table}")


async def follow(
    connection: asyncpg.Connection, reader_id: int, authors: int, followed: int
) -> None:
    """The reader follows just so many of the authors."""
    await connection.execute(
        "delete from follow where follower_id = $1 and followed_id >= $2", reader_id, FIRST
    )
    await connection.execute(_FOLLOW, reader_id, FIRST, authors, followed)
    await connection.execute("analyze follow")
