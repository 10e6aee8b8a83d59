"""Fills tables directly: a million tweets by HTTP would take hours.

What is written is what the services and their handlers would have written. Ids begin where no real
one is.
"""

from dataclasses import dataclass

import asyncpg

from chassis import api_keys

from .graph import Company

FIRST, LAST = 10_000_000, 19_999_999
"""The ids of people and of tweets that `fill` makes anew each time."""
MEMBERS = 20_000_000
"""The first id of the graph's people, of their tweets and of their pictures."""
_LATER = 50_000_000
"""From here on are the tweets that somebody posts: no seeded one is newer."""
UNHEARD = 10**12
"""The number of an event that the feed has stored and no process of it has heard of."""
SEEDED = 10
"""Tweets of each of the graph's people from before."""

_EMPTY = f"""
delete from feed.tweet_like where tweet_id between {FIRST} and {LAST};
delete from feed.tweet where id between {FIRST} and {LAST};
delete from feed.follow where followed_id between {FIRST} and {LAST};
delete from feed.person where id between {FIRST} and {LAST};
"""
_PEOPLE = """
insert into feed.person (id, name, version)
select $1::bigint + n, (array['Анна','Boris','Chiara','Дмитрий'])[1 + n % 4] || ' ' || n, 1
from generate_series(1, $2::int) as n
"""
_NUMBERED = """
select n, floor(power((n * 2654435761::bigint % 1000003) / 1000003.0, 8) * $3::int)::int as likes
from generate_series(1, $4::int) as n
"""
_CARD = """
    '"id":' || ($1::bigint + n) || ',"content":"' || repeat('слово and word ', 9)
        || n || '","attachments":[],"created_at":"2026-11-01T09:30:00.123456Z"'
        || ',"stamp":"2026-11-01T09:30:00.123456Z","media":[]'
"""
_TWEETS = f"""
insert into feed.tweet (id, author_id, like_count, card)
select $1::bigint + n, $1::bigint + 1 + (n * 7919::bigint) % $2::int, likes, {_CARD}
from ({_NUMBERED}) as numbered
"""
_LIKES = f"""
insert into feed.tweet_like (tweet_id, user_id, active, version)
select $1::bigint + n, $1::bigint + 1 + (n + i * 31) % $2::int, true, n * 100::bigint + i
from ({_NUMBERED}) as numbered, generate_series(1, likes) as i
"""
_LIKED_TWEETS = f"""
insert into feed.tweet (id, author_id, like_count, card)
select $1::bigint + n, $1::bigint + 1, $3::int, {_CARD} from generate_series(1, $2::int) as n
"""
_LIKED_LIKES = """
insert into feed.tweet_like (tweet_id, user_id, active, version)
select $1::bigint + n, $1::bigint + i, true, i
from generate_series(1, $2::int) as n, generate_series(1, $3::int) as i
"""
_FOLLOW = """
insert into feed.follow (follower_id, followed_id, active, version)
select $1::bigint, $2::bigint + 1 + ((n + $5::int) * 13) % $3::int, true, 1
from generate_series(1, $4::int) as n
on conflict do nothing
"""
_LIKE = """
update feed.tweet set like_count = like_count + 1
where id = (
    select id from feed.tweet where author_id = $1 and visible
    order by like_count desc, id desc limit 1
)
"""
_FEED = ("person", "tweet", "tweet_like", "follow")


async def _vacuum(owner: asyncpg.Connection, *tables: str) -> None:
    for table in tables:
        await owner.execute(f"vacuum analyze {table}")


async def begin(owner: asyncpg.Connection) -> None:
    """Has tweets that are posted from now on be newer than all that are written here.

    And puts an event into the feed's inbox without its trigger, so that nobody hears of it.
    """
    await owner.execute(
        "select setval(pg_get_serial_sequence('tweets.tweet', 'id'), $1::bigint)", _LATER
    )
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        await owner.execute("insert into feed.inbox (source, id) values ('users', $1)", UNHEARD)


async def fill(owner: asyncpg.Connection, tweets: int, authors: int, most_likes: int = 20) -> None:
    """So many tweets by so many authors, likes heavy-tailed, at most `most_likes` a tweet."""
    await owner.execute(_EMPTY)
    await owner.execute(_PEOPLE, FIRST, authors)
    await owner.execute(_TWEETS, FIRST, authors, most_likes + 1, tweets)
    await owner.execute(_LIKES, FIRST, authors, most_likes + 1, tweets)
    await _vacuum(owner, *(f"feed.{table}" for table in _FEED))


async def fill_liked(owner: asyncpg.Connection, tweets: int, likes: int) -> None:
    """So many tweets by one author, each liked by so many."""
    await owner.execute(_EMPTY)
    await owner.execute(_PEOPLE, FIRST, max(likes, 1))
    await owner.execute(_LIKED_TWEETS, FIRST, tweets, likes)
    await owner.execute(_LIKED_LIKES, FIRST, tweets, likes)
    await _vacuum(owner, *(f"feed.{table}" for table in _FEED))


