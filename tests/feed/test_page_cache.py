"""A cached page equals a fresh read, whatever has changed since it was cached."""

import asyncio
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis import testing
from chassis.database.pool import Pool
from chassis.database.session import Database, execute
from chassis.http.errors import Problem
from chassis.http.etags import TaggedJson
from chassis.messaging.events import Event
from services.feed import api_process, events, page_cache, queries
from services.feed.fragments import SortKey
from services.feed.handlers import insert_tweets, set_likes, subscriptions
from services.feed.invalidating_cache import (
    ALL_AUTHORS,
    EVERYTHING,
    InvalidatingCache,
    parse_tag,
    person_tag,
    reader_tag,
    tweet_tag,
)
from services.feed.page_cache import CACHE, PageCache, PageKey, PageRequest
from services.feed.privacy import eraser
from services.feed.selections import Order, Replies, Scope, Selection
from tests.examples import examples
from tests.waiting import PATIENCE_SECONDS, eventually

from .histories import THREAD_STEPS, FeedModel, feed_models
from .test_handlers import deliver_one, empty, erase

READERS = (1, 2)
PAGES = {
    "/api/tweets?limit=20": Selection(0),
    "/api/tweets?limit=2&order=recent": Selection(0, Order.recent, limit=2),
    "/api/tweets?limit=3&scope=everyone": Selection(0, scope=Scope.everyone, limit=3),
    "/api/tweets?limit=4&replies=conversations": Selection(
        0, limit=4, replies=Replies.conversations
    ),
    "/api/tweets?limit=4&order=recent&replies=conversations": Selection(
        0, Order.recent, limit=4, replies=Replies.conversations
    ),
    "/api/users/3/tweets?limit=5": Selection(0, Order.recent, Scope.everyone, author_id=3, limit=5),
}

THREAD_PAGES: dict[str, tuple[int, int | None]] = {"": (50, None), "around=3&limit=2": (2, 3)}
"""The limit and the reply around which the page begins, by query."""


def hits() -> float:
    return float(CACHE.labels("hit")._value.get())


async def read(feed: httpx.AsyncClient, reader: int, path: str, **headers: str) -> httpx.Response:
    # The response from the cache involves no waiting, so the event loop must get a turn to deliver
    # notifications.
    await asyncio.sleep(0)
    signed = testing.identity_headers("feed", reader)
    response = await feed.get(path, headers={**signed, **headers})
    assert response.status_code in (200, 304), response.text
    return response


@pytest.mark.property
@settings(
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    model=feed_models() | feed_models([*THREAD_STEPS, "follow", "like", "rename"], min_steps=15),
    data=st.data(),
)
async def test_a_cached_page_equals_a_fresh_one_after_any_sequence_of_events(
    database: Database,
    feed: httpx.AsyncClient,
    connections: Pool,
    model: FeedModel,
    data: st.DataObject,
) -> None:
    await empty(database)
    # Truncating a table fires no trigger.
    async with database.transaction() as session:
        await execute(session, text("select pg_notify('feed_changes', 'name')"))
    repeated = data.draw(st.lists(st.sampled_from(model.events), max_size=5))

    for recorded in data.draw(st.permutations([*model.events, *repeated])):
        await deliver_one(database, recorded)
        reader, path = data.draw(st.tuples(st.sampled_from(READERS), st.sampled_from([*PAGES])))
        await read(feed, reader, path)
        for query in THREAD_PAGES:
            path = f"/api/tweets/1/thread?{query}"
            await feed.get(path, headers=testing.identity_headers("feed", 1))
    await erase(database, model)

    uncached = PageCache(connections, InvalidatingCache(0))
    for query, (limit, around) in THREAD_PAGES.items():
        await _compare_first_thread(feed, uncached, query, limit, around)
    for reader in READERS:
        for path, selection in PAGES.items():
            own = replace(selection, reader_id=reader)
            if own.replies is Replies.conversations:
                fresh = await uncached.conversation_page(own)
            else:
                fresh = await queries.page(connections, own)

            async def is_fresh(
                reader: int = reader, path: str = path, fresh: bytes = fresh
            ) -> bool:
                return (await read(feed, reader, path)).content == fresh

            await eventually(is_fresh)


async def _compare_first_thread(
    feed: httpx.AsyncClient, uncached: PageCache, query: str, limit: int, around: int | None
) -> None:
    """Compares the thread of tweet 1, which the history has read again and again."""

    async def is_fresh() -> bool:
        await asyncio.sleep(0)
        headers = testing.identity_headers("feed", 1)
        response = await feed.get(f"/api/tweets/1/thread?{query}", headers=headers)
        fresh = uncached.thread_page(1, 1, limit, around=around, from_cache=False)
        if response.status_code == 404:
            with pytest.raises(Problem):
                await fresh
            return True
        return response.content == await fresh

    await eventually(is_fresh)


