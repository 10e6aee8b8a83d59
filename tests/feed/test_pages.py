"""A page that is at hand is what a fresh read gives, whatever has happened since it was read."""

import asyncio
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis import testing
from chassis.connections import Connections
from chassis.database import Database, execute
from chassis.events import Event
from services.feed import events, main, queries
from services.feed.erasing import eraser
from services.feed.handlers import on_tweet_liked, on_tweet_posted, subscriptions
from services.feed.memory import ANYTHING, EVERYONE, Memory, person, reader, subject, tweet
from services.feed.pages import READS, Asked, Key, Page, Pages
from services.feed.queries import Order, Scope, Selection
from tests.waiting import PATIENCE_SECONDS, eventually

from .histories import Company, companies
from .test_handlers import deliver_one, empty, erase

READERS = (1, 2)
PAGES = {
    "/api/tweets?limit=20": Selection(0),
    "/api/tweets?limit=2&order=recent": Selection(0, Order.recent, limit=2),
    "/api/tweets?limit=3&scope=everyone": Selection(0, scope=Scope.everyone, limit=3),
    "/api/users/3/tweets?limit=5": Selection(0, Order.recent, Scope.everyone, author_id=3, limit=5),
}


def hits() -> float:
    return float(READS.labels("hit")._value.get())


async def read(feed: httpx.AsyncClient, reader: int, path: str, **headers: str) -> httpx.Response:
    # A page at hand is given without waiting for anything: notifications need their turn.
    await asyncio.sleep(0)
    signed = testing.signed("feed", reader)
    answer = await feed.get(path, headers={**signed, **headers})
    assert answer.status_code in (200, 304), answer.text
    return answer


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(company=companies(), data=st.data())
async def test_a_page_at_hand_equals_a_fresh_one_after_any_sequence_of_events(
    database: Database,
    feed: httpx.AsyncClient,
    connections: Connections,
    company: Company,
    data: st.DataObject,
) -> None:
    await empty(database)
    # Emptying a table tells nobody.
    async with database.transaction() as session:
        await execute(session, text("select pg_notify('feed_changes', 'name')"))
    repeated = data.draw(st.lists(st.sampled_from(company.told), max_size=5))

    for told in data.draw(st.permutations([*company.told, *repeated])):
        await deliver_one(database, told)
        reader, path = data.draw(st.tuples(st.sampled_from(READERS), st.sampled_from([*PAGES])))
        await read(feed, reader, path)
    await erase(database, company)

    for reader in READERS:
        for path, selection in PAGES.items():
            fresh = await queries.page(connections, replace(selection, reader_id=reader))

            async def is_fresh(
                reader: int = reader, path: str = path, fresh: bytes = fresh
            ) -> bool:
                return (await read(feed, reader, path)).content == fresh

            await eventually(is_fresh)


async def test_each_kind_of_event_reaches_the_pages_at_hand(
    database: Database, feed: httpx.AsyncClient
) -> None:
    numbers = iter(range(1_000_000, 2_000_000))
    path = "/api/tweets?limit=9"

    async def tell(event: Event, number: int | None = None) -> None:
        number = number or next(numbers)
        await testing.deliver(database, subscriptions, event.routing_key, event, number)

    async def until(shown: Callable[[list[dict[str, Any]]], bool]) -> None:
        async def is_shown() -> bool:
            return shown((await read(feed, 911, path)).json()["tweets"])

        await eventually(is_shown)

    posted = events.TweetPosted(
        tweet_id=9001, author_id=912, content="…", attachments=[], created_at=datetime.now(UTC)
    )
    follow = {"follower_id": 911, "followed_id": 912}
    await until(lambda tweets: tweets == [])
    await tell(events.UserFollowed(**follow))
    await tell(posted)
    await until(lambda tweets: len(tweets) == 1)
    await tell(events.UserRegistered(user_id=912, name="Bob"))
    await until(lambda tweets: tweets[0]["author"]["name"] == "Bob")
    await tell(events.TweetLiked(tweet_id=9001, user_id=912), 5_000_001)
    await tell(events.TweetLiked(tweet_id=9001, user_id=911), 5_000_002)
    await until(lambda tweets: tweets[0]["liked"] and tweets[0]["like_count"] == 2)
    # Bob took his like back and gave it again; only the last of it has come.
    await tell(events.TweetLiked(tweet_id=9001, user_id=912), 5_000_004)
    await until(lambda tweets: [like["user_id"] for like in tweets[0]["likes"]] == [911, 912])
    await tell(events.UserUnfollowed(**follow))
    await until(lambda tweets: tweets == [])
    await tell(events.UserFollowed(**follow))
    await until(lambda tweets: len(tweets) == 1)
    await tell(events.TweetDeleted(tweet_id=9001))
    await until(lambda tweets: tweets == [])
    await tell(posted.model_copy(update={"tweet_id": 9002}))
    await until(lambda tweets: len(tweets) == 1)
    await tell(events.UserDeactivated(user_id=912))
    await until(lambda tweets: tweets == [])


