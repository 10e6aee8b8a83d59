"""Sends a plan to the API, stage by stage. Each stage continues at its position in the journal."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from rich.console import Console

from tools.api_client import Api, Person

from .generated_pictures import generate_picture
from .journal import Journal
from .plan import Plan
from .progress import StageProgress, stage

MAX_CONCURRENCY = 24
_IN_FLIGHT_SECONDS = 3.0
"""How long the server may still process a call of a client that was killed."""

PEOPLE, FOLLOWS, TWEETS, LIKES = "people", "follows", "tweets", "likes"


class ImportInterrupted(Exception):
    """The user stopped the import. The calls in flight have ended."""


class Sender:
    def __init__(self, api: Api, plan: Plan, journal: Journal, console: Console) -> None:
        self.people = journal.people()
        self.tweets = journal.tweets()
        self.sending = False
        self.stopping = False
        self._api = api
        self._plan = plan
        self._journal = journal
        self._console = console

    async def send(self) -> None:
        """Raises ImportInterrupted, and what the API client raises."""
        plan = self._plan
        await self._register()
        await self._send_idempotent(FOLLOWS, len(plan.follows), self._follow)
        await self._post_tweets()
        await self._send_idempotent(LIKES, len(plan.likes), self._like)

    def person(self, number: int) -> Person:
        user_id, key = self.people[number]
        return self._api.person(user_id, self._plan.names[number], key)

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
            user_id = await self._api.find(names[number]) if number in uncertain else None
            if user_id is None:
                person = await self._api.hire(names[number])
            else:
                person = await self._api.renew(user_id, names[number])
            self.people[number] = (person.id, person.key)
            self._journal.add_person(number, person.id, person.key)

        with stage(self._console, PEOPLE, len(names), len(self.people)) as progress:
            await self._each(missing, send_one, progress)

    # Tweets. A repeated tweet has the same draft id, so the API returns the first one.

    async def _post_tweets(self) -> None:
        async def send_one(number: int) -> None:
            self.tweets[number] = await self._post(number)
            self._journal.add_tweet(number, self.tweets[number])

        total = len(self._plan.tweets)
        missing = [number for number in range(total) if number not in self.tweets]
        with stage(self._console, TWEETS, total, len(self.tweets)) as progress:
            await self._each(missing, send_one, progress)

    async def _post(self, number: int) -> int:
        author_number, text = self._plan.tweets[number]
        author = self.person(author_number)
        media_ids = []
        if number in self._plan.with_picture:
            seed = self._plan.picture_seed(number)
            name, picture = await asyncio.to_thread(generate_picture, seed)
            media_ids.append(await author.upload(picture, name))
        parent = self._plan.parents.get(number)
        while parent is not None and parent not in self.tweets:  # noqa: ASYNC110
            # It was sent earlier, and its response is still missing.
            await asyncio.sleep(0.05)
        reply_to = None if parent is None else self.tweets[parent]
        return await author.post(text, media_ids, self._plan.draft_id(number), reply_to)

    # Follows and likes, which are idempotent.

    async def _follow(self, number: int) -> None:
        follower, other = self._plan.follows[number]
        await self.person(follower).follow(self.person(other))

    async def _like(self, number: int) -> None:
        person, tweet = self._plan.likes[number]
        await self.person(person).like(self.tweets[tweet])

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

        with stage(self._console, name, total, position) as progress:
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
