"""Counts hashtags: which ones are used now, for suggestions and for "tags of the week".

All tags of the last month are counted in one statement, at most every REFRESH_SECONDS, and kept in
memory. So a count is a little behind, and its cost depends on a month's tweets and not on all.
"""

import asyncio
import time
from collections.abc import Collection
from typing import NamedTuple

from chassis import plain_text
from chassis.database.pool import Pool

from .periods import Periods

REFRESH_SECONDS = 5.0
_MAX_SHARE_OF_TIME = 0.01
"""Counting takes at most this share of the time: after a count of 200 ms there is a pause of 20 s.
"""
MONTH_DAYS, WEEK_DAYS = 30, 7

_COUNT = """
select tag, count(*) as month, count(*) filter (where tweet_id >= $2) as week,
    (array_agg(spelling order by tweet_id))[1] as spelling
from tweet_tag where tweet_id >= $1
group by tag
"""
_FOLLOWED = "select tag from tag_follow where user_id = $1 and active order by tag"
_SPELLING = "select spelling from tweet_tag where tag = $1 order by tweet_id limit 1"


class TagCount(NamedTuple):
    tag: str
    """The folded tag, as entities and the parameter `tag` have it."""
    name: str
    """The spelling that was used first."""
    month: int
    week: int


class Tags:
    def __init__(self, connections: Pool, periods: Periods) -> None:
        self._connections = connections
        self._periods = periods
        self._counts: list[TagCount] = []
        self._next_count = 0.0
        self._lock = asyncio.Lock()

    async def matching(self, query: str, limit: int) -> list[TagCount]:
        """Tags that begin with the query, those of most tweets in the last month first."""
        folded = plain_text.fold(query.removeprefix("#"))
        counts = [count for count in await self._current() if count.tag.startswith(folded)]
        return sorted(counts, key=lambda count: (-count.month, count.tag))[:limit]

    async def of_the_week(self, limit: int) -> list[TagCount]:
        """The tags of most tweets in the last week."""
        counts = [count for count in await self._current() if count.week]
        return sorted(counts, key=lambda count: (-count.week, count.tag))[:limit]

    async def followed(self, user_id: int) -> Collection[str]:
        return [row["tag"] for row in await self._connections.fetch(_FOLLOWED, user_id)]

    async def one(self, tag: str) -> TagCount:
        """The counts of a tag, which may be 0."""
        folded = plain_text.fold(tag.removeprefix("#"))
        for count in await self._current():
            if count.tag == folded:
                return count
        rows = await self._connections.fetch(_SPELLING, folded)
        return TagCount(folded, rows[0]["spelling"] if rows else folded, 0, 0)

    async def _current(self) -> list[TagCount]:
        async with self._lock:
            started_at = time.monotonic()
            if started_at >= self._next_count:
                month = await self._periods.first_id(MONTH_DAYS)
                week = await self._periods.first_id(WEEK_DAYS)
                rows = await self._connections.fetch(_COUNT, month, week)
                self._counts = [
                    TagCount(row["tag"], row["spelling"], row["month"], row["week"]) for row in rows
                ]
                now = time.monotonic()
                pause = max(REFRESH_SECONDS, (now - started_at) / _MAX_SHARE_OF_TIME)
                self._next_count = now + pause
            return self._counts
