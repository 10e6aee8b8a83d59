"""Tweets and likes, as the gateway sees the service."""

import asyncio
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis import testing
from chassis.auth.identity import KeyScope
from chassis.database.session import Database, execute, fetch
from services.tweets import commands
from services.tweets.events import MediaExpired, MediaUploaded
from services.tweets.handlers import subscriptions
from tests.waiting import eventually

ANN, BORIS = 1, 2
MENTION = {"user_id": 900000, "start": 0, "length": 4}
FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}\u200d\N{BOY}"

WAITING = """
select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""
STORED_LIKE = "select active, version from tweet_like where tweet_id = $1"
EVENTS_OF_LIKES = """
select id, routing_key from outbox
where routing_key like 'tweet.%liked.v1' and (payload ->> 'tweet_id')::bigint = $1
order by id
"""

_media_ids = count(1)
_numbers = count(1)


def signed(user_id: int) -> dict[str, str]:
    return testing.identity_headers("tweets", user_id)


async def post(
    tweets: httpx.AsyncClient,
    author_id: int,
    content: str = "…",
    media_ids: object = None,
    **more: object,
) -> httpx.Response:
    draft = {"tweet_data": content, "tweet_media_ids": media_ids, "mood": "ignored", **more}
    return await tweets.post("/api/tweets", json=draft, headers=signed(author_id))


async def posted(tweets: httpx.AsyncClient, author_id: int, media_ids: object = None) -> int:
    response = await post(tweets, author_id, media_ids=media_ids)
    assert response.status_code == 201, response.text
    tweet_id: int = response.json()["tweet_id"]
    return tweet_id


async def uploaded(database: Database, owner_id: int, **known: Any) -> int:
    media_id = next(_media_ids)
    path = f"/uploads/{media_id}.png"
    event = MediaUploaded(media_id=media_id, owner_id=owner_id, path=path, **known)
    await testing.deliver(
        database, subscriptions, event.routing_key, event, next(_numbers), source="media"
    )
    return media_id


async def outbox(database: Database, routing_key: str) -> list[dict[str, Any]]:
    async with database.transaction() as session:
        rows = await execute(
            session,
            text("select payload from outbox where routing_key = :key order by id"),
            {"key": routing_key},
        )
        return list(rows.scalars())


@pytest.mark.parametrize(
    "content", ["a" * 280, FAMILY * 280, "e\N{COMBINING ACUTE ACCENT}" * 280, "Ы" * 280]
)
async def test_280_characters_as_a_person_counts_them_are_accepted(
    tweets: httpx.AsyncClient, content: str
) -> None:
    assert (await post(tweets, ANN, content)).status_code == 201
    response = await post(tweets, ANN, content + "!")
    assert (response.status_code, response.json()["error_type"]) == (422, "TweetTooLong")


@pytest.mark.parametrize(
    ("content", "error_type"),
    [
        ("", "TweetEmpty"),
        (" \n\t", "TweetEmpty"),
        ("\u200b\u2060\u3164\ufe0f\u0301", "TweetEmpty"),
        ("a\0b", "TextNotAccepted"),
        ("a" + "\N{COMBINING ACUTE ACCENT}" * 10_000, "TweetTooLong"),
    ],
)
async def test_a_text_that_cannot_be_shown_is_refused(
    tweets: httpx.AsyncClient, content: str, error_type: str
) -> None:
    response = await post(tweets, ANN, content)

    assert (response.status_code, response.json()["error_type"]) == (422, error_type)


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        ("\x1b[1;31mred\x1b[0m\x07", "red"),
        ("a\x01\x08\x0e\x1f\x7f\x80\x9fb", "ab"),
        ("a\r\nb\rc\vd\fe\x85f\u2028g\u2029h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("\tone\n\n\ttwo\n", "\tone\n\n\ttwo\n"),
        ("\x07" * 280 + "a" * 280, "a" * 280),
        (f"{FAMILY} علی\u200cرضا", f"{FAMILY} علی\u200cرضا"),
    ],
)
async def test_control_characters_are_removed_from_a_text(
    tweets: httpx.AsyncClient, database: Database, content: str, stored: str
) -> None:
    response = await post(tweets, ANN, content)

    assert response.status_code == 201, response.text
    assert (await outbox(database, "tweet.posted.v1"))[-1]["content"] == stored


async def test_a_text_of_control_characters_alone_is_empty(tweets: httpx.AsyncClient) -> None:
    response = await post(tweets, ANN, "\x1b[0m\x07")

    assert (response.status_code, response.json()["error_type"]) == (422, "TweetEmpty")


async def test_a_tweet_has_its_pictures_in_the_authors_order(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    media_ids = [await uploaded(database, ANN) for _ in range(4)][::-1]

    tweet_id = await posted(tweets, ANN, media_ids)

    event = (await outbox(database, "tweet.posted.v1"))[-1]
    assert event["tweet_id"] == tweet_id
    assert event["attachments"] == [f"/uploads/{media_id}.png" for media_id in media_ids]


async def test_the_event_describes_the_pictures_of_a_tweet(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    known = {
        "thumbnail": "/uploads/small.webp",
        "width": 900,
        "height": 600,
        "colour": "#8a7f6d",
        "alt": "A door",
    }
    media_ids = [await uploaded(database, ANN, **known), await uploaded(database, ANN)]

    await posted(tweets, ANN, media_ids)

    event = (await outbox(database, "tweet.posted.v1"))[-1]
    new, old = event["attachments"]
    assert event["media"] == [
        {"url": new, **known},
        {"url": old, "thumbnail": old, "width": None, "height": None, "colour": None, "alt": ""},
    ]


async def test_a_picture_is_attached_to_one_tweet_only_even_at_the_same_moment(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    media_id = await uploaded(database, ANN)

    responses = await asyncio.gather(*(post(tweets, ANN, media_ids=[media_id]) for _ in range(5)))

    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]
    twice = await uploaded(database, ANN)
    response = await post(tweets, ANN, media_ids=[twice, twice])
    assert (response.status_code, response.json()["error_type"]) == (409, "MediaTaken")


async def test_a_tweet_that_is_refused_leaves_nothing_behind(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    own, others = await uploaded(database, ANN), await uploaded(database, BORIS)
    before = await outbox(database, "tweet.posted.v1")

    refused = await post(tweets, ANN, media_ids=[own, others])
    too_many = await post(tweets, ANN, media_ids=[1, 2, 3, 4, 5])

    assert (refused.status_code, refused.json()["error_type"]) == (403, "NotYourMedia")
    assert (too_many.status_code, too_many.json()["error_type"]) == (422, "TooManyImages")
    assert await outbox(database, "tweet.posted.v1") == before
    assert (await post(tweets, ANN, media_ids=[own])).status_code == 201


async def test_a_tweet_that_needs_media_while_it_is_unavailable_gets_503(
    tweets: httpx.AsyncClient,
) -> None:
    response = await post(tweets, ANN, media_ids=[900_000])

    assert (response.status_code, response.json()["error_type"]) == (503, "ServiceUnavailable")
    assert response.headers["retry-after"] == "1"


async def test_an_expired_picture_is_released_unless_a_tweet_has_it(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    attached, unattached = await uploaded(database, ANN), await uploaded(database, ANN)
    await posted(tweets, ANN, [attached])

    for media_id in (attached, unattached):
        event = MediaExpired(media_id=media_id, owner_id=ANN, path=f"/uploads/{media_id}.png")
        await testing.deliver(
            database, subscriptions, event.routing_key, event, next(_numbers), source="media"
        )

    assert await outbox(database, "media.released.v1") == [{"media_id": unattached}]
    response = await post(tweets, ANN, media_ids=[unattached])
    assert (response.status_code, response.json()["error_type"]) == (404, "MediaNotFound")


async def test_only_the_author_deletes_a_tweet_and_only_once(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    media_id = await uploaded(database, ANN)
    tweet_id = await posted(tweets, ANN, [media_id])
    path = f"/api/tweets/{tweet_id}"

    responses = [
        await tweets.delete(path, headers=signed(user_id)) for user_id in (BORIS, ANN, ANN)
    ]

    assert [response.status_code for response in responses] == [403, 200, 404]
    assert (await outbox(database, "tweet.deleted.v1"))[-1] == {
        "tweet_id": tweet_id,
        "author_id": ANN,
        "media_ids": [media_id],
        "thread": None,
    }
    assert (await tweets.post(f"{path}/likes", headers=signed(BORIS))).status_code == 404


async def test_liking_twice_records_one_event_and_both_responses_name_it(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    tweet_id = await posted(tweets, ANN)
    path = f"/api/tweets/{tweet_id}/likes"

    calls = [
        await tweets.request(method, path, headers=signed(BORIS))
        for method in ("DELETE", "POST", "POST", "DELETE", "DELETE")
    ]

    events = [call.headers.get("warble-events") for call in calls]
    assert {call.status_code for call in calls} == {200}
    assert events[0] is None
    assert events[1] == events[2] != events[3] == events[4]
    fact = {"tweet_id": tweet_id, "user_id": BORIS}
    assert [event for event in await outbox(database, "tweet.liked.v1") if event == fact] == [fact]
    assert [event for event in await outbox(database, "tweet.unliked.v1") if event == fact] == [
        fact
    ]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_change_of_a_like_that_waits_for_another_one_has_the_latest_version(
    tweets: httpx.AsyncClient, database: Database, method: str
) -> None:
    tweet_id = await posted(tweets, ANN)
    path = f"/api/tweets/{tweet_id}/likes"
    await tweets.post(path, headers=signed(BORIS))
    revert, repeat = commands.unlike_tweet, commands.like_tweet
    if method == "DELETE":
        await tweets.delete(path, headers=signed(BORIS))
        revert, repeat = repeat, revert

    async def waits_for_a_lock() -> bool:
        async with database.direct_transaction() as session:
            return bool(await fetch(session, WAITING))

    async with database.direct_transaction() as session:
        await revert(session, tweet_id, BORIS)
        waiting = asyncio.create_task(tweets.request(method, path, headers=signed(BORIS)))
        await eventually(waits_for_a_lock)
        await repeat(session, tweet_id, BORIS)
        await revert(session, tweet_id, BORIS)
    assert (await waiting).status_code == 200

    async with database.direct_transaction() as session:
        (like,) = await fetch(session, STORED_LIKE, tweet_id)
        events = await fetch(session, EVENTS_OF_LIKES, tweet_id)
    assert like["active"] == (method == "POST")
    assert like["version"] == events[-1]["id"]
    assert events[-1]["routing_key"] == f"tweet.{'liked' if method == 'POST' else 'unliked'}.v1"
    assert (await waiting).headers["warble-events"] == f"tweets:{like['version']}"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_liking_an_unknown_tweet_is_not_found(tweets: httpx.AsyncClient, method: str) -> None:
    response = await tweets.request(method, "/api/tweets/900000/likes", headers=signed(ANN))

    assert (response.status_code, response.json()["error_type"]) == (404, "TweetNotFound")


@pytest.mark.parametrize(
    ("person", "scope"),
    [(BORIS, KeyScope.write), (BORIS, KeyScope.read), (0, KeyScope.write), (None, KeyScope.write)],
)
@pytest.mark.parametrize(
    ("method", "path", "draft"),
    [
        ("POST", "/api/tweets/{tweet_id}/likes", None),
        ("DELETE", "/api/tweets/{tweet_id}/likes", None),
        ("POST", "/api/tweets/900000/likes", None),
        ("DELETE", "/api/tweets/900000/likes", None),
        ("POST", "/api/tweets", {"tweet_data": "plain", "draft_id": "alike"}),
        ("POST", "/api/tweets", {"tweet_data": "@Ann", "draft_id": "mention"}),
        ("POST", "/api/tweets", {"tweet_data": "#tag", "reply_to": 1, "draft_id": "reply"}),
        ("POST", "/api/tweets", {"tweet_data": "reply", "reply_to": 900000}),
        ("POST", "/api/tweets", {"tweet_data": "reply", "reply_to": 900000, "draft_id": "no"}),
        ("POST", "/api/tweets", {"tweet_data": "@Ann", "mentions": [MENTION]}),
        ("POST", "/api/tweets", {"tweet_data": " "}),
        ("POST", "/api/tweets", {"tweet_data": "plain", "draft_id": "a space"}),
    ],
)
async def test_a_write_is_answered_alike_by_the_direct_route_and_by_the_framework(
    tweets: httpx.AsyncClient,
    method: str,
    path: str,
    draft: dict[str, Any] | None,
    person: int | None,
    scope: KeyScope,
) -> None:
    path = path.format(tweet_id=await posted(tweets, ANN))
    headers = {"x-request-id": "the-request"}
    if person is not None:
        headers |= testing.identity_headers("tweets", person, scope=scope)

    # The query leaves the request to the framework. The second request changes nothing.
    responses = [
        await tweets.request(method, path + query, json=draft, headers=headers)
        for query in ("", "?unknown=1")
    ]

    direct, by_framework = ((each.status_code, each.text, each.headers) for each in responses)
    assert direct == by_framework


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"tweet_data": null}',
        b'{"tweet_data": "x", "tweet_media_ids": "1"}',
        b'{"tweet_data": "x", "tweet_media_ids": [0]}',
        b'{"tweet_data": "x", "tweet_media_ids": [99999999999999999999]}',
        b'{"tweet_data": "\\ud83d"}',
        b'{"tweet_data": "\xff"}',
        b"[" * 50_000,
    ],
)
async def test_a_malformed_draft_is_refused(tweets: httpx.AsyncClient, body: bytes) -> None:
    response = await tweets.post("/api/tweets", content=body, headers=signed(ANN))

    assert (response.status_code, response.json()["result"]) == (422, False)
