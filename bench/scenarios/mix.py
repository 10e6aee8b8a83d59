"""The social-network mix of DeathStarBench: 60 % home feed, 30 % a person's tweets, 10 % posting.

Texts have 256 characters and mention people; tweets have pictures. People are drawn uniformly,
arrivals are exponential.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from bench import stack
from bench.data import Member
from bench.fixture import FEED, Fixture
from bench.load import Request, closed_loop, distribution, open_loop

HOME, PERSON, POST = "home feed", "a person's tweets", "post"
_SHARES = (60, 30, 10)
LOAD = 0.5
"""The rate of the open loop, as a share of the maximum throughput."""
LENGTH = 256
_CONNECTIONS = 32
_MAX_PICTURES = 2
"""Per tweet."""


class Mix:
    def __init__(
        self, fixture: Fixture, members: list[Member], pictures: dict[int, list[int]], seed: int
    ) -> None:
        self._fixture = fixture
        self._members = members
        self._pictures = pictures
        self._chance = random.Random(seed)  # noqa: S311 (not a secret)

    def next(self) -> Request:
        (kind,) = self._chance.choices((HOME, PERSON, POST), _SHARES)
        member = self._chance.choice(self._members)
        if kind == POST:
            return self.post(member)
        if kind == HOME:
            return self._fixture.get(FEED, key=member.key, kind=kind)
        other = self._chance.choice(self._members)
        return self._fixture.get(
            f"/api/users/{other.id}/tweets?limit=20", key=member.key, kind=kind
        )

    def post(self, member: Member) -> Request:
        available = self._pictures[member.id]
        count = self._chance.randint(0, _MAX_PICTURES)
        media_ids = [available.pop() for _ in range(min(count, len(available)))]
        draft = {"tweet_data": self._text(), "tweet_media_ids": media_ids}
        return self._fixture.write("POST", "/api/tweets", member.key, draft, POST, 201)

    def _text(self) -> str:
        mentioned = self._chance.sample(self._members, self._chance.randint(0, 3))
        words = [f"@{one.name}" for one in mentioned]
        return " ".join([*words, *self._words()])[:LENGTH]

    def _words(self) -> Iterator[str]:
        for _ in range(LENGTH // 5):
            yield self._chance.choice(("слово", "word", "ответ", "meeting", "вопрос", "answer"))


async def measure(fixture: Fixture) -> dict[str, Any]:
    members = await fixture.members()
    mix = Mix(fixture, members, await fixture.pictures(8), seed=1)
    # Warm up: in a company at work, every person has sent requests lately.
    await closed_loop(fixture.urls, mix.next, 2 * len(members), _CONNECTIONS)
    saturated = await closed_loop(fixture.urls, mix.next, fixture.sizes.reads, _CONNECTIONS)
    await fixture.settled()
    rate = saturated.rate * LOAD
    load = asyncio.create_task(open_loop(fixture.urls, mix.next, rate, fixture.sizes.mix_seconds))
    await asyncio.sleep(fixture.sizes.mix_seconds / 2)
    memory_used = await asyncio.to_thread(stack.memory, fixture.system)
    measured = await load
    await fixture.settled()
    fixture.say(f"{rate:,.0f}/s for {measured.seconds:.0f} s, {measured.failed} failed")
    return {
        "graph": fixture.company.name,
        "people": fixture.company.people,
        "follows": len(fixture.company.follows),
        "saturation": saturated.rate,
        "rate": rate,
        "failed": measured.failed + saturated.failed,
        "generator": measured.generator,
        "kinds": {
            kind: distribution(measured.latencies.get(kind, [])) for kind in (HOME, PERSON, POST)
        },
        "memory": memory_used,
    }
