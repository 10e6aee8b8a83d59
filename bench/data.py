"""Fills tables directly, because a million tweets over HTTP would take hours.

It writes the same rows as the services and their handlers. The ids are beyond all real ones.
"""

from dataclasses import dataclass

import asyncpg

from chassis.auth import api_keys

from .graph import Company

FIRST, LAST = 10_000_000, 19_999_999
"""The ids of the people and tweets of `fill`, which replaces them each time."""
MEMBERS = 20_000_000
"""The first id of the graph's people, their tweets and their pictures."""
_FIRST_POSTED = 50_000_000
"""Posted tweets get ids from here on, so they are newer than all seeded ones."""
UNKNOWN_EVENT = 10**12
"""The id of an event that is in the feed's inbox, but of which its processes were not notified."""
_MAX_LIKES = 20
SEEDED = 10
"""Seeded tweets per person of the graph."""

_EMPTY = f"""
delete from feed.tweet_like where tweet_id between {FIRST} and {LAST};
delete from feed.reply where tweet_id between {FIRST} and {LAST};
delete from feed.tweet where id between {FIRST} and {LAST};
delete from feed.follow where followed_id between {FIRST} and {LAST};
delete from feed.person where id between {FIRST} and {LAST};
"""
_COUNTS = f"""
select
    (select count(*) from feed.tweet where id between {FIRST} and {LAST}),
    (select count(*) from feed.person where id between {FIRST} and {LAST})
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
        || ',"stamp":"2026-11-01T09:30:00.123456Z","media":[],"reply_to":null'
        || ',"root_id":' || ($1::bigint + n) || ',"entities":[]'
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
_THREAD = f"""
insert into feed.tweet
    (id, author_id, card, parent_id, root_id, depth, ancestors, self_replies, reply_count)
select $1::bigint + n, $1::bigint + 1 + n % 100, {_CARD},
    case when n > 1 then above[1] end, case when n > 1 then $1::bigint + 1 end,
    case when n = 1 then 0 when $3::boolean then n - 1 else 1 end, above, 0,
    case when $3::boolean then (n < $2::int)::int when n = 1 then $2::int - 1 else 0 end
from generate_series(1, $2::int) as n
cross join lateral (
    select case when n = 1 then '{{}}' when $3::boolean then array(
        select $1::bigint + n - level from generate_series(1, least(n - 1, 10)) as level
    ) else array[$1::bigint + 1] end as above
) as place
"""
_REPLIES = """
insert into feed.reply (ancestor_id, aside, tweet_id)
select distinct unnest(ancestors || root_id), true, id from feed.tweet
where id between $1 and $2 and parent_id is not null
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
    select id from feed.tweet where author_id = $1 and visible and parent_id is null
    order by like_count desc, id desc limit 1
)
"""
_FEED = ("person", "tweet", "tweet_like", "follow", "reply")


async def _vacuum(owner: asyncpg.Connection, *tables: str) -> None:
    for table in tables:
        await owner.execute(f"vacuum analyze {table}")


async def prepare(owner: asyncpg.Connection) -> None:
    """Makes posted tweets newer than all seeded ones; stores UNKNOWN_EVENT.

    The event is written into the feed's inbox without its trigger, so that no process is notified.
    """
    await owner.execute(
        "select setval(pg_get_serial_sequence('tweets.tweet', 'id'), $1::bigint)", _FIRST_POSTED
    )
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        await owner.execute(
            "insert into feed.inbox (source, id) values ('users', $1)", UNKNOWN_EVENT
        )


async def fill(owner: asyncpg.Connection, tweets: int, authors: int) -> None:
    """Creates tweets by these authors, with a heavy-tailed number of up to 20 likes each.

    Does nothing if there are as many of both already: a million tweets take a minute.
    """
    if tuple(await owner.fetchrow(_COUNTS)) == (tweets, authors):
        return
    await owner.execute(_EMPTY)
    await owner.execute(_PEOPLE, FIRST, authors)
    await owner.execute(_TWEETS, FIRST, authors, _MAX_LIKES + 1, tweets)
    await owner.execute(_LIKES, FIRST, authors, _MAX_LIKES + 1, tweets)
    await _vacuum(owner, *(f"feed.{table}" for table in _FEED))


async def fill_thread(owner: asyncpg.Connection, tweets: int, *, chain: bool) -> list[int]:
    """Creates a thread, in which each tweet replies to the one before, or all to the first one.

    Returns the ids: the first one begins the thread.
    """
    await owner.execute(_EMPTY)
    await owner.execute(_PEOPLE, FIRST, 101)
    await owner.execute(_THREAD, FIRST, tweets, chain)
    await owner.execute(_REPLIES, FIRST, LAST)
    await _vacuum(owner, *(f"feed.{table}" for table in _FEED))
    return [FIRST + number for number in range(1, tweets + 1)]


async def follow(
    owner: asyncpg.Connection, reader_id: int, authors: int, followed: int, skipped: int = 0
) -> list[int]:
    """Makes the reader follow `followed` authors of `fill`, after `skipped`; returns their ids."""
    await owner.execute(
        "delete from feed.follow where follower_id = $1 and followed_id between $2 and $3",
        reader_id, FIRST, LAST,
    )  # fmt: skip
    await owner.execute(_FOLLOW, reader_id, FIRST, authors, followed, skipped)
    await owner.execute("analyze feed.follow")
    rows = await owner.fetch(
        """
        select followed_id from feed.follow
        where follower_id = $1 and followed_id between $2 and $3
        """,
        reader_id, FIRST, LAST,
    )  # fmt: skip
    return [row["followed_id"] for row in rows]


async def like(owner: asyncpg.Connection, author_id: int) -> None:
    """Adds a like to the author's most popular tweet, as the handler of a like does."""
    await owner.execute(_LIKE, author_id)


