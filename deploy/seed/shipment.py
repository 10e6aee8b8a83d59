"""The sending of a plan: stage after stage, each from where the journal says it stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from .client import Client, Unanswered
from .journal import Journal
from .plan import Plan
from .progress import Meter, Progression
from .snapshots import snapshot

FLIGHTS = 24
_ON_THE_WAY_SECONDS = 3.0
"""How long a call whose client is gone may still be at work on the server."""
_FENCE_SECONDS = 300

PEOPLE, FOLLOWS, TWEETS, LIKES = "people", "follows", "tweets", "likes"
_FENCE = "fence"


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
        self._fence = asyncio.Lock()

    async def send(self) -> None:
        """Raises Stopped, and what Client raises."""
        plan = self._plan
        await self._register()
        await self._repeatable(FOLLOWS, len(plan.follows), self._follow)
        await self._post_tweets()
        await self._take_fence_away()
        await self._repeatable(LIKES, len(plan.likes), self._like)

    def key(self, person: int) -> str:
        return self.people[person][1]

    # People and tweets: sent once, looked for where an earlier run may have sent them.

    async def _register(self) -> None:
        names = self._plan.names
        missing = [number for number in range(len(names)) if number not in self.people]
        perhaps = self._perhaps_sent(PEOPLE, missing)
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

    async def _post_tweets(self) -> None:
        total = len(self._plan.tweets)
        missing = [number for number in range(total) if number not in self.tweets]
        perhaps = self._perhaps_sent(TWEETS, missing)

        async def one(number: int) -> None:
            self._journal.reserve(TWEETS, number)
            found = await self._find(number) if number in perhaps else None
            while found is None:
                try:
                    found = await self._post(number)
                except Unanswered:
                    await self._see_all_sent()
                    found = await self._find(number)
            self.tweets[number] = found
            self._journal.add_tweet(number, found)

        with self._shown.stage(TWEETS, total, len(self.tweets)) as meter:
            if perhaps:
                await self._see_all_sent()
            await self._each(missing, one, meter)

    async def _post(self, number: int) -> int:
        author, text = self._plan.tweets[number]
        key = self.key(author)
        if number not in self._plan.pictured:
            return await self._client.post_once(key, text)
        seed = self._plan.picture_seed(number)
        name, picture = await asyncio.to_thread(snapshot, seed)
        return await self._client.post_once(
            key, text, [await self._client.upload(key, picture, name)]
        )

    async def _find(self, number: int) -> int | None:
        author, text = self._plan.tweets[number]
        person_id, key = self.people[author]
        return await self._client.find_tweet(key, person_id, text)

    async def _see_all_sent(self) -> None:
        """Returns when whatever tweets were accepted before can be seen.

        A profile's tweets are seen a little after they were accepted, and in that order. So a like
        is given to a tweet that is known to be there: once it shows, so does all that was before.
        """
        async with self._fence:
            await asyncio.sleep(_ON_THE_WAY_SECONDS)
            if not self.tweets:
                await asyncio.sleep(_ON_THE_WAY_SECONDS * 4)
                return
            number = min(self.tweets)
            self._journal.state(_FENCE, str(number))
            await self._liked(number, False)
            await self._liked(number, True)
            await self._take_fence_away()

    async def _liked(self, number: int, wanted: bool) -> None:
        """The author likes their own tweet, or no more; returns when it shows."""
        author_id, key = self.people[self._plan.tweets[number][0]]
        tweet_id = self.tweets[number]
        call = self._client.like if wanted else self._client.unlike
        await call(key, tweet_id)
        async with asyncio.timeout(_FENCE_SECONDS):
            while True:
                if await self._shows_like(key, author_id, tweet_id) == wanted:
                    return
                await asyncio.sleep(0.5)

    async def _take_fence_away(self) -> None:
        """Likes are a later stage: the one that only told of the tweets is not of the plan."""
        if (number := self._journal.fact(_FENCE)) is not None:
            await self._client.unlike(
                self.key(self._plan.tweets[int(number)][0]), self.tweets[int(number)]
            )
            self._journal.state(_FENCE, None)

    async def _shows_like(self, key: str, author_id: int, tweet_id: int) -> bool:
        async for tweet in self._client.tweets_of(key, author_id):
            if tweet["id"] == tweet_id:
                return bool(tweet["liked"])
        return False

    def _perhaps_sent(self, what: str, missing: list[int]) -> set[int]:
        mark = self._journal.mark(what)
        return {number for number in missing if number < mark}

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
