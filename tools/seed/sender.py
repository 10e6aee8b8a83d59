"""Sends a plan to the API, stage by stage. Each stage continues at its position in the journal."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from .client import Client
from .generated_pictures import generate_picture
from .journal import Journal
from .plan import Plan
from .progress import ProgressReport, StageProgress

MAX_CONCURRENCY = 24
_IN_FLIGHT_SECONDS = 3.0
"""How long the server may still process a call of a client that was killed."""

PEOPLE, FOLLOWS, TWEETS, LIKES = "people", "follows", "tweets", "likes"


class ImportInterrupted(Exception):
    """The user stopped the import. The calls in flight have ended."""


class Sender:
    def __init__(
        self, client: Client, plan: Plan, journal: Journal, progress: ProgressReport
    ) -> None:
        self.people = journal.people()
        self.tweets = journal.tweets()
        self.sending = False
        self.stopping = False
        self._client = client
        self._plan = plan
        self._journal = journal
        self._progress = progress

    async def send(self) -> None:
        """Raises ImportInterrupted, and what Client raises."""
        plan = self._plan
        await self._register()
        await self._send_idempotent(FOLLOWS, len(plan.follows), self._follow)
        await self._post_tweets()
        await self._send_idempotent(LIKES, len(plan.likes), self._like)

    def key(self, person: int) -> str:
        return self.people[person][1]

    # People. Registration is not idempotent: a person whom an earlier run may have registered is
    # searched by name first.

    async def _register(self) -> None:
        names = self._plan.names
        missing = [number for number in range(len(names)) if number not in self.people]
        reserved = self._journal.position(PEOPLE)
        uncertain = {number for number in missing if number < reserved}
        if uncertain:
            await asyncio.sleep(_IN_FLIGHT_SECONDS)

        async def send_one(number: int) -> None:
            self._journal.reserve(PEOPLE, number)
            user_id = await self._client.find_user(names[number]) if number in uncertain else None
            if user_id is None:
                account = await self._client.register(names[number])
            else:
                account = await self._client.rotate_key(user_id)
            self.people[number] = (account.id, account.key)
            self._journal.add_person(number, account.id, account.key)

        with self._progress.stage(PEOPLE, len(names), len(self.people)) as progress:
            await self._each(missing, send_one, progress)

    # Tweets. A repeated tweet has the same draft id, so the API returns the first one.

    async def _post_tweets(self) -> None:
        async def send_one(number: int) -> None:
            self.tweets[number] = await self._post(number)
            self._journal.add_tweet(number, self.tweets[number])

        total = len(self._plan.tweets)
        missing = [number for number in range(total) if number not in self.tweets]
        with self._progress.stage(TWEETS, total, len(self.tweets)) as progress:
            await self._each(missing, send_one, progress)

    async def _post(self, number: int) -> int:
        author, text = self._plan.tweets[number]
        key = self.key(author)
        media_ids = []
        if number in self._plan.with_picture:
            seed = self._plan.picture_seed(number)
            name, picture = await asyncio.to_thread(generate_picture, seed)
            media_ids.append(await self._client.upload(key, picture, name))
        return await self._client.post(key, text, media_ids, self._plan.draft_id(number))

    # Follows and likes, which are idempotent.

    async def _follow(self, number: int) -> None:
        follower, other = self._plan.follows[number]
        await self._client.follow(self.key(follower), self.people[other][0])

    async def _like(self, number: int) -> None:
        person, tweet = self._plan.likes[number]
        await self._client.like(self.key(person), self.tweets[tweet])

    async def _send_idempotent(
        self, name: str, total: int, send: Callable[[int], Awaitable[None]]
    ) -> None:
        position = self._journal.position(name)
        completed_ahead: set[int] = set()

        async def send_one(number: int) -> None:
            nonlocal position
            await send(number)
            completed_ahead.add(number)
            while position in completed_ahead:
                completed_ahead.remove(position)
                position += 1
            self._journal.set_position(name, position)

        with self._progress.stage(name, total, position) as progress:
            await self._each(range(position, total), send_one, progress)

    async def _each(
        self,
        numbers: Iterable[int],
        work: Callable[[int], Awaitable[None]],
        progress: StageProgress,
    ) -> None:
        """Runs `work` for all numbers, started in this order, MAX_CONCURRENCY at the same time."""
        remaining = iter(numbers)

        async def run_worker() -> None:
            for number in remaining:
                if self.stopping:
                    return
                await work(number)
                progress.advance()

        self.sending = True
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(MAX_CONCURRENCY):
                    group.create_task(run_worker())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self.sending = False
            self._journal.save()
        if self.stopping:
            raise ImportInterrupted
