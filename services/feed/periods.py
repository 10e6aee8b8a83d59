"""Finds the first tweet of a period such as the last week, or of a day.

Ids grow with time, so a period is a range of ids, and no index of times is needed: a binary search
over the ids reads some 20 rows. The result is kept for a while, because a period of a week need not
begin at the second.
"""

import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from chassis.database.pool import Pool

_KEPT_SECONDS = 300
_MAX_KEPT_MOMENTS = 1_000

_LATEST = "select coalesce(max(id), 0) as id from tweet where visible"
_TWEET_FROM = """
select id, (('{' || card || '}')::json ->> 'created_at')::timestamptz as created_at
from tweet where visible and id >= $1 order by id limit 1
"""


class Periods:
    def __init__(self, connections: Pool) -> None:
        self._connections = connections
        self._kept: dict[int, tuple[float, int]] = {}
        self._moments: OrderedDict[datetime, int] = OrderedDict()

    async def first_id(self, days: int) -> int:
        """The id of the first tweet of the last `days` days, or a higher one that is not used."""
        read_at, first = self._kept.get(days, (0.0, 0))
        if not first or time.monotonic() - read_at > _KEPT_SECONDS:
            first = await self._search(datetime.now(UTC) - timedelta(days=days))
            self._kept[days] = time.monotonic(), first
        return first

    async def first_id_from(self, moment: datetime) -> int:
        """The id of the first tweet at or after this moment, or a higher one that is not used."""
        if moment in self._moments:
            return self._moments[moment]
        first = await self._search(moment)
        # Until a while later, tweets of that moment may still arrive.
        if moment < datetime.now(UTC) - timedelta(hours=1):
            self._moments[moment] = first
            if len(self._moments) > _MAX_KEPT_MOMENTS:
                self._moments.popitem(last=False)
        return first

    async def _search(self, start: datetime) -> int:
        low = 1
        (latest,) = await self._connections.fetch(_LATEST)
        high = latest["id"] + 1
        while low < high:
            middle = (low + high) // 2
            rows = await self._connections.fetch(_TWEET_FROM, middle)
            if not rows or rows[0]["created_at"] >= start:
                high = middle
            else:
                low = rows[0]["id"] + 1
        return low