async def test_an_erasure_reaches_the_pages_at_hand(
    database: Database, feed: httpx.AsyncClient
) -> None:
    numbers = iter(range(2_000_000, 3_000_000))
    path = "/api/tweets?limit=8"

    async def tell(event: Event) -> None:
        await testing.deliver(database, subscriptions, event.routing_key, event, next(numbers))

    async def until(shown: Callable[[list[dict[str, Any]]], bool]) -> None:
        async def is_shown() -> bool:
            return shown((await read(feed, 921, path)).json()["tweets"])

        await eventually(is_shown)

    for user_id in (922, 923):
        await tell(events.UserFollowed(follower_id=921, followed_id=user_id))
        await tell(
            events.TweetPosted(
                tweet_id=user_id * 10,
                author_id=user_id,
                content="…",
                attachments=[],
                created_at=datetime.now(UTC),
            )
        )
    await tell(events.TweetLiked(tweet_id=9230, user_id=922))
    await until(lambda tweets: [tweet["id"] for tweet in tweets] == [9230, 9220])
    await tell(events.UserErased(user_id=922))
    await until(lambda tweets: [tweet["id"] for tweet in tweets] == [9230])

    await eraser.advance(database, None, 922)

    await until(lambda tweets: tweets[0]["likes"] == [] and tweets[0]["like_count"] == 0)


async def test_a_page_is_read_once_and_names_its_version(
    database: Database, feed: httpx.AsyncClient
) -> None:
    path = "/api/tweets?limit=7"
    first = await read(feed, 901, path)
    async with asyncio.timeout(PATIENCE_SECONDS):
        before = hits()
        while hits() == before:
            again = await read(feed, 901, path)
    unchanged = await read(feed, 901, path, **{"if-none-match": first.headers["etag"]})
    nobody = await feed.get(path)

    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert first.json()["tweets"] == []
    assert nobody.status_code == 401


async def test_a_new_name_reaches_the_pages_that_show_it_and_no_others(
    database: Database, as_service: Callable[[str], None]
) -> None:
    numbers = iter(range(3_000_000, 4_000_000))
    path = "/api/tweets?limit=6"
    author, liker, follower, stranger = 941, 942, 943, 944

    async def tell(*told: Event) -> None:
        for event in told:
            await testing.deliver(database, subscriptions, event.routing_key, event, next(numbers))

    app = main.create_app()
    async with testing.serving(app) as feed, asyncio.timeout(20):
        memory = app.state.pages._memory

        async def changes(*told: Event, heard: int) -> None:
            """Returns when the process has received so many notifications of these events."""
            before = memory.moment()
            await tell(*told)
            while memory.moment() < before + heard:
                await asyncio.sleep(0)

        async def outcomes() -> dict[str, float]:
            return {outcome: READS.labels(outcome)._value.get() for outcome in ("hit", "made")}

        async def shown() -> tuple[str, str]:
            (tweet,) = (await read(feed, follower, path)).json()["tweets"]
            return tweet["author"]["name"], tweet["likes"][0]["name"]

        await tell(
            events.UserRegistered(user_id=author, name="Ann"),
            events.UserFollowed(follower_id=follower, followed_id=author),
            events.TweetPosted(
                tweet_id=9411,
                author_id=author,
                content='"id":944,"name":"…"',
                attachments=[],
                created_at=datetime.now(UTC),
            ),
            events.TweetLiked(tweet_id=9411, user_id=liker),
        )
        before = hits()
        while hits() == before:
            assert await shown() == ("Ann", "")

        read_before = await outcomes()
        await changes(
            events.UserRegistered(user_id=stranger, name="Zoe"),
            events.UserRenamed(user_id=stranger, name="Zoë"),
            heard=2,
        )
        # Many people at once are looked for in another way.
        arrivals = [events.UserRegistered(user_id=9_450 + n, name=f"{n}") for n in range(30)]
        await shown()
        await changes(*arrivals, heard=len(arrivals))
        await shown()
        # The first of these changes nothing: only the second is announced.
        await changes(
            events.UserRenamed(user_id=author, name="Ann"),
            events.UserRenamed(user_id=stranger, name="Zoe"),
            heard=1,
        )
        await shown()
        assert await outcomes() == {**read_before, "hit": read_before["hit"] + 3}

        await changes(events.UserRenamed(user_id=author, name="Anna"), heard=1)
        assert await shown() == ("Anna", "")
        await changes(events.UserRegistered(user_id=liker, name="Boris"), heard=1)
        assert await shown() == ("Anna", "Boris")
        await changes(
            *(events.UserRenamed(user_id=9_450 + n, name="…") for n in range(30)),
            events.UserRenamed(user_id=liker, name="Bob"),
            heard=31,
        )
        assert await shown() == ("Anna", "Bob")