async def test_each_kind_of_event_reaches_the_cached_pages(
    database: Database, feed: httpx.AsyncClient
) -> None:
    numbers = iter(range(1_000_000, 2_000_000))
    path = "/api/tweets?limit=9"

    async def deliver(event: Event, number: int | None = None) -> None:
        number = number or next(numbers)
        await testing.deliver(database, subscriptions, event.routing_key, event, number)

    async def until(condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        async def is_met() -> bool:
            return condition((await read(feed, 911, path)).json()["tweets"])

        await eventually(is_met)

    posted = events.TweetPosted(
        tweet_id=9001, author_id=912, content="…", attachments=[], created_at=datetime.now(UTC)
    )
    follow = {"follower_id": 911, "followed_id": 912}
    await until(lambda tweets: tweets == [])
    await deliver(events.UserFollowed(**follow))
    await deliver(posted)
    await until(lambda tweets: len(tweets) == 1)
    await deliver(events.UserRegistered(user_id=912, name="Bob"))
    await until(lambda tweets: tweets[0]["author"]["name"] == "Bob")
    picture = {"small": "/uploads/s", "medium": "/uploads/m"}
    await deliver(events.PersonPictured(user_id=912, picture=picture))
    await until(lambda tweets: tweets[0]["author"].get("picture") == picture)
    await deliver(events.PersonPictured(user_id=912, picture=None))
    await until(lambda tweets: "picture" not in tweets[0]["author"])
    await deliver(events.TweetLiked(tweet_id=9001, user_id=912), 5_000_001)
    await deliver(events.TweetLiked(tweet_id=9001, user_id=911), 5_000_002)
    await until(lambda tweets: tweets[0]["liked"] and tweets[0]["like_count"] == 2)
    # Bob took his like back and liked the tweet again; only the last event has arrived.
    await deliver(events.TweetLiked(tweet_id=9001, user_id=912), 5_000_004)
    await until(lambda tweets: [like["user_id"] for like in tweets[0]["likes"]] == [911, 912])
    await deliver(events.UserUnfollowed(**follow))
    await until(lambda tweets: tweets == [])
    await deliver(events.UserFollowed(**follow))
    await until(lambda tweets: len(tweets) == 1)
    await deliver(events.TweetDeleted(tweet_id=9001))
    await until(lambda tweets: tweets == [])
    await deliver(posted.model_copy(update={"tweet_id": 9002}))
    await until(lambda tweets: len(tweets) == 1)
    await deliver(events.UserDeactivated(user_id=912))
    await until(lambda tweets: tweets == [])


async def test_an_erasure_reaches_the_cached_pages(
    database: Database, feed: httpx.AsyncClient
) -> None:
    numbers = iter(range(2_000_000, 3_000_000))
    path = "/api/tweets?limit=8"

    async def deliver(event: Event) -> None:
        await testing.deliver(database, subscriptions, event.routing_key, event, next(numbers))

    async def until(condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        async def is_met() -> bool:
            return condition((await read(feed, 921, path)).json()["tweets"])

        await eventually(is_met)

    for user_id in (922, 923):
        await deliver(events.UserFollowed(follower_id=921, followed_id=user_id))
        await deliver(
            events.TweetPosted(
                tweet_id=user_id * 10,
                author_id=user_id,
                content="…",
                attachments=[],
                created_at=datetime.now(UTC),
            )
        )
    await deliver(events.TweetLiked(tweet_id=9230, user_id=922))
    await until(lambda tweets: [tweet["id"] for tweet in tweets] == [9230, 9220])
    await deliver(events.UserErased(user_id=922))
    await until(lambda tweets: [tweet["id"] for tweet in tweets] == [9230])

    await eraser.run_pass(database, None, 922)

    await until(lambda tweets: tweets[0]["likes"] == [] and tweets[0]["like_count"] == 0)


async def test_a_page_comes_from_the_cache_the_second_time_and_has_an_entity_tag(
    database: Database, feed: httpx.AsyncClient
) -> None:
    path = "/api/tweets?limit=7"
    first = await read(feed, 901, path)
    async with asyncio.timeout(PATIENCE_SECONDS):
        before = hits()
        while hits() == before:
            again = await read(feed, 901, path)
    unchanged = await read(feed, 901, path, **{"if-none-match": first.headers["etag"]})
    anonymous = await feed.get(path)

    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert first.json()["tweets"] == []
    assert anonymous.status_code == 401


async def test_a_new_name_reaches_the_pages_that_show_it_and_no_others(
    database: Database, as_service: Callable[[str], None]
) -> None:
    numbers = iter(range(3_000_000, 4_000_000))
    path = "/api/tweets?limit=6"
    author, liker, follower, stranger = 941, 942, 943, 944

    async def deliver(*delivered: Event) -> None:
        for event in delivered:
            await testing.deliver(database, subscriptions, event.routing_key, event, next(numbers))

    app = api_process.create_app()
    async with testing.client_for(app) as feed, asyncio.timeout(PATIENCE_SECONDS):
        cache = app.state.page_cache._cache

        async def change(*delivered: Event, notifications: int) -> None:
            """Delivers events, and waits for so many notifications of their changes."""
            before = cache.version
            await deliver(*delivered)
            while cache.version < before + notifications:
                await asyncio.sleep(0)

        async def results() -> dict[str, float]:
            return {result: CACHE.labels(result)._value.get() for result in ("hit", "assembled")}

        async def shown() -> tuple[str, str]:
            (tweet,) = (await read(feed, follower, path)).json()["tweets"]
            return tweet["author"]["name"], tweet["likes"][0]["name"]

        await deliver(
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

        results_before = await results()
        await change(
            events.UserRegistered(user_id=stranger, name="Zoe"),
            events.UserRenamed(user_id=stranger, name="Zoë"),
            notifications=2,
        )
        # For many people the cache searches the JSON in another way.
        newcomers = [events.UserRegistered(user_id=9_450 + n, name=f"{n}") for n in range(30)]
        await shown()
        await change(*newcomers, notifications=len(newcomers))
        await shown()
        # The first event changes nothing, so PostgreSQL notifies only the second one.
        await change(
            events.UserRenamed(user_id=author, name="Ann"),
            events.UserRenamed(user_id=stranger, name="Zoe"),
            notifications=1,
        )
        await shown()
        assert await results() == {**results_before, "hit": results_before["hit"] + 3}

        await change(events.UserRenamed(user_id=author, name="Anna"), notifications=1)
        assert await shown() == ("Anna", "")
        await change(events.UserRegistered(user_id=liker, name="Boris"), notifications=1)
        assert await shown() == ("Anna", "Boris")
        await change(
            *(events.UserRenamed(user_id=9_450 + n, name="…") for n in range(30)),
            events.UserRenamed(user_id=liker, name="Bob"),
            notifications=31,
        )
        assert await shown() == ("Anna", "Bob")


async def test_a_page_assembled_between_the_changes_of_a_batch_does_not_stay_stale(
    database: Database, connections: Pool
) -> None:
    cache = InvalidatingCache(1_000_000)
    cache.set_connected(True)
    pages = PageCache(connections, cache)
    key = PageKey(931, PageRequest(Order.popular, Scope.following, None, 20))
    posted = events.TweetPosted(
        tweet_id=9311, author_id=931, content="…", attachments=[], created_at=datetime.now(UTC)
    )
    tweets = [posted, posted.model_copy(update={"tweet_id": 9312})]
    payloads: list[str] = []
    complete = asyncio.Event()

    def on_notification(*arguments: Any) -> None:
        payload = arguments[-1]
        complete.set() if payload == "end" else payloads.append(payload)

    async with database.transaction() as session:
        for version, event in enumerate(tweets):
            await insert_tweets(session, [(event, version)])
    await pages.assemble(key)
    async with connections.acquire() as connection:
        await connection.add_listener("feed_changes", on_notification)
        async with database.transaction() as session:
            for version, event in enumerate(tweets):
                like = events.TweetLiked(tweet_id=event.tweet_id, user_id=932)
                await set_likes(session, [(like, version)])
        async with database.transaction() as session:
            await execute(session, text("select pg_notify('feed_changes', 'end')"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await complete.wait()
        await connection.remove_listener("feed_changes", on_notification)
    # PostgreSQL sends equal notifications of a transaction once, in the place of the first.
    assert payloads == ["tweet 9311", "author 931", "tweet 9312"]
    for payload in payloads:
        cache.invalidate(parse_tag(payload))
        page = pages.cached(key) or await pages.assemble(key)

    assert page.body == await queries.page(connections, Selection(931))


def put(cache: InvalidatingCache, key: str, *tags: int, size: int = 10) -> bool:
    """Puts an entry that was read just now. Returns whether the cache has stored it."""
    cache.put(key, key, size, tags, cache.version)
    return cache.get(key) is not None


def test_a_change_during_a_read_prevents_the_storing_of_what_it_concerns() -> None:
    cache = InvalidatingCache(10_000)
    cache.set_connected(True)
    stored: dict[str, bool] = {}
    for change in ("author 7", "author 8", "reader 1", "reader 2", "person 7", "person 8", "name"):
        version = cache.version
        cache.invalidate(parse_tag(change))
        names = b'"author":{"id":7,"name":"Ann"}'
        cache.put("page", "page", 10, (7, reader_tag(1)), version, names=names)
        stored[change] = cache.get("page") is not None
        cache.invalidate(EVERYTHING)

    assert stored == {
        "author 7": False,
        "author 8": True,
        "reader 1": False,
        "reader 2": True,
        "person 7": False,
        "person 8": True,
        "name": False,
    }


def test_a_change_drops_what_depends_on_it_and_nothing_else() -> None:
    cache = InvalidatingCache(10_000)
    cache.set_connected(True)
    tags_by_key = {"author": (7,), "reader": (reader_tag(1),), "both": (7, 8)}
    tags_by_key |= {"all": (ALL_AUTHORS,), "tweet": (tweet_tag(7),)}
    cached: dict[int, set[str]] = {}
    names = b'"likes":[{"user_id":7,"name":"Ann"}]'
    for change in (
        7,
        8,
        9,
        tweet_tag(7),
        tweet_tag(8),
        reader_tag(1),
        reader_tag(2),
        person_tag(7),
        person_tag(8),
        EVERYTHING,
    ):
        assert all(put(cache, key, *tags) for key, tags in tags_by_key.items())
        cache.put("shows 7", "…", 10, (), cache.version, names=names)
        cache.invalidate(change)
        cached[change] = {key for key in (*tags_by_key, "shows 7") if cache.peek(key)}

    everything = {*tags_by_key, "shows 7"}
    assert cached == {
        7: everything - {"author", "both", "all"},
        8: everything - {"both", "all"},
        9: everything - {"all"},
        tweet_tag(7): everything - {"tweet"},
        tweet_tag(8): everything,
        reader_tag(1): everything - {"reader"},
        reader_tag(2): everything,
        person_tag(7): everything - {"shows 7"},
        person_tag(8): everything,
        EVERYTHING: set(),
    }


def test_nothing_is_stored_while_notifications_are_not_received() -> None:
    cache = InvalidatingCache(10_000)
    version = cache.version
    assert not put(cache, "early", 7)

    cache.set_connected(True)
    cache.put("read before", "…", 10, (7,), version)
    assert cache.get("read before") is None
    assert put(cache, "now", 7)
    cache.set_connected(False)

    assert cache.get("now") is None


def test_small_entries_stay_within_the_memory_limit() -> None:
    cache = InvalidatingCache(2_000_000)
    cache.set_connected(True)
    tracemalloc.start()
    for author_id in range(20_000):
        # The pages of authors who do not exist.
        body = b'{"result":true,"tweets":[],"next_cursor":null}' + b" " * (author_id % 2)
        key = PageKey(1, PageRequest(Order.recent, Scope.everyone, author_id, 20))
        page = TaggedJson(body, f'"{author_id}"')
        cache.put(key, page, len(body), (author_id, reader_tag(1)), cache.version)
    used_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 1_000_000 < used_bytes < 2_500_000


def test_the_cache_is_bounded_and_evicts_the_least_recently_used_entry() -> None:
    cache = InvalidatingCache(12_000)
    cache.set_connected(True)
    for number in range(100):
        put(cache, str(number), 7, size=3000)
        cache.get("0")
    put(cache, "1", 7, size=20_000)

    assert [number for number in range(100) if cache.peek(str(number))] == [0, 98, 99]
    cache.invalidate(7)
    assert not any(cache.peek(str(number)) for number in range(100))
    assert not cache._keys_by_tag


def test_merging_what_has_changed_gives_the_highest_of_all() -> None:
    source, limit = random.Random(7), 5
    merged = 0
    by_author: dict[int, list[SortKey]] = {author: [] for author in range(1, 7)}
    highest = page_cache._highest_of(by_author, limit)

    for _ in range(2_000):
        changed = source.sample(sorted(by_author), source.randrange(3))
        for author in changed:
            keys = {(source.randrange(4), 10 * n + author) for n in range(source.randrange(6))}
            by_author[author] = sorted(keys, reverse=True)
        found = page_cache._merge(highest, {author: by_author[author] for author in changed}, limit)
        highest = page_cache._highest_of(by_author, limit)
        assert found in (highest, None)
        merged += found is not None

    assert merged > 1_000
