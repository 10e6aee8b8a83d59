"""Replies: their place in the thread, who may reply, and what their events contain."""

import asyncio
from functools import partial
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute, fetch
from services.tweets import commands
from services.tweets.commands import MAX_ANCESTORS, NewTweet
from services.tweets.events import UserDeactivated, UserFollowed, UserUnfollowed
from services.tweets.handlers import subscriptions
from tests.waiting import eventually

from .test_api import WAITING

ANN, BORIS, CAROL = 1, 2, 3
_numbers = count(1)


async def post(
    tweets: httpx.AsyncClient, author_id: int, reply_to: int | None = None, **more: Any
) -> httpx.Response:
    return await tweets.post(
        "/api/tweets",
        json={"tweet_data": "…", "reply_to": reply_to, **more},
        headers=testing.identity_headers("tweets", author_id),
    )


async def posted(
    tweets: httpx.AsyncClient, author_id: int, reply_to: int | None = None, **more: Any
) -> int:
    response = await post(tweets, author_id, reply_to, **more)
    assert response.status_code == 201, response.text
    tweet_id: int = response.json()["tweet_id"]
    return tweet_id


async def deleted(tweets: httpx.AsyncClient, author_id: int, tweet_id: int) -> None:
    headers = testing.identity_headers("tweets", author_id)
    response = await tweets.delete(f"/api/tweets/{tweet_id}", headers=headers)
    assert response.status_code == 200, response.text


async def deliver(database: Database, event: Any) -> None:
    await testing.deliver(
        database, subscriptions, event.routing_key, event, next(_numbers), source="users"
    )


async def waits_for_a_lock(database: Database) -> bool:
    async with database.direct_transaction() as session:
        return bool(await fetch(session, WAITING))


async def place(database: Database, routing_key: str, tweet_id: int) -> Any:
    statement = text("""
        select payload from outbox
        where routing_key = :key and (payload ->> 'tweet_id')::bigint = :id
    """)
    async with database.transaction() as session:
        parameters = {"key": routing_key, "id": tweet_id}
        return (await execute(session, statement, parameters)).scalar_one()["thread"]