async def follow(
    owner: asyncpg.Connection, reader_id: int, authors: int, followed: int, skipped: int = 0
) -> list[int]:
    """The reader follows just so many of the authors of `fill`, behind so many; gives whom."""
    await owner.execute(
        "delete from feed.follow where follower_id = $1 and followed_id between $2 and $3",
        reader_id, FIRST, LAST,
    )  # fmt: skip
    await owner.execute(_FOLLOW, reader_id, FIRST, authors, followed, skipped)
    await owner.execute("analyze feed.follow")
    rows = await owner.fetch(
        "select followed_id from feed.follow where follower_id = $1", reader_id
    )
    return [row["followed_id"] for row in rows]


async def like(owner: asyncpg.Connection, author_id: int) -> None:
    """Counts one more for the author's most popular tweet, as the handler of a like does."""
    await owner.execute(_LIKE, author_id)


async def be_followed(
    owner: asyncpg.Connection, author_id: int, members: int, strangers: int
) -> None:
    """Just so many of the graph's people, and so many others, follow the author."""
    await owner.execute("delete from feed.follow where followed_id = $1", author_id)
    await owner.execute(
        """
        insert into feed.follow (follower_id, followed_id, active, version)
        select follower, $1, true, 1 from (
            select $2::bigint + n as follower from generate_series(0, $3::int - 1) as n
            union all select $4::bigint + n from generate_series(0, $5::int - 1) as n
        ) as followers
        """,
        author_id, MEMBERS, members, FIRST, strangers,
    )  # fmt: skip
    await owner.execute("analyze feed.follow")


@dataclass(frozen=True)
class Member:
    """One of the graph's people."""

    id: int
    key: str
    name: str


async def settle(owner: asyncpg.Connection, company: Company) -> list[Member]:
    """The graph's people with their keys, follows and some tweets, in users, tweets and feed."""
    members = [
        Member(MEMBERS + number, api_keys.generate(), f"Member {number}")
        for number in range(company.people)
    ]
    follows = [(MEMBERS + one, MEMBERS + other) for one, other in company.follows]
    people = [(one.id, one.name) for one in members]
    written = [
        (members[number % len(members)].id, MEMBERS + number)
        for number in range(len(members) * SEEDED)
    ]
    async with owner.transaction():
        await owner.executemany(
            "insert into users.person (id, name, folded) overriding system value"
            " values ($1, $2::text, lower($2::text))", people,
        )  # fmt: skip
        await owner.executemany(
            "insert into users.api_key (digest, user_id) values ($1, $2)",
            [(api_keys.digest(one.key.encode()), one.id) for one in members],
        )
        await owner.executemany("insert into feed.person values ($1, $2, 1)", people)
        for schema in ("users", "feed"):
            await owner.executemany(
                f"insert into {schema}.follow (follower_id, followed_id, active, version)"
                " values ($1, $2, true, 1)",
                follows,
            )
        await owner.executemany(
            "insert into tweets.tweet (author_id, id, content, created_at)"
            " overriding system value values ($1, $2, 'seeded', now())", written,
        )  # fmt: skip
        await owner.execute(
            f"insert into feed.tweet (author_id, id, card)"
            f" select author_id, id, {_CARD} from tweets.tweet,"
            " lateral (select id - $1::bigint as n) as numbered"
            " where id >= $1 and id < $2",
            MEMBERS, MEMBERS + len(written),
        )  # fmt: skip
    tables = ("users.person", "users.api_key", "users.follow", "tweets.tweet")
    await _vacuum(owner, *tables, *(f"feed.{table}" for table in _FEED))
    return members


async def upload(
    owner: asyncpg.Connection, members: list[Member], each: int, before: int
) -> dict[int, list[int]]:
    """Records of so many pictures of each person, as after an upload; gives their ids by owner.

    `before` is how many this has made. There are no files: nobody looks at them here.
    """
    pictures = [
        (MEMBERS + before + place * each + number, member.id)
        for place, member in enumerate(members)
        for number in range(each)
    ]
    async with owner.transaction():
        await owner.executemany(
            "insert into media.media"
            " (id, owner_id, name, content_type, size, width, height, thumbnail)"
            " overriding system value"
            " values ($1, $2, 'bench-' || $1::bigint, 'image/png', 1000, 100, 100,"
            " 'bench-small-' || $1::bigint)",
            pictures,
        )
        await owner.executemany(
            "insert into tweets.media (id, owner_id, path, thumbnail, width, height) values"
            " ($1, $2, '/uploads/bench-' || $1::bigint, '/uploads/bench-small-' || $1::bigint,"
            " 100, 100)",
            pictures,
        )
    held: dict[int, list[int]] = {member.id: [] for member in members}
    for media_id, owner_id in pictures:
        held[owner_id].append(media_id)
    return held
