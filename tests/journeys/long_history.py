"""Rebuilds the feed from very many events, while people read and write.

    PYTHONPATH=.:libs .venv/bin/python -m tests.journeys.long_history 200000

The script uses a separate system, and wipes it before and afterwards. It inserts the events into
the outboxes of their producers, marked as published. Then it runs `backfill`, so that the serving
feed handles the events one by one. Then it runs `rebuild` while four people write and read;
`rebuild` compares the new copy with the old one.
"""

import asyncio
import os
import sys
from collections import Counter

import httpx

from bench.stack import run
from devstack.instance import Instance
from devstack.repository import REPOSITORY
from operate import postgres
from operate.terminal import say

from .company import company_at
from .load import crowd_of

SETTINGS = {
    "WARBLE_HOME": os.environ.get("WARBLE_TEST_HOME", ".local/test") + "-long-history",
    "WARBLE_PORT": str(int(os.environ.get("WARBLE_TEST_PORT", "18000")) + 300),
    "WARBLE_ENV_FILE": "",
    "GATEWAY_RATE_LIMITS": "off",
    "GATEWAY_WEB_DIR": str(REPOSITORY / "web" / "public"),
}
FIRST = 10_000_000
"""First id of the generated people and tweets, far above the ids of real ones."""
PEOPLE = 2_000
_INSERT = "insert into {schema}.outbox (routing_key, payload, published_at) {events}"
_PEOPLE = """
select 'user.registered.v1',
    jsonb_build_object('user_id', $1::bigint + n, 'name', 'Анна ' || n), now()
from generate_series(0, $2::int - 1) as n
"""
# One follow in ten and one like in ten are withdrawn.
_FOLLOWS = """
select case when taken_back then 'user.unfollowed.v1' else 'user.followed.v1' end,
    jsonb_build_object(
        'follower_id', $1::bigint + n % $2::int,
        'followed_id', $1::bigint + (n * 7919::bigint + n / $2::int + 1) % $2::int
    ), now()
from (
    select n, false as taken_back from generate_series(1, $3::int * 9 / 10) as n
    union all select n * 10, true from generate_series(1, $3::int / 10) as n
) as changes
"""
_TWEETS = """
select 'tweet.posted.v1', jsonb_build_object(
    'tweet_id', $1::bigint + n, 'author_id', $1::bigint + n * 7919::bigint % $2::int,
    'content', repeat('слово and word ', 5) || n, 'media_ids', '[]'::jsonb,
    'attachments', '[]'::jsonb, 'media', '[]'::jsonb, 'created_at', now()
), now()
from generate_series(0, $3::int - 1) as n
"""
_LIKES = """
select case when taken_back then 'tweet.unliked.v1' else 'tweet.liked.v1' end,
    jsonb_build_object(
        'tweet_id',
        $1::bigint + floor($4::int * power((n * 2654435761::bigint % 1000003) / 1000003.0, 3)),
        'user_id', $1::bigint + (n * 31::bigint + n / $2::int) % $2::int
    ), now()
from (
    select n, false as taken_back from generate_series(1, $3::int * 9 / 10) as n
    union all select n * 10, true from generate_series(1, $3::int / 10) as n
) as changes
"""
_DELETIONS = """
select 'tweet.deleted.v1', jsonb_build_object(
    'tweet_id', $1::bigint + n * 100, 'author_id', $1::bigint + n * 791900::bigint % $2::int,
    'media_ids', '[]'::jsonb
), now()
from generate_series(0, $3::int - 1) as n
"""


async def insert_events(instance: Instance, events: int) -> None:
    """Inserts events: of five, one is a follow, one a tweet, and almost three are likes."""
    tweets = events // 5
    deletions = tweets // 100
    likes = (events - PEOPLE - 2 * tweets - deletions) // 10 * 10
    rest = events - likes - tweets - deletions - PEOPLE
    follows = rest // 10 * 10
    async with postgres.connect(instance.database()) as owner:
        for schema, query, *counts in (
            ("users", _PEOPLE, PEOPLE + rest - follows),
            ("users", _FOLLOWS, PEOPLE, follows),
            ("tweets", _TWEETS, PEOPLE, tweets),
            ("tweets", _LIKES, PEOPLE, likes, tweets),
            ("tweets", _DELETIONS, PEOPLE, deletions),
        ):
            await owner.execute(_INSERT.format(schema=schema, events=query), FIRST, *counts)


async def rebuild_in_use(instance: Instance) -> None:
    statuses: Counter[int] = Counter()

    async def count(response: httpx.Response) -> None:
        statuses[response.status_code] += 1

    async with company_at(instance) as company:
        crowd = await crowd_of(company, 4)
        company.http.event_hooks = {"response": [count]}
        async with crowd.busy():
            seconds = await asyncio.to_thread(run, "operate", "rebuild", "feed", **SETTINGS)
        say(f"rebuilt in {seconds:.0f} s; responses to reads and writes meanwhile, by status:")
        say("  " + ", ".join(f"{code}: {number}" for code, number in sorted(statuses.items())))
        await crowd.read_what_was_written()
        say("every reader sees exactly the tweets that exist")


def main(arguments: list[str]) -> int:
    events = int(arguments[0]) if arguments else 200_000
    instance = Instance(
        REPOSITORY / SETTINGS["WARBLE_HOME"], int(SETTINGS["WARBLE_PORT"]), SETTINGS
    )
    run("devstack", "reset", YES="1", **SETTINGS)
    try:
        run("devstack", "up", **SETTINGS)
        asyncio.run(insert_events(instance, events))
        seconds = run("operate", "backfill", "feed", **SETTINGS)
        say(f"handled one by one in {seconds:.0f} s")
        asyncio.run(rebuild_in_use(instance))
    finally:
        run("devstack", "reset", YES="1", **SETTINGS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