async def test_a_page_made_amid_the_changes_of_a_batch_does_not_stay_old(
    database: Database, connections: Connections
) -> None:
    memory = Memory(1_000_000)
    memory.listen(well=True)
    pages = Pages(connections, memory)
    key = Key(931, Asked(Order.popular, Scope.following, None, 20))
    posted = events.TweetPosted(
        tweet_id=9311, author_id=931, content="…", attachments=[], created_at=datetime.now(UTC)
    )
    tweets = [posted, posted.model_copy(update={"tweet_id": 9312})]
    told: list[str] = []
    all_told = asyncio.Event()

    def tell(*told_of: Any) -> None:
        change = told_of[-1]
        all_told.set() if change == "all" else told.append(change)

    async with database.transaction() as session:
        for version, event in enumerate(tweets):
            await on_tweet_posted(session, event, version)
    await pages.made(key)
    async with connections.lent() as connection:
        await connection.add_listener("feed_changes", tell)
        async with database.transaction() as session:
            for version, event in enumerate(tweets):
                like = events.TweetLiked(tweet_id=event.tweet_id, user_id=932)
                await on_tweet_liked(session, like, version)
        async with database.transaction() as session:
            await execute(session, text("select pg_notify('feed_changes', 'all')"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await all_told.wait()
        await connection.remove_listener("feed_changes", tell)
    # PostgreSQL tells what is told twice in a transaction once, in the first one's place.
    assert told == ["tweet 9311", "author 931", "tweet 9312"]
    for change in told:
        memory.changed(subject(change))
        page = pages.at_hand(key) or await pages.made(key)

    assert page.body == await queries.page(connections, Selection(931))


def kept(memory: Memory, key: str, *subjects: int, size: int = 10) -> bool:
    """Whether a thing that was read just now is kept."""
    memory.keep(key, key, size, subjects, memory.moment())
    return memory.get(key) is not None


def test_what_changes_while_a_thing_is_read_keeps_it_from_being_kept() -> None:
    memory = Memory(10_000)
    memory.listen(well=True)
    found: dict[str, bool] = {}
    for change in ("author 7", "author 8", "reader 1", "reader 2", "person 7", "person 8", "name"):
        moment = memory.moment()
        memory.changed(subject(change))
        shown = b'"author":{"id":7,"name":"Ann"}'
        memory.keep("page", "page", 10, (7, reader(1)), moment, names=shown)
        found[change] = memory.get("page") is not None
        memory.changed(ANYTHING)

    assert found == {
        "author 7": False,
        "author 8": True,
        "reader 1": False,
        "reader 2": True,
        "person 7": False,
        "person 8": True,
        "name": False,
    }


def test_a_change_drops_what_depends_on_it_and_nothing_else() -> None:
    memory = Memory(10_000)
    memory.listen(well=True)
    things = {"author": (7,), "reader": (reader(1),), "both": (7, 8)}
    things |= {"all": (EVERYONE,), "tweet": (tweet(7),)}
    left: dict[int, set[str]] = {}
    shown = b'"likes":[{"user_id":7,"name":"Ann"}]'
    for change in (
        7,
        8,
        9,
        tweet(7),
        tweet(8),
        reader(1),
        reader(2),
        person(7),
        person(8),
        ANYTHING,
    ):
        assert all(kept(memory, key, *subjects) for key, subjects in things.items())
        memory.keep("shows 7", "…", 10, (), memory.moment(), names=shown)
        memory.changed(change)
        left[change] = {key for key in (*things, "shows 7") if memory.peek(key)}

    everything = {*things, "shows 7"}
    assert left == {
        7: everything - {"author", "both", "all"},
        8: everything - {"both", "all"},
        9: everything - {"all"},
        tweet(7): everything - {"tweet"},
        tweet(8): everything,
        reader(1): everything - {"reader"},
        reader(2): everything,
        person(7): everything - {"shows 7"},
        person(8): everything,
        ANYTHING: set(),
    }


def test_nothing_is_kept_while_changes_are_not_heard_of() -> None:
    memory = Memory(10_000)
    moment = memory.moment()
    assert not kept(memory, "early", 7)

    memory.listen(well=True)
    memory.keep("begun before", "…", 10, (7,), moment)
    assert memory.get("begun before") is None
    assert kept(memory, "now", 7)
    memory.listen(well=False)

    assert memory.get("now") is None


def test_small_things_take_no_more_memory_than_they_may() -> None:
    memory = Memory(2_000_000)
    memory.listen(well=True)
    tracemalloc.start()
    for author_id in range(20_000):
        # What somebody reads of authors who are not there.
        body = b'{"result":true,"tweets":[],"next_cursor":null}' + b" " * (author_id % 2)
        key = Key(1, Asked(Order.recent, Scope.everyone, author_id, 20))
        page = Page(body, f'"{author_id}"')
        memory.keep(key, page, len(body), (author_id, reader(1)), memory.moment())
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 1_000_000 < taken < 2_500_000


def test_memory_is_bounded_and_what_was_read_last_stays() -> None:
    memory = Memory(12_000)
    memory.listen(well=True)
    for number in range(100):
        kept(memory, str(number), 7, size=3000)
        memory.get("0")
    kept(memory, "1", 7, size=20_000)

    assert [number for number in range(100) if memory.peek(str(number))] == [0, 98, 99]
    memory.changed(7)
    assert not any(memory.peek(str(number)) for number in range(100))
    assert not memory._keys_by_subject
