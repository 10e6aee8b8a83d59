"""`make bench`: starts a system of its own, loads it, measures, and writes down what it found."""

import asyncio
import json
import platform
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from rich.console import Console

from deploy.local import postgres
from deploy.local.instance import Instance

from . import data, report, stack
from .load import opened, request
from .measure import Cost, cost

HERE = Path(__file__).parent
TWEETS, AUTHORS, FOLLOWED = 20_000, 500, 40
GROWTH_TWEETS = (10_000, 100_000, 1_000_000)
GROWTH_FOLLOWED = (10, 100, 1_000)
FEED = "/api/tweets?limit=20"
OPEN_SECONDS = 15
CONNECTIONS = 16
_TURNS = ("POST", "DELETE")
UNHEARD = {"warble_events": "users:1"}
"""An event of long ago, that nobody remembers to have heard of: the database answers."""

console = Console(highlight=False)


async def _changes(tables: asyncpg.Connection, reader_id: int) -> Callable[[], Awaitable[None]]:
    """Has one of the authors whom the reader follows change, as somebody's like of a tweet does."""
    followed = await tables.fetch(
        "select followed_id from follow where follower_id = $1", reader_id
    )
    authors = cycle(row["followed_id"] for row in followed)

    async def change() -> None:
        await tables.execute(f"select pg_notify('feed_changes', 'author {next(authors)}')")

    return change


class Bench:
    def __init__(self, system: Instance, hello_url: str, hello_pid: int) -> None:
        self._system = system
        self._hello = hello_url, hello_pid
        self._url = system.gateway_url
        self._pids = stack.pids(system)
        self._key = ""
        self._reader_id = 0
        self.found: dict[str, Any] = {}

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=60) as http:
            admin = {"api-key": self._system.admin_key}
            made = (await http.post("/api/users", json={"name": "Reader"}, headers=admin)).json()
            self._key, self._reader_id = made["api_key"], made["user_id"]
            async with postgres.connected(self._system.service_environment("feed")) as tables:
                await self._costs(http, tables)
                await self._waits()
                await self._growth(tables)

    async def _yardstick(self, connections: int) -> Cost:
        url, pid = self._hello
        raw = request(url, "/")
        return await cost(url, lambda: raw, {"hello": pid}, connections=connections)

    async def _cost(
        self,
        name: str,
        choose: Callable[[], bytes],
        count: int = 2000,
        status: int = 200,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Beside each figure stands the yardstick of the same minute."""
        connections = CONNECTIONS if before is None else 1
        hello = await self._yardstick(connections)
        ours = await cost(
            self._url, choose, self._pids, count, connections, expected=(status,), before=before
        )
        if ours.failed:
            raise RuntimeError(f"{name}: {ours.failed} answers were not {status}")
        self.found.setdefault("costs", {})[name] = {
            "hello_us": hello.total * 1e6,
            "us_by_part": {part: seconds * 1e6 for part, seconds in ours.by_part.items()},
            "times_hello": ours.total / hello.total,
            "rate": ours.rate,
            "rate_of_hello": ours.rate / hello.rate,
        }
        console.print(f"  {name}: {ours.total / hello.total:.2f} × hello")

    def _get(self, path: str, **headers: str) -> Callable[[], bytes]:
        raw = request(self._url, path, "GET", b"", api_key=self._key, **headers)
        return lambda: raw

    async def _costs(self, http: httpx.AsyncClient, tables: asyncpg.Connection) -> None:
        console.print("CPU time a request")
        await data.fill(tables, TWEETS, AUTHORS)
        await data.follow(tables, self._reader_id, AUTHORS, FOLLOWED)
        mine = {"api-key": self._key}
        page = await http.get(FEED, headers=mine)
        self.found["page_bytes"] = len(page.content)
        await self._cost("feed, page fresh", self._get(FEED))
        await self._cost(
            "feed, unchanged (304)", self._get(FEED, if_none_match=page.headers["etag"]), status=304
        )
        await self._rebuilt("feed, page rebuilt", tables)
        await self._cost("feed, read by the database", self._get(FEED, **UNHEARD))
        await self._cost("a person's tweets", self._get(f"/api/users/{data.FIRST + 1}/tweets"))
        await self._cost("a profile", self._get("/api/users/me"), 1000)
        tweet = await http.post("/api/tweets", json={"tweet_data": "…"}, headers=mine)
        likes = f"/api/tweets/{tweet.json()['tweet_id']}/likes"
        turns = cycle(request(self._url, likes, how, api_key=self._key) for how in _TURNS)
        await self._cost("like and unlike", lambda: next(turns), 400)
        body = json.dumps({"tweet_data": "слово and word " * 17}).encode()
        json_body = "application/json"
        post = request(
            self._url, "/api/tweets", "POST", body, api_key=self._key, content_type=json_body
        )
        await self._cost("post", lambda: post, 400, status=201)

    async def _rebuilt(self, name: str, tables: asyncpg.Connection) -> None:
        change = await _changes(tables, self._reader_id)
        await self._cost(name, self._get(FEED), 1000, before=change)

    async def _waits(self) -> None:
        """How long somebody waits, at half of what can be served."""
        rate = self.found["costs"]["feed, page fresh"]["rate"] / 2
        measured = await opened(self._url, self._get(FEED), rate, OPEN_SECONDS)
        self.found["waits"] = {
            "rate": rate,
            "failed": measured.failed,
            **{f"p{share}_ms": measured.percentile(share / 100) * 1e3 for share in (50, 99, 99.9)},
        }
        console.print("Waiting", self.found["waits"])

    async def _growth(self, tables: asyncpg.Connection) -> None:
        """The same page, made anew after a change, of more and more."""
        console.print("Growth")
        for followed in GROWTH_FOLLOWED:
            if followed > AUTHORS:
                await data.fill(tables, TWEETS, followed * 2)
            await data.follow(tables, self._reader_id, max(AUTHORS, followed * 2), followed)
            await self._rebuilt(f"{followed:,} followed", tables)
        for tweets in GROWTH_TWEETS:
            await data.fill(tables, tweets, AUTHORS)
            await data.follow(tables, self._reader_id, AUTHORS, FOLLOWED)
            await self._rebuilt(f"{tweets:,} tweets", tables)


def machine() -> dict[str, str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, cwd=HERE, capture_output=True, text=True, check=False).stdout
    return {
        "date": date.today().isoformat(),  # noqa: DTZ011  a day as people count it
        "processor": model,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "commit": commit.strip(),
    }


def main() -> int:
    with stack.running() as system, stack.hello(system.offset(stack.HELLO_OFFSET)) as (url, pid):
        bench = Bench(system, url, pid)
        asyncio.run(bench.run())
        found = {"machine": machine(), **bench.found}
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "RESULTS.md").write_text(report.text(found))
    console.print("Written: bench/RESULTS.md, bench/results.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
