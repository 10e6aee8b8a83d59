"""The sending of a plan: stage after stage, each from where the journal says it stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from .client import Client
from .journal import Journal
from .plan import Plan
from .progress import Meter, Progression
from .snapshots import snapshot

FLIGHTS = 24
_ON_THE_WAY_SECONDS = 3.0
"""How long a call whose client is gone may still be at work on the server."""

PEOPLE, FOLLOWS, TWEETS, LIKES = "people", "follows", "tweets", "likes"


class Stopped(Exception):
    """A person asked to stop; what was in flight has ended."""


class Shipment:
    def __init__(self, client: Client, plan: Plan, journal: Journal, shown: Progression) -> None:
        self.people = journal.people()
        self.tweets = journal.tweets()
        self.sending = False
        self.stopping = False
        self._client = client
        self._plan = plan
        self._journal = journal
        self._shown = shown

    async def send(self) -> None:
        """Raises Stopped, and what Client raises."""
        plan = self._plan
        await self._register()
        await self._repeatable(FOLLOWS, len(plan.follows), self._follow)
        await self._post_tweets()
        await self._repeatable(LIKES, len(plan.likes), self._like)

    def key(self, person: int) -> str:
        return self.people[person][1]

    # People: sent once, looked for where an earlier run may have sent them.

    async def _register(self) -> None:
        names = self._plan.names
        missing = [number for number in range(len(names)) if number not in self.people]
        sent_before = self._journal.mark(PEOPLE)
        perhaps = {number for number in missing if number < sent_before}
        if perhaps:
            await asyncio.sleep(_ON_THE_WAY_SECONDS)

        async def one(number: int) -> None:
            self._journal.reserve(PEOPLE, number)
            found = await self._client.find_user(names[number]) if number in perhaps else None
            if found is None:
                person = await self._client.register(names[number])
            else:
                person = await self._client.rotate_key(found)
            self.people[number] = (person.id, person.key)
            self._journal.add_person(number, person.id, person.key)

        with self._shown.stage(PEOPLE, len(names), len(self.people)) as meter:
            await self._each(missing, one, meter)

    # Tweets: sent again where it is not known, each as the draft that it was the first time.

    async def _post_tweets(self) -> None:
        async def one(number: int) -> None:
            self.tweets[number] = await self._post(number)
            self._journal.add_tweet(number, self.tweets[number])

        total = len(self._plan.tweets)
        missing = [number for number in range(total) if number not in self.tweets]
        with self._shown.stage(TWEETS, total, len(self.tweets)) as meter:
            await self._each(missing, one, meter)

    async def _post(self, number: int) -> int:
        author, text = self._plan.tweets[number]
        key = self.key(author)
        pictures = []
        if number in self._plan.pictured:
            seed = self._plan.picture_seed(number)
            name, picture = await asyncio.to_thread(snapshot, seed)
            pictures.append(await self._client.upload(key, picture, name))
        return await self._client.post(key, text, pictures, self._plan.draft_id(number))

    # Follows and likes: sent again where it is not known.

    async def _follow(self, number: int) -> None:
        follower, other = self._plan.follows[number]
        await self._client.follow(self.key(follower), self.people[other][0])

    async def _like(self, number: int) -> None:
        person, tweet = self._plan.likes[number]
        await self._client.like(self.key(person), self.tweets[tweet])

    async def _repeatable(
        self, name: str, total: int, send: Callable[[int], Awaitable[None]]
    ) -> None:
        reached = self._journal.mark(name)
        ahead: set[int] = set()

        async def one(number: int) -> None:
            nonlocal reached
            await send(number)
            ahead.add(number)
            while reached in ahead:
                ahead.remove(reached)
                reached += 1
            self._journal.set_mark(name, reached)

        with self._shown.stage(name, total, reached) as meter:
            await self._each(range(reached, total), one, meter)

    async def _each(
        self, numbers: Iterable[int], work: Callable[[int], Awaitable[None]], meter: Meter
    ) -> None:
        """So many at a time as may be in flight, begun in the order given."""
        left = iter(numbers)

        async def carry() -> None:
            for number in left:
                if self.stopping:
                    return
                await work(number)
                meter.advance()

        self.sending = True
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(FLIGHTS):
                    group.create_task(carry())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self.sending = False
            self._journal.save()
        if self.stopping:
            raise Stopped
