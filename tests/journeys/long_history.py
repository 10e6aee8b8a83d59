"""A feed made anew of very many events, while people read and write.

    PYTHONPATH=.:libs .venv/bin/python -m tests.journeys.long_history 200000

On a system of its own, which is wiped before and afterwards. It writes the events into the outboxes
of their producers, as published; has the feed that serves take them in one by one, by its handlers;
then four people write and read while the feed is made anew, and the two are compared.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter

import httpx

from deploy.local import postgres
from deploy.local.instance import Instance
from deploy.local.places import REPOSITORY
from deploy.local.terminal import say

from .company import company_at
from .crowd import crowd_of

SETTINGS = {
    "WARBLE_HOME": os.environ.get("WARBLE_TEST_HOME", ".local/test") + "-long-history",
    "WARBLE_PORT": str(int(os.environ.get("WARBLE_TEST_PORT", "18000")) + 300),
    "WARBLE_ENV_FILE": "",
    "GATEWAY_RATE_LIMITS": "off",
    "GATEWAY_WEB_DIR": str(REPOSITORY / "web" / "public"),
}
FIRST = 10_000_000
"""Ids of people and of tweets begin where no real one is."""
PEOPLE = 2_000
_KEPT = "insert into {schema}.outbox (routing_key, payload, published_at) {events}"
_PEOPLE = """
select 'user.registered.v1',
    jsonb_build_object('user_id', $1::bigint + n, 'name', 'Анна ' || n), now()
from generate_series(0, $2::int - 1) as n
"""
# Each tenth follow and each tenth like is taken back.
_FOLLOWS = """
select case when taken_back then 'user.unfollowed.v1' else 'user.followed.v1' end,
    jsonb_build_object(
        'follower_id', $1::bigint + n % $2::int,
        'followed_id', $1::bigint + (n * 7919::bigint + n / $2::int + 1) % $2::int
    ), now()
from (
    select n, false as taken_back from generate_series(1, $3::int * 9 / 10) as n
    union all select n * 10, true from generate_series(1, $3::int / 10) as n
) as told
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
) as told
"""
_DELETIONS = """
select 'tweet.deleted.v1', jsonb_build_object(
    'tweet_id', $1::bigint + n * 100, 'author_id', $1::bigint + n * 791900::bigint % $2::int,
    'media_ids', '[]'::jsonb
), now()
from generate_series(0, $3::int - 1) as n
"""


async def tell(instance: Instance, events: int) -> None:
    """Of each five events one is a follow, one a tweet, and almost three are likes."""
    tweets = events // 5
    deletions = tweets // 100
    likes = (events - PEOPLE - 2 * tweets - deletions) // 10 * 10
    rest = events - likes - tweets - deletions - PEOPLE
    follows = rest // 10 * 10
    async with postgres.connected(instance.database()) as owner:
        for schema, told, *counts in (
            ("users", _PEOPLE, PEOPLE + rest - follows),
            ("users", _FOLLOWS, PEOPLE, follows),
            ("tweets", _TWEETS, PEOPLE, tweets),
            ("tweets", _LIKES, PEOPLE, likes, tweets),
            ("tweets", _DELETIONS, PEOPLE, deletions),
        ):
            await owner.execute(_KEPT.format(schema=schema, events=told), FIRST, *counts)


def local(*arguments: str) -> float:
    """What `make` runs; it tells of itself. Gives the seconds that it took."""
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **SETTINGS, "YES": "1"},
        check=True,
    )
    return time.monotonic() - begun


async def rebuild_in_use(instance: Instance) -> None:
    answered: Counter[int] = Counter()

    async def note(answer: httpx.Response) -> None:
        answered[answer.status_code] += 1

    async with company_at(instance) as company:
        crowd = await crowd_of(company, 4)
        company.http.event_hooks = {"response": [note]}
        async with crowd.busy():
            seconds = await asyncio.to_thread(local, "rebuild", "feed")
        say(f"rebuilt in {seconds:.0f} s; answers to those who read and wrote meanwhile:")
        say("  " + ", ".join(f"{count} of {code}" for code, count in sorted(answered.items())))
        await crowd.read_what_was_written()
        say("each of them reads what was written, and no more")


def main(arguments: list[str]) -> int:
    events = int(arguments[0]) if arguments else 200_000
    instance = Instance(
        REPOSITORY / SETTINGS["WARBLE_HOME"], int(SETTINGS["WARBLE_PORT"]), SETTINGS
    )
    local("reset")
    try:
        local("up")
        asyncio.run(tell(instance, events))
        seconds = local("missed", "feed")
        say(f"taken in one by one in {seconds:.0f} s")
        asyncio.run(rebuild_in_use(instance))
    finally:
        local("reset")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
