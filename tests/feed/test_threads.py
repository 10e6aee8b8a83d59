"""Threads: pages of replies in both directions, long chains, and tweets that are gone."""

from itertools import count
from typing import Any

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database
from services.feed.events import TweetDeleted, UserDeactivated, UserRenamed
from services.feed.page_cache import CACHE
from tests.waiting import eventually

from .histories import MAX_ANCESTORS, FeedModel, RecordedEvent, delete, post, toggle_hidden
from .test_handlers import deliver_one, empty

ANN, BORIS, READER = 1, 2, 9
_numbers = count(1_000_000)


async def thread(feed: httpx.AsyncClient, tweet_id: int, query: str = "") -> dict[str, Any]:
    headers = testing.identity_headers("feed", READER)
    response = await feed.get(f"/api/tweets/{tweet_id}/thread?{query}", headers=headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def ids(tweets: list[dict[str, Any]]) -> list[int]:
    return [tweet["id"] for tweet in tweets]


async def deliver(database: Database, model: FeedModel) -> None:
    await empty(database)
    for recorded in model.events:
        await deliver_one(database, recorded)


@pytest.fixture
async def star(database: Database) -> FeedModel:
    """A tweet of Ann with 30 replies of Boris, of which Ann's own continuation is the last."""
    model = FeedModel({ANN: "Ann", BORIS: "Boris"})
    root = post(model, ANN, "…")
    for _ in range(30):
        post(model, BORIS, "…", root)
    post(model, ANN, "…", root)
    await deliver(database, model)
    return model


async def test_pages_divide_the_replies_and_the_authors_continuation_comes_first(
    feed: httpx.AsyncClient, star: FeedModel
) -> None:
    page = await thread(feed, 1, "limit=10")
    assert page["previous_cursor"] is None
    seen = ids(page["replies"])
    while page["next_cursor"]:
        page = await thread(feed, 1, f"limit=10&cursor={page['next_cursor']}")
        seen += ids(page["replies"])
    assert seen == [32, *range(2, 32)]

    backwards = ids(page["replies"])
    while page["previous_cursor"]:
        page = await thread(feed, 1, f"limit=10&cursor={page['previous_cursor']}")
        backwards = ids(page["replies"]) + backwards
    assert backwards == seen


async def test_a_page_around_a_reply_leads_in_both_directions(
    feed: httpx.AsyncClient, star: FeedModel
) -> None:
    page = await thread(feed, 1, "limit=5&around=20")
    before = await thread(feed, 1, f"limit=2&cursor={page['previous_cursor']}")
    behind = await thread(feed, 1, f"limit=2&cursor={page['next_cursor']}")

    listed = [ids(each["replies"]) for each in (before, page, behind)]

    assert listed == [[16, 17], [18, 19, 20, 21, 22], [23, 24]]
    assert ids((await thread(feed, 1, "limit=2&around=12345"))["replies"]) == [32, 2]
    assert (await thread(feed, 1, "limit=3&around=32"))["previous_cursor"] is None


async def test_in_a_long_chain_each_page_is_short_and_the_root_lists_everything(
    feed: httpx.AsyncClient, database: Database
) -> None:
    model = FeedModel({ANN: "Ann", BORIS: "Boris"})
    last = post(model, ANN, "…")
    for number in range(20):
        last = post(model, BORIS if number % 2 else ANN, "…", last)
    await deliver(database, model)

    middle = await thread(feed, 10)

    assert ids(middle["ancestors"]) == [1, *range(10 - MAX_ANCESTORS, 10)]
    assert middle["omitted_ancestors"] == 9 - MAX_ANCESTORS - 1
    assert ids(middle["replies"]) == [*range(11, 11 + MAX_ANCESTORS)]
    assert sorted(ids((await thread(feed, 1))["replies"])) == [*range(2, 22)]


async def test_a_deleted_tweet_stays_as_long_as_replies_are_below_it(
    feed: httpx.AsyncClient, database: Database
) -> None:
    model = FeedModel({ANN: "Ann", BORIS: "Boris"})
    root = post(model, ANN, "…")
    middle = post(model, BORIS, "a secret", root)
    leaf = post(model, ANN, "…", middle)
    await deliver(database, model)
    delivered = len(model.events)

    delete(model, middle)
    delete(model, root)
    await _deliver_from(database, model, delivered)
    page = await thread(feed, leaf)
    assert page["ancestors"] == [
        {"id": 1, "reply_to": None, "root_id": 1, "tombstone": "deleted"},
        {"id": 2, "reply_to": 1, "root_id": 1, "tombstone": "deleted"},
    ]
    assert (await thread(feed, root))["tweet"]["tombstone"] == "deleted"
    assert "a secret" not in str(page)

    delivered = len(model.events)
    delete(model, leaf)
    await _deliver_from(database, model, delivered)
    headers = testing.identity_headers("feed", READER)
    for tweet_id in (root, middle, leaf):
        for path in (f"/api/tweets/{tweet_id}", f"/api/tweets/{tweet_id}/thread"):
            response = await feed.get(path, headers=headers)
            assert (response.status_code, response.json()["error_type"]) == (404, "TweetWasDeleted")


async def _deliver_from(database: Database, model: FeedModel, start: int) -> None:
    for recorded in model.events[start:]:
        await deliver_one(database, recorded)


async def test_tweets_of_people_who_left_and_unknown_ones_have_errors_of_their_own(
    feed: httpx.AsyncClient, database: Database
) -> None:
    model = FeedModel({ANN: "Ann", BORIS: "Boris"})
    root = post(model, ANN, "…")
    model.record("users", UserDeactivated(user_id=ANN))
    await deliver(database, model)
    headers = testing.identity_headers("feed", READER)

    answers = [await feed.get(f"/api/tweets/{each}", headers=headers) for each in (root, 99)]

    assert [answer.json()["error_type"] for answer in answers] == ["AuthorLeft", "TweetNotFound"]


async def test_a_hidden_tweet_holds_its_place_until_it_is_restored(
    feed: httpx.AsyncClient, database: Database
) -> None:
    model = FeedModel({ANN: "Ann", BORIS: "Boris"})
    root = post(model, ANN, "…")
    reply = post(model, BORIS, "a secret", root)
    await deliver(database, model)
    headers = testing.identity_headers("feed", READER)
    before = await thread(feed, root)

    delivered = len(model.events)
    toggle_hidden(model, reply)
    await _deliver_from(database, model, delivered)
    tombstone = {"id": reply, "reply_to": root, "root_id": root, "tombstone": "hidden"}

    async def is_hidden() -> bool:
        page = await thread(feed, root)
        return bool(page["replies"] == [tombstone | {"hidden_by": "moderator"}])

    await eventually(is_hidden)
    answers = [
        await feed.get(path, headers=headers)
        for path in (f"/api/tweets/{reply}", f"/api/tweets/{reply}/thread")
    ]
    assert [each.json()["error_type"] for each in answers] == ["TweetHidden"] * 2

    delivered = len(model.events)
    toggle_hidden(model, reply)
    await _deliver_from(database, model, delivered)

    async def is_restored() -> bool:
        return await thread(feed, root) == before

    await eventually(is_restored)


@pytest.mark.parametrize("query", ["limit=2", "limit=2&around=20"])
async def test_a_cached_thread_shows_what_has_changed(
    feed: httpx.AsyncClient, database: Database, star: FeedModel, query: str
) -> None:
    async def content(tweet_id: int) -> list[object]:
        found = (await thread(feed, tweet_id, query))["tweet"]
        return [found.get("reply_count"), found.get("author", {}).get("name")]

    assert await content(1) == [31, ""]

    async def is_cached() -> bool:
        hits = CACHE.labels("hit")._value.get()
        assert await content(1) == [31, ""]
        return bool(CACHE.labels("hit")._value.get() == hits + 1)

    # The changes that made the thread may still drop it.
    await eventually(is_cached)
    rename = UserRenamed(user_id=ANN, name="Anna")
    deletion = TweetDeleted(tweet_id=5, thread=star.places[5])
    for event in (rename, deletion):
        await deliver_one(database, RecordedEvent("users", next(_numbers), event))

    async def is_current() -> bool:
        return await content(1) == [30, "Anna"]

    await eventually(is_current)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "AAAAAAAAAAE", "%00"])
async def test_a_wrong_cursor_is_refused(
    feed: httpx.AsyncClient, star: FeedModel, cursor: str
) -> None:
    headers = testing.identity_headers("feed", READER)
    response = await feed.get(f"/api/tweets/1/thread?cursor={cursor}", headers=headers)
    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")
