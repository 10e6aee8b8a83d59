"""People who write and read constantly, while a test changes or restarts parts of the system."""

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
        """Posts, reads, likes and sometimes deletes. Every call must succeed.

        A read must contain the person's own last tweet, unless the response declares itself stale.
        """
        person, number = self.person, self.rounds
        pictures = [await person.upload()] if number % 10 == 0 else []
        self.written.append(await person.post(f"number {number}", pictures))
        read = await person.ask("GET", "/api/tweets?order=recent&limit=100")
        assert read.is_success, read.text
        shown = [tweet["id"] for tweet in read.json()["tweets"]]
        assert self.written[-1] in shown or read.headers["warble-stale"] == "true"
        for method in ("POST", "DELETE", "POST"):
            # 404: its author may have deleted the tweet since the read.
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
        """Returns when every member's feed contains exactly the tweets that exist."""
        for member in self.members:
            await eventually(lambda: self._is_shown(member.person))  # noqa: B023

    async def _is_shown(self, person: Person) -> bool:
        return sorted(await person.feed_ids()) == self.written()

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """The members act inside the `with` block. Raises the error of a call that fails."""
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
            # What the test does meanwhile needs the processor, too.
            await asyncio.sleep(0.1)

    async def go_on(self, rounds: int) -> None:
        """Returns when every member has started and finished `rounds` more rounds."""
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