async def set_followers(
    owner: asyncpg.Connection, author_id: int, members: int, strangers: int
) -> None:
    """Gives the author exactly these numbers of followers: people of the graph, and others."""
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


async def create_members(owner: asyncpg.Connection, company: Company) -> list[Member]:
    """Creates the graph's people with keys, follows and some tweets, in users, tweets and feed."""
    members = [
        Member(MEMBERS + number, api_keys.generate(), f"Member {number}")
        for number in range(company.people)
    ]
    follows = [(MEMBERS + one, MEMBERS + other) for one, other in company.follows]
    people = [(one.id, one.name) for one in members]
    tweets = [
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
        for schema in ("feed", "notifications"):
            await owner.executemany(f"insert into {schema}.person values ($1, $2, 1)", people)
        for schema in ("users", "feed", "notifications"):
            await owner.executemany(
                f"insert into {schema}.follow (follower_id, followed_id, active, version)"
                " values ($1, $2, true, 1)",
                follows,
            )
        await owner.executemany(
            "insert into tweets.tweet (author_id, id, content, created_at)"
            " overriding system value values ($1, $2, 'seeded', now())", tweets,
        )  # fmt: skip
        await owner.execute(
            f"insert into feed.tweet (author_id, id, card)"
            f" select author_id, id, {_CARD} from tweets.tweet,"
            " lateral (select id - $1::bigint as n) as numbered"
            " where id >= $1 and id < $2",
            MEMBERS, MEMBERS + len(tweets),
        )  # fmt: skip
    tables = ("users.person", "users.api_key", "users.follow", "tweets.tweet")
    copies = ("notifications.person", "notifications.follow")
    await _vacuum(owner, *tables, *copies, *(f"feed.{table}" for table in _FEED))
    return members


async def create_pictures(
    owner: asyncpg.Connection, members: list[Member], each: int, before: int
) -> dict[int, list[int]]:
    """Creates records of pictures, `each` per person, as after an upload. Returns ids by owner.

    `before` is how many earlier calls have created. There are no files, which no scenario reads.
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
    by_owner: dict[int, list[int]] = {member.id: [] for member in members}
    for media_id, owner_id in pictures:
        by_owner[owner_id].append(media_id)
    return by_owner
