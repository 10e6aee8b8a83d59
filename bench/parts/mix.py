"""The social-network mix of DeathStarBench: 60 % home feed, 30 % a person's tweets, 10 % posting.

Texts have 256 characters and mention people, pictures are named; people are uniform, arrivals
exponential.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from bench import stack
from bench.accounting import Meter, memory
from bench.data import Member
from bench.load import Ask, closed, distribution, opened
from bench.scene import FEED, Scene

from .waits import LOAD

HOME, PERSON, POST = "home feed", "a person's tweets", "post"
_SHARES = (60, 30, 10)
LENGTH = 256
_CONNECTIONS = 32
_PICTURES = 2
"""Most on a tweet; few have them all."""


class Mix:
    def __init__(
        self, scene: Scene, members: list[Member], pictures: dict[int, list[int]], seed: int
    ) -> None:
        self._scene = scene
        self._members = members
        self._pictures = pictures
        self._chance = random.Random(seed)  # noqa: S311  a load, nothing secret

    def next(self) -> Ask:
        (kind,) = self._chance.choices((HOME, PERSON, POST), _SHARES)
        member = self._chance.choice(self._members)
        if kind == POST:
            return self.post(member)
        if kind == HOME:
            return self._scene.get(FEED, key=member.key, kind=kind)
        other = self._chance.choice(self._members)
        return self._scene.get(f"/api/users/{other.id}/tweets?limit=20", key=member.key, kind=kind)

    def post(self, member: Member) -> Ask:
        held = self._pictures[member.id]
        wanted = self._chance.randint(0, _PICTURES)
        taken = [held.pop() for _ in range(min(wanted, len(held)))]
        draft = {"tweet_data": self._text(), "tweet_media_ids": taken}
        return self._scene.write("POST", "/api/tweets", member.key, draft, POST, 201)

    def _text(self) -> str:
        mentioned = self._chance.sample(self._members, self._chance.randint(0, 3))
        words = [f"@{one.name}" for one in mentioned]
        return " ".join([*words, *self._words()])[:LENGTH]

    def _words(self) -> Iterator[str]:
        for _ in range(LENGTH // 5):
            yield self._chance.choice(("слово", "word", "ответ", "meeting", "вопрос", "answer"))


async def measure(scene: Scene) -> dict[str, Any]:
    members = await scene.members()
    mix = Mix(scene, members, await scene.pictures(8), seed=1)
    # As every person has asked for something lately in a company at work.
    await closed(scene.urls, mix.next, 2 * len(members), _CONNECTIONS)
    saturated = await closed(scene.urls, mix.next, scene.sizes.reads, _CONNECTIONS)
    await scene.settled()
    rate = saturated.rate * LOAD
    meter = Meter(stack.pids(scene.system), {scene.backend})
    load = asyncio.create_task(opened(scene.urls, mix.next, rate, scene.sizes.mix_seconds))
    await asyncio.sleep(scene.sizes.mix_seconds / 2)
    held = await asyncio.to_thread(memory, stack.pids(scene.system))
    measured = await load
    await scene.settled()
    used = meter.used()
    scene.say(f"{rate:,.0f}/s for {measured.seconds:.0f} s, {measured.failed} failed")
    return {
        "graph": scene.company.name,
        "people": scene.company.people,
        "follows": len(scene.company.follows),
        "saturation": saturated.rate,
        "rate": rate,
        "failed": measured.failed + saturated.failed,
        "generator": measured.generator,
        "kinds": {
            kind: distribution(measured.latencies.get(kind, [])) for kind in (HOME, PERSON, POST)
        },
        "us_by_part": {name: seconds / measured.answered * 1e6 for name, seconds in used.items()},
        "memory": held,
    }