async def test_a_reply_takes_its_place_from_its_parent(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    root = await posted(tweets, ANN)
    first = await posted(tweets, BORIS, root)
    second = await posted(tweets, BORIS, first)

    assert await place(database, "tweet.posted.v1", root) is None
    expected = {
        "parent_id": first,
        "root_id": root,
        "depth": 2,
        "ancestors": [first, root],
        "self_replies": 1,
    }
    assert await place(database, "tweet.posted.v1", second) == expected
    await deleted(tweets, BORIS, second)
    assert await place(database, "tweet.deleted.v1", second) == expected


async def test_a_deep_reply_has_the_nearest_tweets_above_it(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    chain = [await posted(tweets, ANN)]
    for _ in range(MAX_ANCESTORS + 2):
        chain.append(await posted(tweets, ANN, chain[-1]))

    last = await place(database, "tweet.posted.v1", chain[-1])

    assert last["ancestors"] == chain[-2 : -2 - MAX_ANCESTORS : -1]
    assert (last["root_id"], last["depth"]) == (chain[0], MAX_ANCESTORS + 2)
    assert last["self_replies"] == MAX_ANCESTORS + 2


async def test_nobody_replies_to_a_tweet_that_is_not_there(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    gone, of_a_former_colleague = await posted(tweets, ANN), await posted(tweets, CAROL)
    await deleted(tweets, ANN, gone)
    await deliver(database, UserDeactivated(user_id=CAROL))

    for missing in (gone, of_a_former_colleague, 10**12):
        response = await post(tweets, BORIS, missing)
        assert (response.status_code, response.json()["error_type"]) == (404, "TweetNotFound")


async def test_a_reply_and_the_deletion_of_its_parent_wait_for_each_other(
    tweets: httpx.AsyncClient,
) -> None:
    for _ in range(10):
        parent = await posted(tweets, ANN)
        headers = testing.identity_headers("tweets", ANN)
        reply, deletion = await asyncio.gather(
            post(tweets, BORIS, parent), tweets.delete(f"/api/tweets/{parent}", headers=headers)
        )
        assert deletion.status_code == 200
        assert reply.status_code in (201, 404), reply.text


@pytest.mark.parametrize(
    "removal",
    [
        "update tweet set deleted_at = now() where id = $1",
        "update tweet set hidden_at = now() where id = $1",
    ],
)
async def test_a_reply_waits_for_the_removal_of_its_parent_and_is_refused(
    tweets: httpx.AsyncClient, database: Database, removal: str
) -> None:
    parent = await posted(tweets, ANN)

    async with database.direct_transaction() as session:
        await fetch(session, "select from tweet where id = $1 for update", parent)
        waiting = asyncio.create_task(post(tweets, BORIS, parent))
        await eventually(partial(waits_for_a_lock, database))
        await fetch(session, removal, parent)

    assert (await waiting).json()["error_type"] == "TweetNotFound"


@pytest.mark.parametrize(
    ("rule", "allowed"), [("everyone", True), ("nobody", False), ("following", False)]
)
async def test_the_author_decides_who_may_reply_to_the_whole_thread(
    tweets: httpx.AsyncClient, rule: str, allowed: bool
) -> None:
    root = await posted(tweets, ANN, replies=rule)
    continuation = await posted(tweets, ANN, root)

    for parent in (root, continuation):
        response = await post(tweets, BORIS, parent)
        assert response.status_code == (201 if allowed else 403), response.text
        assert allowed or response.json()["error_type"] == "RepliesRestricted"


async def test_people_whom_the_author_follows_may_reply(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    author, followed = 11, 12
    root = await posted(tweets, author, replies="following")
    await deliver(database, UserFollowed(follower_id=author, followed_id=followed))
    await deliver(database, UserFollowed(follower_id=CAROL + 10, followed_id=author))

    await posted(tweets, followed, root)
    assert (await post(tweets, CAROL + 10, root)).status_code == 403

    await deliver(database, UserUnfollowed(follower_id=author, followed_id=followed))
    assert (await post(tweets, followed, root)).status_code == 403


async def test_a_draft_is_another_one_with_another_parent(tweets: httpx.AsyncClient) -> None:
    headers = testing.identity_headers("tweets", ANN) | {"Idempotency-Key": "reply-once"}
    root, other = await posted(tweets, ANN), await posted(tweets, ANN)

    answers = [
        await tweets.post(
            "/api/tweets", json={"tweet_data": "…", "reply_to": parent}, headers=headers
        )
        for parent in (root, root, other)
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert answers[0].json() == answers[1].json()
    assert answers[2].json()["error_type"] == "IdempotencyKeyReused"


async def test_a_reply_posted_several_times_at_once_is_one_tweet(
    tweets: httpx.AsyncClient,
) -> None:
    root = await posted(tweets, ANN)

    answers = await asyncio.gather(
        *(post(tweets, BORIS, root, draft_id="at-once") for _ in range(5))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["tweet_id"] for answer in answers}) == 1
    assert len({answer.headers["warble-events"] for answer in answers}) == 1


async def test_a_reply_posted_again_after_its_parent_is_gone_is_its_first_tweet(
    tweets: httpx.AsyncClient,
) -> None:
    root = await posted(tweets, ANN)
    first = await post(tweets, BORIS, root, draft_id="orphan")
    await deleted(tweets, ANN, root)

    again = await post(tweets, BORIS, root, draft_id="orphan")

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["warble-events"] == first.headers["warble-events"]


async def test_the_draft_id_of_a_refused_reply_can_be_used_again(
    tweets: httpx.AsyncClient,
) -> None:
    closed, root = await posted(tweets, ANN, replies="nobody"), await posted(tweets, ANN)

    refused = await post(tweets, BORIS, closed, draft_id="refused")
    accepted = await post(tweets, BORIS, root, draft_id="refused")

    assert (refused.status_code, accepted.status_code) == (403, 201)


async def test_a_reply_that_would_be_refused_waits_for_an_equal_one_that_is_being_posted(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    author, followed = 21, 22
    root = await posted(tweets, author, replies="following")
    await deliver(database, UserFollowed(follower_id=author, followed_id=followed))

    async with database.direct_transaction() as session:
        new = NewTweet("…", reply_to=root)
        first = await commands.post_tweet(session, followed, new, "in-time")
        await deliver(database, UserUnfollowed(follower_id=author, followed_id=followed))
        waiting = asyncio.create_task(post(tweets, followed, root, draft_id="in-time"))
        await eventually(partial(waits_for_a_lock, database))

    assert (await waiting).json()["tweet_id"] == first.tweet_id
