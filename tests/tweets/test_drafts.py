"""A draft that is posted again, under its own name or an Idempotency-Key, is one tweet."""

import asyncio
from typing import Any

import httpx
import pytest

from chassis.database.session import Database

from .test_api import ANN, BORIS, outbox, post, signed, uploaded


async def test_a_draft_posted_several_times_at_once_is_one_tweet(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    media_id = await uploaded(database, ANN)
    before = await outbox(database, "tweet.posted.v1")

    refused = await post(tweets, ANN, media_ids=[await uploaded(database, BORIS)], draft_id="1")
    responses = await asyncio.gather(
        *(post(tweets, ANN, media_ids=[media_id], draft_id="1") for _ in range(5))
    )
    others = await post(tweets, BORIS, draft_id="1")

    assert refused.status_code == 403
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["tweet_id"] for response in responses}) == 1
    assert len({response.headers["warble-events"] for response in responses}) == 1
    assert others.json()["tweet_id"] != responses[0].json()["tweet_id"]
    assert len(await outbox(database, "tweet.posted.v1")) == len(before) + 2


async def test_an_idempotency_key_posts_once_and_is_refused_for_another_tweet(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    media_ids = [await uploaded(database, ANN), await uploaded(database, ANN)]
    key = {"idempotency-key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}

    async def post_with_key(draft: dict[str, Any], person: int = ANN) -> httpx.Response:
        return await tweets.post("/api/tweets", json=draft, headers=signed(person) | key)

    draft = {"tweet_data": "once", "tweet_media_ids": media_ids}
    before = await outbox(database, "tweet.posted.v1")
    responses = await asyncio.gather(*(post_with_key(draft) for _ in range(5)))
    changed = [
        await post_with_key({**draft, **change})
        for change in ({"tweet_data": "twice"}, {"tweet_media_ids": media_ids[::-1]})
    ]
    others = await post_with_key({"tweet_data": "mine"}, BORIS)
    twice_named = await post_with_key({**draft, "draft_id": "another"})

    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["tweet_id"] for response in responses}) == 1
    assert len({response.headers["warble-events"] for response in responses}) == 1
    for response in changed:
        assert (response.status_code, response.json()["error_type"]) == (
            422,
            "IdempotencyKeyReused",
        )
    assert others.status_code == 201
    assert (twice_named.status_code, twice_named.json()["error_type"]) == (422, "InvalidRequest")
    assert len(await outbox(database, "tweet.posted.v1")) == len(before) + 2


async def test_the_key_of_a_refused_draft_can_be_used_for_the_corrected_one(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    headers = signed(ANN) | {"idempotency-key": "mended"}
    others = await uploaded(database, BORIS)

    refused = await tweets.post(
        "/api/tweets", json={"tweet_data": "…", "tweet_media_ids": [others]}, headers=headers
    )
    mended = await tweets.post("/api/tweets", json={"tweet_data": "…"}, headers=headers)

    assert (refused.status_code, mended.status_code) == (403, 201)


async def test_a_header_and_a_draft_id_name_the_same_draft(tweets: httpx.AsyncClient) -> None:
    first = await post(tweets, ANN, draft_id="either-way")
    again = await tweets.post(
        "/api/tweets",
        json={"tweet_data": "…"},
        headers=signed(ANN) | {"idempotency-key": "either-way"},
    )

    assert again.json() == first.json()


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_draft_whose_tweet_was_deleted_is_refused(
    tweets: httpx.AsyncClient, database: Database, by_header: bool
) -> None:
    name = f"deleted-{by_header}"
    draft = {"tweet_data": "…"} if by_header else {"tweet_data": "…", "draft_id": name}
    headers = signed(ANN) | ({"idempotency-key": name} if by_header else {})
    first = await tweets.post("/api/tweets", json=draft, headers=headers)
    await tweets.delete(f"/api/tweets/{first.json()['tweet_id']}", headers=signed(ANN))
    before = await outbox(database, "tweet.posted.v1")

    again = await tweets.post("/api/tweets", json=draft, headers=headers)

    assert (again.status_code, again.json()["error_type"]) == (409, "TweetAlreadyDeleted")
    assert await outbox(database, "tweet.posted.v1") == before
    assert (await post(tweets, ANN, draft_id=f"another-{by_header}")).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "a" * 101])
async def test_an_invalid_idempotency_key_is_refused(tweets: httpx.AsyncClient, key: str) -> None:
    response = await tweets.post(
        "/api/tweets",
        json={"tweet_data": "…"},
        headers=signed(ANN) | {"idempotency-key": key},
    )

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")


@pytest.mark.parametrize("draft_id", ["", "a b", "a" * 101, "\0", "a\n"])
async def test_an_invalid_draft_id_is_refused(tweets: httpx.AsyncClient, draft_id: str) -> None:
    response = await post(tweets, ANN, draft_id=draft_id)

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")
