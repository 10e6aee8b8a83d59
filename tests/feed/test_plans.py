"""The cost of a read does not grow with the tables: no read scans a whole table."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from chassis.database.pool import Pool
from chassis.database.session import Database, execute
from services.feed import conversations, fragments, queries
from services.feed.invalidating_cache import InvalidatingCache
from services.feed.page_cache import PageCache
from services.feed.selections import Order, Replies, Scope, Selection

# A company of 5,000 people: each has posted a tweet with a hashtag, and all of them like the first
# two tweets. 2,500 replies are below the first tweet,
# and as many below others.
_COMPANY = """
insert into person (id, name, version) select n, 'Person ' || n, 1 from generate_series(1, 5000) n;
insert into follow (follower_id, followed_id, active, version)
select follower, 1 + followed, true, 1
from generate_series(1, 50) follower, generate_series(1, 100) followed;
insert into tweet (id, author_id, like_count, card)
select n, n, case when n <= 2 then 5000 else 0 end, '"id":' || n from generate_series(1, 5000) n;
insert into tweet_like (tweet_id, user_id, active, version)
select tweet_id, n, true, n from generate_series(1, 2) tweet_id, generate_series(1, 5000) n;
insert into tweet (id, author_id, card, parent_id, root_id, depth, ancestors)
select 5000 + n, n, '"id":' || 5000 + n, root, root, 1, array[root]
from (select n, case when n % 2 = 0 then 1 else n end from generate_series(1, 5000) n) r (n, root);
insert into reply (ancestor_id, aside, tweet_id)
select parent_id, true, id from tweet where parent_id is not null;
insert into tweet_tag (tag, tweet_id, spelling)
select 'tag' || n % 50, n, '' from generate_series(1, 5000) n;
insert into tag_follow (user_id, tag, active, version)
select n, 'tag' || n % 50, true, 1 from generate_series(1, 5000) n;
"""
_SCANS = """
select relname::text, seq_scan from pg_stat_user_tables
where schemaname = 'feed' and relname = any($1)
"""


async def _all(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


TABLES = ["person", "follow", "tweet", "tweet_like", "reply", "tweet_tag", "tag_follow"]
_CONVERSATIONS = Selection(7, replies=Replies.conversations)

READS: dict[str, Callable[[Pool], Awaitable[Any]]] = {
    "the people whom the reader follows": lambda pool: fragments.followed(pool, 7),
    "the first of some authors": lambda pool: fragments.first_tweets(
        pool, [3, 4], Order.popular, 20, [1, 2, 30]
    ),
    "the newest of some authors": lambda pool: fragments.first_tweets(
        pool, [3, 4], Order.recent, 20, [1, 2, 30]
    ),
    "cards": lambda pool: fragments.cards(pool, [1, 2, 30]),
    "own likes": lambda pool: fragments.own_likes(pool, 4000, [1, 2, 30]),
    "a page": lambda pool: queries.page(pool, Selection(7)),
    "a page of everyone's": lambda pool: queries.page(pool, Selection(7, scope=Scope.everyone)),
    "the newest": lambda pool: queries.page(pool, Selection(7, Order.recent)),
    "a person's": lambda pool: queries.page(pool, Selection(7, Order.recent, author_id=3)),
    "a whole feed": lambda pool: _all(queries.whole_feed(pool, Selection(7, limit=1000))),
    "likers": lambda pool: queries.likers(pool, 1, None, 20),
    "a popular page with conversations": lambda pool: conversations.choose(pool, _CONVERSATIONS),
    "a recent page with conversations": lambda pool: conversations.choose(
        pool, replace(_CONVERSATIONS, order=Order.recent)
    ),
    "all replies": lambda pool: queries.page(pool, Selection(7, replies=Replies.all)),
    "a tag": lambda pool: queries.page(pool, Selection(7, tag="tag7")),
    "the newest of a tag": lambda pool: queries.page(pool, Selection(7, Order.recent, tag="tag7")),
    "a period": lambda pool: queries.page(pool, Selection(7, since_id=4990)),
    "a period of everyone's": lambda pool: queries.page(
        pool, Selection(7, scope=Scope.everyone, since_id=4990)
    ),
    "a person's pictures": lambda pool: queries.page(
        pool, Selection(7, Order.recent, author_id=3, only_media=True)
    ),
    "a person's likes": lambda pool: queries.liked_tweets(pool, 7, 30, None, 20),
    "a thread": lambda pool: _thread(pool, 1),
    "a reply's thread": lambda pool: _thread(pool, 6000),
}


async def _thread(pool: Pool, tweet_id: int) -> bytes:
    pages = PageCache(pool, InvalidatingCache(1_000_000))
    return await pages.thread_page(7, tweet_id, 50, from_cache=False)


@pytest.fixture
async def company(database: Database) -> None:
    async with database.transaction() as session:
        for table in TABLES:
            await execute(session, text(f"delete from {table}"))
        for statement in _COMPANY.split(";\n")[:-1]:
            await execute(session, text(statement))
        await execute(session, text(f"analyze {', '.join(TABLES)}"))


async def test_no_read_of_the_feed_scans_a_whole_table(company: None, connections: Pool) -> None:
    async def scans() -> dict[str, int]:
        # The pool gives the connection that was released last, whose statistics are flushed here.
        async with connections.acquire() as connection:
            await connection.execute("select pg_stat_force_next_flush()")
            return dict(await connection.fetch(_SCANS, TABLES))

    scanned = {}
    for name, read in READS.items():
        before = await scans()
        await read(connections)
        after = await scans()
        scanned[name] = [table for table, count in after.items() if count > before[table]]

    assert not {name: tables for name, tables in scanned.items() if tables}
