"""Feeds with conversations, and hashtags."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.feed import tags
from services.feed.events import Entity, TweetLiked, TweetPosted, UserDeactivated
from tests.examples import examples
from tests.waiting import eventually

from .histories import (
    PEOPLE,
    THREAD_STEPS,
    FeedModel,
    delete,
    feed_models,
    post,
    toggle_follow,
    toggle_like,
)
from .test_handlers import deliver_one, empty, erase

READER, ANN, BORIS, STRANGER = 1, 2, 3, 4


async def read(feed: httpx.AsyncClient, path: str, reader: int = READER) -> dict[str, Any]:
    response = await feed.get(path, headers=testing.identity_headers("feed", reader))
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def all_pages(
    feed: httpx.AsyncClient, query: str, reader: int = READER
) -> list[dict[str, Any]]:
    page = await read(feed, f"/api/tweets?{query}", reader)
    tweets: list[dict[str, Any]] = page["tweets"]
    while page["next_cursor"]:
        page = await read(feed, f"/api/tweets?{query}&cursor={page['next_cursor']}", reader)
        tweets += page["tweets"]
    return tweets


def ids(tweets: list[dict[str, Any]]) -> list[int]:
    return [tweet["id"] for tweet in tweets]


async def deliver(database: Database, model: FeedModel, start: int = 0) -> None:
    if not start:
        await empty(database)
        # Truncating a table fires no trigger.
        async with database.transaction() as session:
            await execute(session, text("select pg_notify('feed_changes', '')"))
    for recorded in model.events[start:]:
        await deliver_one(database, recorded)


def company() -> FeedModel:
    """The reader follows Ann and Boris. Nobody follows the stranger."""
    model = FeedModel({READER: "Reader", ANN: "Ann", BORIS: "Boris", STRANGER: "Stranger"})
    toggle_follow(model, READER, ANN)
    toggle_follow(model, READER, BORIS)
    return model


async def test_a_reply_between_followed_people_brings_the_first_tweet_of_its_thread_once(
    feed: httpx.AsyncClient, database: Database
) -> None:
    model = company()
    root = post(model, STRANGER, "…")
    ann = post(model, ANN, "…", root)
    newer = post(model, ANN, "…")
    post(model, STRANGER, "…", newer)
    for _ in range(2):
        last = post(model, BORIS, "…", ann)
    await deliver(database, model)

    recent = await read(feed, "/api/tweets?order=recent&replies=conversations")
    popular = await read(feed, "/api/tweets?replies=conversations")

    assert [ids(page["tweets"]) for page in (recent, popular)] == [[root, newer], [newer, root]]
    assert recent["tweets"][0]["conversation"] == {
        "reply_count": 2,
        "person_count": 1,
        "latest_reply_id": last,
        "people": [{"id": BORIS, "name": ""}],
    }
    assert "conversation" not in recent["tweets"][1]
    assert ids((await read(feed, "/api/tweets?order=recent"))["tweets"]) == [newer]
    every = await read(feed, "/api/tweets?order=recent&replies=all")
    assert ids(every["tweets"]) == [last, last - 1, newer, ann]
    assert every["tweets"][0]["in_reply_to"] == {"id": ann, "author": {"id": ANN, "name": ""}}


@pytest.mark.property
@settings(
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(model=feed_models(THREAD_STEPS + ["follow", "like"] * 3, min_steps=15))
async def test_pages_of_conversations_show_each_thread_once_in_order(
    feed: httpx.AsyncClient, database: Database, model: FeedModel
) -> None:
    await deliver(database, model)
    await erase(database, model)

    for reader in sorted(set(range(1, PEOPLE + 1)) - model.hidden)[:2]:
        expected = model.conversations(reader)
        recent = await all_pages(feed, "order=recent&replies=conversations&limit=2", reader)
        assert ids(recent) == expected
        popular = await all_pages(feed, "replies=conversations&limit=3", reader)
        by_likes = sorted(expected, key=lambda each: (len(model.likes[each]), each), reverse=True)
        assert ids(popular) == by_likes


async def test_the_first_page_of_conversations_follows_every_change(
    feed: httpx.AsyncClient, database: Database
) -> None:
    model = company()
    root = post(model, STRANGER, "…")
    own = post(model, ANN, "…")
    await deliver(database, model)
    path = "/api/tweets?replies=conversations&limit=5"
    assert ids((await read(feed, path))["tweets"]) == [own]

    async def shows(expected: list[int]) -> None:
        async def is_shown() -> bool:
            return ids((await read(feed, path))["tweets"]) == expected

        await eventually(is_shown)

    async def after(expected: list[int]) -> None:
        start = len(model.events) - 1
        await deliver(database, model, start)
        await shows(expected)

    first = post(model, ANN, "…", root)
    await after([own])
    second = post(model, BORIS, "…", first)
    await after([own, root])
    toggle_like(model, root, STRANGER)
    await after([root, own])
    delete(model, second)
    await after([own])
    post(model, BORIS, "…", first)
    await after([root, own])
    model.record("users", UserDeactivated(user_id=STRANGER))
    await after([own])


def _move_to_today(model: FeedModel) -> None:
    """The histories take place long ago."""
    now = datetime.now(UTC)
    for place, recorded in enumerate(model.events):
        event = recorded.event
        if isinstance(event, TweetPosted):
            moved = event.model_copy(update={"created_at": now})
            model.events[place] = replace(recorded, event=moved)


async def test_tags(
    feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "REFRESH_SECONDS", 0)
    monkeypatch.setattr(tags, "_MAX_SHARE_OF_TIME", 1e9)
    model = company()

    def tagged(author: int, spelling: str, tag: str, reply_to: int | None = None) -> int:
        entity = Entity(type="hashtag", start=0, length=1, text=f"#{spelling}", tag=tag)
        return post(model, author, f"#{spelling}", reply_to, entities=[entity])

    first = tagged(STRANGER, "Релиз", "релиз")
    second = tagged(ANN, "релиз", "релиз", first)
    other = tagged(ANN, "релокация", "релокация")
    gone = tagged(ANN, "релиз", "релиз")
    delete(model, gone)
    model.record("tweets", TweetLiked(tweet_id=first, user_id=ANN))
    _move_to_today(model)
    await deliver(database, model)
    feed.periods._kept.clear()  # type: ignore[attr-defined]

    for spelling in ("релиз", "%23РЕЛИЗ"):
        popular = await all_pages(feed, f"tag={spelling}&limit=1")
        recent = await all_pages(feed, f"tag={spelling}&order=recent&limit=1")
        assert [ids(popular), ids(recent)] == [[first, second], [second, first]]
    assert popular[1]["in_reply_to"]["id"] == first
    found = (await read(feed, "/api/tags?query=%23Рел"))["tags"]
    assert [(tag["tag"], tag["name"], tag["count"]) for tag in found] == [
        ("релиз", "Релиз", 2),
        ("релокация", "релокация", 1),
    ]
    assert (await read(feed, "/api/tags?query=nothing"))["tags"] == []
    assert ids((await read(feed, "/api/tweets?tag=nothing"))["tweets"]) == []
    assert ids((await read(feed, f"/api/users/{ANN}/tweets"))["tweets"]) == [other]
    replies = await read(feed, f"/api/users/{ANN}/tweets?replies=all")
    assert ids(replies["tweets"]) == [other, second]


async def test_a_persons_likes_and_pictures(feed: httpx.AsyncClient, database: Database) -> None:
    model = company()
    for _ in range(3):
        post(model, ANN, "…")
    for tweet_id in (2, 1, 3):
        toggle_like(model, tweet_id, BORIS)
    toggle_like(model, 1, BORIS)
    last = model.events[4].event.model_copy(update={"attachments": ["/uploads/x.webp"]})
    model.events[4] = replace(model.events[4], event=last)
    await deliver(database, model)

    first = await read(feed, f"/api/users/{BORIS}/likes?limit=1")
    second = await read(feed, f"/api/users/{BORIS}/likes?limit=1&cursor={first['next_cursor']}")
    pictures = await read(feed, f"/api/users/{ANN}/tweets?media=true")

    assert [ids(page["tweets"]) for page in (first, second)] == [[3], [2]]
    assert ids(pictures["tweets"]) == [last.tweet_id]  # type: ignore[attr-defined]


async def test_popular_tweets_of_a_period(feed: httpx.AsyncClient, database: Database) -> None:
    # The histories begin in January: nothing of them is a month old or less.
    model = company()
    old = post(model, ANN, "…")
    await deliver(database, model)
    feed.periods._kept.clear()  # type: ignore[attr-defined]

    for query in ("", "&scope=everyone"):
        assert ids(await all_pages(feed, f"limit=5&since=all{query}")) == [old]
        assert await all_pages(feed, f"limit=5&since=week{query}") == []


async def test_a_tag_that_postgres_cannot_hold_is_refused(feed: httpx.AsyncClient) -> None:
    headers = testing.identity_headers("feed", READER)
    response = await feed.get("/api/tweets?tag=a%00", headers=headers)
    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")
