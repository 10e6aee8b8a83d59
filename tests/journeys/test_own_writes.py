"""A person's next read contains the person's own last write, also under concurrent writes."""

import asyncio
import random

import httpx
import pytest

from tests.waiting import eventually

from .company import Company, Person, until

OTHERS = 20


class Writer:
    """Makes one random write at a time and knows what the next read must show."""

    def __init__(self, person: Person, colleagues: list[Person], seed: int) -> None:
        self.person = person
        self.random = random.Random(seed)
        self.colleagues = {colleague.id: colleague for colleague in colleagues}
        self.followed: set[int] = set()
        self.tweets: dict[int, bool] = {}
        """Whether the person likes them, by the ids of the person's own tweets."""

    async def write(self) -> str:
        choice = self.random.choice(["post", "like", "unlike", "follow", "unfollow", "delete"])
        tweet_id = self.random.choice([*self.tweets]) if self.tweets else None
        other = self.random.choice([*self.colleagues])
        if choice == "follow":
            await self.person.done("POST", f"/api/users/{other}/follow")
            self.followed.add(other)
        elif choice == "unfollow":
            await self.person.done("DELETE", f"/api/users/{other}/follow")
            self.followed.discard(other)
        elif choice == "post" or tweet_id is None:
            self.tweets[await self.person.post(f"{self.random.random()}")] = False
        elif choice == "delete":
            await self.person.done("DELETE", f"/api/tweets/{tweet_id}")
            del self.tweets[tweet_id]
        else:
            method = "POST" if choice == "like" else "DELETE"
            await self.person.done(method, f"/api/tweets/{tweet_id}/likes")
            self.tweets[tweet_id] = choice == "like"
        return choice

    async def stale(self, colleagues_with_tweets: set[int]) -> list[str]:
        """Reads the feed; describes each difference from what it must show."""
        feed = (await eventually(self._read)).json()["tweets"]
        own = {
            tweet["id"]: tweet["liked"] for tweet in feed if tweet["author"]["id"] == self.person.id
        }
        authors = {tweet["author"]["id"] for tweet in feed} - {self.person.id}
        wrong = []
        if own != self.tweets:
            wrong.append(f"own tweets are {own}, not {self.tweets}")
        if authors != self.followed & colleagues_with_tweets:
            wrong.append(f"authors are {authors}, not {self.followed}")
        return wrong

    async def _read(self) -> httpx.Response | None:
        response = await self.person.ask("GET", "/api/tweets")
        # On a busy machine a write may take longer than the read waits; then the response says so.
        return None if "warble-stale" in response.headers else response


class Colleague:
    """Writes concurrently: a tweet, a like for it, its deletion, and again."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.tweet_id = 0
        self.written = 0

    async def write(self) -> None:
        step = self.written % 3
        if step == 0:
            self.tweet_id = await self.person.post(f"number {self.written}")
        elif step == 1:
            await self.person.done("POST", f"/api/tweets/{self.tweet_id}/likes")
        else:
            await self.person.done("DELETE", f"/api/tweets/{self.tweet_id}")
        self.written += 1


@pytest.mark.parametrize("writes", [10, pytest.param(500, marks=pytest.mark.slow)])
async def test_each_write_is_in_the_next_read_while_20_others_write(
    company: Company, writes: int
) -> None:
    people = [await company.hire(f"Other {number}") for number in range(OTHERS)]
    for person in people:
        await person.post("the first")
        await until(person, lambda feed: len(feed) == 1)
    others = [Colleague(person) for person in people]
    writer = Writer(await company.hire("Ann"), people, seed=1)
    with_tweets = {person.id for person in people}
    stale = []

    for number in range(writes):
        async with asyncio.TaskGroup() as beside:
            for other in others:
                beside.create_task(other.write())
            choice = await writer.write()
            stale += [f"{number} {choice}: {wrong}" for wrong in await writer.stale(with_tweets)]

    assert stale == []


async def test_a_gateway_that_has_forgotten_the_write_is_told_by_the_client(
    company: Company,
) -> None:
    """Each write returns its events in a header and a cookie, for requests to other gateways."""
    ann = await company.hire("Ann")

    response = await ann.ask("POST", "/api/tweets", json={"tweet_data": "…"})

    assert response.headers["warble-events"].startswith("tweets:")
    cookie = response.headers["set-cookie"]
    assert "warble_after=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
