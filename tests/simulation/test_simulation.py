"""A property-based simulation: no event is lost or applied twice, in any order, with any fault.

Hypothesis chooses each step: what people do, which relay publishes how many events, which messages
reach which consumer in which order, and which process dies at which point. At the end, all events
are published and handled, and each service must have the state that follows from the acknowledged
requests. Hypothesis then shrinks a failing sequence of steps to a short one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlmodel.ext.asyncio.session import AsyncSession

import services.feed.handlers
import services.media.handlers
import services.notifications.handlers
import services.tweets.handlers
import services.users.handlers
from chassis.database import clock
from chassis.database.session import Database
from services.feed.settings import Settings as FeedSettings
from services.media import commands as media
from services.media.pictures import Picture
from services.media.settings import Settings as MediaSettings
from services.notifications.settings import Settings as NotificationsSettings
from services.tweets import announcements, moderation
from services.tweets import commands as tweets
from services.tweets.models import ReportReason
from services.tweets.settings import Settings as TweetsSettings
from services.users.commands import follows, people
from services.users.settings import Settings as UsersSettings
from tests.examples import examples

from .world import PRODUCERS, Trouble, World

PEOPLE = 3
CONSUMERS = ("users", "tweets", "media", "feed", "notifications")
SETTINGS = {
    "users": UsersSettings,
    "tweets": TweetsSettings,
    "media": MediaSettings,
    "feed": FeedSettings,
    "notifications": NotificationsSettings,
}

person = st.integers(0, PEOPLE - 1)


@pytest.fixture
def world(as_service: Callable[[str], None]) -> Iterator[tuple[asyncio.Runner, World]]:
    databases = {}
    for service, settings_class in SETTINGS.items():
        as_service(service)
        databases[service] = Database(settings_class())
    reactions = {
        "users": services.users.handlers.subscriptions,
        "tweets": services.tweets.handlers.subscriptions,
        "media": services.media.handlers.subscriptions,
        "feed": services.feed.handlers.subscriptions,
        "notifications": services.notifications.handlers.subscriptions,
    }

    async def close() -> None:
        for database in databases.values():
            await database.close()

    with asyncio.Runner() as runner:
        yield runner, World(databases, reactions)
        runner.run(close())


def machine(runner: asyncio.Runner, world: World) -> type[RuleBasedStateMachine]:
    class Simulation(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.follows: set[tuple[int, int]] = set()
            self.tweets: dict[int, tuple[int, str]] = {}
            self.authors: dict[int, int] = {}
            """The author of each tweet, also of a deleted one."""
            self.likes: dict[int, set[int]] = {}
            self.parents: dict[int, int] = {}
            """The tweet above each reply, also above a deleted one."""
            self.hidden: set[int] = set()
            """The tweets that a moderator has hidden, also deleted ones."""
            self.decisions: Counter[tuple[int, int]] = Counter()
            """How often each tweet was hidden or restored, with its author."""
            self.announced: set[int] = set()
            self.uploads: dict[int, int] = {}
            self.taken: dict[int, int] = {}
            self.gone: set[int] = set()
            self.posted = self.uploaded = 0
            runner.run(world.empty())
            self.people = [runner.run(self._hire(f"Person {n}")) for n in range(PEOPLE)]

        async def _hire(self, name: str) -> int:
            _, user_id = await world.request(
                "users", lambda session: people.register_user(session, name, max_name_length=100)
            )
            return int(user_id)

        @rule(one=person, other=person, rolled_back=st.booleans(), ends=st.booleans())
        def follow(self, one: int, other: int, rolled_back: bool, ends: bool) -> None:
            edge = self.people[one], self.people[other]
            command = follows.unfollow if ends else follows.follow
            done, _ = runner.run(
                world.request("users", lambda s: command(s, *edge), rolled_back=rolled_back)
            )
            if done:
                (self.follows.discard if ends else self.follows.add)(edge)

        @rule(
            author=person,
            rolled_back=st.booleans(),
            pictured=st.booleans(),
            replies=st.booleans(),
            data=st.data(),
        )
        def post(
            self,
            author: int,
            rolled_back: bool,
            pictured: bool,
            replies: bool,
            data: st.DataObject,
        ) -> None:
            author_id = self.people[author]
            own = [m for m, owner in self.uploads.items() if owner == author_id]
            media_ids = own[-1:] if pictured else []
            self.posted += 1
            text = f"number {self.posted}"
            live = sorted(self.tweets)
            parent_id = data.draw(st.sampled_from(live)) if replies and live else None
            new = tweets.NewTweet(text, media_ids, parent_id)
            done, posted = runner.run(
                world.request(
                    "tweets",
                    lambda s: tweets.post_tweet(s, author_id, new),
                    rolled_back=rolled_back,
                )
            )
            if done:
                tweet_id = posted.tweet_id
                if parent_id is not None:
                    self.parents[tweet_id] = parent_id
                self.tweets[tweet_id] = (author_id, text)
                self.authors[tweet_id] = author_id
                self.likes[tweet_id] = set()
                self.taken |= dict.fromkeys(media_ids, tweet_id)

        @rule(liker=person, rolled_back=st.booleans(), ends=st.booleans(), data=st.data())
        def like(self, liker: int, rolled_back: bool, ends: bool, data: st.DataObject) -> None:
            if not self.tweets:
                return
            tweet_id = data.draw(st.sampled_from(sorted(self.tweets)))
            user_id = self.people[liker]
            command = tweets.unlike_tweet if ends else tweets.like_tweet
            done, _ = runner.run(
                world.request(
                    "tweets", lambda s: command(s, tweet_id, user_id), rolled_back=rolled_back
                )
            )
            if done:
                (self.likes[tweet_id].discard if ends else self.likes[tweet_id].add)(user_id)

        @rule(rolled_back=st.booleans(), data=st.data())
        def delete(self, rolled_back: bool, data: st.DataObject) -> None:
            if not self.tweets:
                return
            tweet_id = data.draw(st.sampled_from(sorted(self.tweets)))
            author_id, _ = self.tweets[tweet_id]
            done, _ = runner.run(
                world.request(
                    "tweets",
                    lambda s: tweets.delete_tweet(s, tweet_id, caller_id=author_id),
                    rolled_back=rolled_back,
                )
            )
            if done:
                del self.tweets[tweet_id], self.likes[tweet_id]
                self.gone |= {one for one, of in self.taken.items() if of == tweet_id}

        @rule(author=person, rolled_back=st.booleans())
        def announce(self, author: int, rolled_back: bool) -> None:
            author_id = self.people[author]
            self.posted += 1
            text = f"number {self.posted}"
            until = clock.now() + timedelta(hours=1)
            new = announcements.NewAnnouncement(tweets.NewTweet(text), until, acknowledge=True)
            done, posted = runner.run(
                world.request(
                    "tweets",
                    lambda s: announcements.announce(s, author_id, new, None),
                    rolled_back=rolled_back,
                )
            )
            if done:
                self.tweets[posted.tweet_id] = (author_id, text)
                self.authors[posted.tweet_id] = author_id
                self.likes[posted.tweet_id] = set()
                self.announced.add(posted.tweet_id)

        @rule(rolled_back=st.booleans(), ends=st.booleans(), data=st.data())
        def hide(self, rolled_back: bool, ends: bool, data: st.DataObject) -> None:
            if not self.tweets:
                return
            tweet_id = data.draw(st.sampled_from(sorted(self.tweets)))
            moderator_id = self.people[0]

            async def command(session: AsyncSession) -> None:
                if ends:
                    await moderation.restore_tweet(session, tweet_id, moderator_id)
                else:
                    spam = ReportReason.spam
                    await moderation.hide_tweet(session, tweet_id, spam, "", moderator_id)

            done, _ = runner.run(world.request("tweets", command, rolled_back=rolled_back))
            if done and (tweet_id in self.hidden) is ends:
                self.hidden ^= {tweet_id}
                self.decisions[self.authors[tweet_id], tweet_id] += 1

        @rule(owner=person, rolled_back=st.booleans())
        def upload(self, owner: int, rolled_back: bool) -> None:
            owner_id = self.people[owner]
            self.uploaded += 1
            names = f"{self.uploaded}.png", f"{self.uploaded}.webp"
            picture = Picture("PNG", b"x", 1, 1, b"x", None, first_frame_only=False)
            done, media_id = runner.run(
                world.request(
                    "media",
                    lambda s: media.record_upload(s, owner_id, *names, picture, ""),
                    rolled_back=rolled_back,
                )
            )
            if done:
                self.uploads[media_id] = owner_id

        @rule()
        def a_day_passes(self) -> None:
            runner.run(world.request("media", lambda s: media.expire_unattached(s, hours=-1)))

        @rule(
            service=st.sampled_from(PRODUCERS),
            trouble=st.sampled_from(
                [Trouble.none, Trouble.refused, Trouble.unconfirmed, Trouble.killed]
            ),
            at=st.integers(0, 3),
        )
        def publish(self, service: str, trouble: Trouble, at: int) -> None:
            runner.run(world.relay(service, trouble, at))

        @rule(
            service=st.sampled_from(CONSUMERS),
            trouble=st.sampled_from([Trouble.none, Trouble.none, Trouble.killed, Trouble.bug]),
            count=st.integers(1, 5),
            data=st.data(),
        )
        def deliver(self, service: str, trouble: Trouble, count: int, data: st.DataObject) -> None:
            def choose(among: int) -> int:
                return data.draw(st.integers(0, among - 1))

            runner.run(world.deliver(service, choose, count, trouble))

        def teardown(self) -> None:
            runner.run(self._check())

        def _above(self, tweet_id: int) -> list[int]:
            above = []
            while tweet_id in self.parents:
                tweet_id = self.parents[tweet_id]
                above.append(tweet_id)
            return above

        async def _check_threads(self) -> None:
            """Every live reply is counted by its parent, and can be reached from its root."""
            counted = await world.rows(
                "feed", "select id, reply_count from tweet where reply_count <> 0 order by id"
            )
            live = [self.parents[each] for each in self.tweets if each in self.parents]
            assert counted == sorted(Counter(live).items())
            listed = await world.rows("feed", "select ancestor_id, tweet_id from reply")
            above_live = {each for tweet_id in self.tweets for each in self._above(tweet_id)}
            assert sorted(listed) == sorted(
                (above, reply_id)
                for reply_id in self.parents
                if reply_id in self.tweets or reply_id in above_live
                for above in self._above(reply_id)
                if above in self._above(reply_id)[: tweets.MAX_ANCESTORS]
                or above not in self.parents
            )

        async def _check(self) -> None:
            await world.calm()
            shown = await world.rows(
                "feed", "select id, author_id, like_count from tweet where visible order by id"
            )
            assert shown == [
                (tweet_id, author_id, len(self.likes[tweet_id]))
                for tweet_id, (author_id, _) in sorted(self.tweets.items())
                if tweet_id not in self.hidden
            ]
            await self._check_threads()
            cards = await world.rows("feed", "select id, card from tweet where visible")
            for tweet_id, card in cards:
                assert self.tweets[tweet_id][1] in card
            likes = await world.rows(
                "feed", "select tweet_id, user_id from tweet_like where active"
            )
            assert set(likes) == {(tweet, by) for tweet, who in self.likes.items() for by in who}
            edges = await world.rows(
                "feed", "select follower_id, followed_id from follow where active"
            )
            assert set(edges) == self.follows
            await self._check_notifications()
            await self._check_pictures()
            for consumer in CONSUMERS:
                await self._check_inbox(consumer)

        async def _check_notifications(self) -> None:
            """Everybody is notified of likes of their tweets, replies to them, followers,
            announcements, and decisions about their tweets."""
            likes = {
                ("like", self.authors[tweet_id], tweet_id, liker)
                for tweet_id, likers in self.likes.items()
                for liker in likers - {self.authors[tweet_id]}
            }
            replies = {
                ("reply", self.authors[parent_id], tweet_id, self.authors[tweet_id])
                for tweet_id, parent_id in self.parents.items()
                if tweet_id in self.tweets and self.authors[parent_id] != self.authors[tweet_id]
            }
            follows = {
                ("follow", followed, 0, follower)
                for follower, followed in self.follows
                if follower != followed
            }
            told_of = {
                ("announcement", recipient, tweet_id, self.authors[tweet_id])
                for tweet_id in self.announced & self.tweets.keys()
                for recipient in set(self.people) - {self.authors[tweet_id]}
            }
            shown = await world.rows(
                "notifications",
                "select kind, recipient_id, subject_id, actor_id from notification"
                " where shown and kind <> 'moderation'",
            )
            assert Counter(shown) == Counter(likes | replies | follows | told_of)
            decided = await world.rows(
                "notifications",
                "select recipient_id, group_subject_id from notification"
                " where shown and kind = 'moderation'",
            )
            assert Counter(decided) == self.decisions
            counts = await world.rows(
                "notifications",
                "select id, like_count, reply_count from tweet where not deleted order by id",
            )
            replied = Counter(self.parents[each] for each in self.tweets if each in self.parents)
            assert counts == [
                (tweet_id, len(self.likes[tweet_id]), replied[tweet_id])
                for tweet_id in sorted(self.tweets)
            ]
            rows = await world.rows(
                "notifications", "select tweet_id from notice where kind = 'tweet'"
            )
            assert set(self.tweets) <= {tweet_id for (tweet_id,) in rows}
            assert max(Counter(rows).values(), default=1) == 1

        async def _check_pictures(self) -> None:
            copies = await world.rows("tweets", "select id, owner_id, tweet_id, closed from media")
            records = await world.rows("media", "select id, removed_at is not null from media")
            removed = {media_id for media_id, is_removed in records if is_removed}
            closed = {media_id for media_id, *_, is_closed in copies if is_closed}
            assert {(one, owner) for one, owner, *_ in copies} == {*self.uploads.items()}
            assert removed == closed
            assert removed & {*self.taken} == self.gone

        async def _check_inbox(self, consumer: str) -> None:
            """The inbox contains each relevant event, and no event that was rolled back."""
            keys = world.keys(consumer)
            expected = {
                (producer, number)
                for producer in PRODUCERS
                for number, key in await world.rows(producer, "select id, routing_key from outbox")
                if key in keys
            }
            assert set(await world.rows(consumer, "select source, id from inbox")) == expected

    return Simulation


@pytest.mark.property
def test_each_service_ends_with_what_the_acknowledged_history_says(
    world: tuple[asyncio.Runner, World],
) -> None:
    run_state_machine_as_test(
        machine(*world),
        settings=settings(
            max_examples=examples(20),
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
