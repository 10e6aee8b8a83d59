"""People who write and read all the time while something is done to the system beneath them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.waiting import eventually

from .company import Company, Person


@dataclass
class Member:
    person: Person
    written: list[int] = field(default_factory=list)
    rounds: int = 0

    async def go_round(self) -> None:
        """One of each thing that people do; every call must succeed, and one's own be read."""
        person, number = self.person, self.rounds
        pictures = [await person.upload()] if number % 10 == 0 else []
        self.written.append(await person.post(f"number {number}", pictures))
        read = await person.ask("GET", "/api/tweets?order=recent&limit=100")
        assert read.is_success, read.text
        shown = [tweet["id"] for tweet in read.json()["tweets"]]
        assert self.written[-1] in shown or read.headers["warble-stale"] == "true"
        for method in ("POST", "DELETE", "POST"):
            # Its author may have deleted it by now.
            liking = await person.ask(method, f"/api/tweets/{shown[0]}/likes")
            assert liking.status_code in (200, 404), liking.text
        if number % 5 == 4:
            await person.done("DELETE", f"/api/tweets/{self.written.pop()}")
            await person.done("GET", "/api/users/me")
        self.rounds += 1


class Crowd:
    """Everybody follows everybody, so that all of them read the same tweets."""

    def __init__(self, people: list[Person]) -> None:
        self.members = [Member(person) for person in people]
        self._done = asyncio.Event()

    def written(self) -> list[int]:
        return sorted(tweet_id for member in self.members for tweet_id in member.written)

    async def read_what_was_written(self) -> None:
        """Returns once each of them is shown all of it, and no more."""
        for member in self.members:
            await eventually(lambda: self._is_shown(member.person))  # noqa: B023

    async def _is_shown(self, person: Person) -> bool:
        return sorted(await person.feed_ids()) == self.written()

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Within, they write and read. Raises what a call raises that did not succeed."""
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(self._live(member))
            try:
                yield
            finally:
                self._done.set()

    async def _live(self, member: Member) -> None:
        while not self._done.is_set():
            await member.go_round()

    async def go_on(self, rounds: int) -> None:
        """Returns when each has begun and ended that many rounds more."""
        wanted = [member.rounds + rounds + 1 for member in self.members]
        while any(
            member.rounds < until for member, until in zip(self.members, wanted, strict=True)
        ):
            await asyncio.sleep(0.05)


async def crowd_of(company: Company, size: int) -> Crowd:
    people = [await company.hire(f"Person {number}") for number in range(size)]
    for person in people:
        for other in people:
            if other is not person:
                await person.follow(other)
    return Crowd(people)
