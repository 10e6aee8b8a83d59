"""An erasure leaves no data of the person in tweets, even if events arrive late."""

import asyncio
from datetime import timedelta
from itertools import count

import httpx
import pytest
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.tweets import commands
from services.tweets.events import MediaExpired, UserErased, UserFollowed, UserRegistered
from services.tweets.handlers import subscriptions
from services.tweets.privacy import eraser
from tests.row_counts import count_rows, largest
from tests.waiting import eventually

from .test_api import outbox, post, posted, signed, uploaded

_people = count(100)
_numbers = count(1)


async def deliver(database: Database, event: UserErased | UserFollowed | UserRegistered) -> None:
    await testing.deliver(
        database, subscriptions, event.routing_key, event, next(_numbers), source="users"
    )


async def deliver_erasure(database: Database, user_id: int) -> None:
    await deliver(database, UserErased(user_id=user_id))


async def rows(database: Database) -> dict[str, int]:
    counted = {}
    async with database.transaction() as session:
        for table in ("tweet", "tweet_like", "draft", "media", "person", "follow", "tag_follow"):
            found = await execute(session, text(f"select count(*) from {table}"))
            counted[table] = int(found.scalar_one())
    return counted


async def like(tweets: httpx.AsyncClient, tweet_id: int, user_id: int) -> int:
    response = await tweets.post(f"/api/tweets/{tweet_id}/likes", headers=signed(user_id))
    return response.status_code


async def test_an_erasure_deletes_everything_of_the_person_and_nothing_of_others(
    tweets: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tweets.privacy.BATCH", 2)
    ann, boris = next(_people), next(_people)
    others_tweet = await posted(tweets, boris)
    await like(tweets, others_tweet, boris)
    before = await rows(database)
    await deliver(database, UserRegistered(user_id=ann, name="Ann Secret"))
    for other in (boris, *range(1, 4)):
        await deliver(database, UserFollowed(follower_id=ann, followed_id=other))
        await deliver(database, UserFollowed(follower_id=other, followed_id=ann))
    for user_id in (ann, boris):
        await tweets.post("/api/tags/followed", json={"tag": "secret"}, headers=signed(user_id))
    before["tag_follow"] += 1
    picture = await uploaded(database, ann, alt="A secret door")
    await uploaded(database, ann)
    tweet_ids = [await posted(tweets, ann, [picture])] + [
        (await post(tweets, ann, f"secret {number}", draft_id=f"d{number}")).json()["tweet_id"]
        for number in range(4)
    ]
    await post(tweets, ann, "a secret #tag", reply_to=others_tweet)
    for tweet_id in (*tweet_ids, others_tweet):
        for user_id in (ann, boris):
            assert await like(tweets, tweet_id, user_id) == 200

    await deliver_erasure(database, ann)
    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))

    assert await rows(database) == before
    assert [await like(tweets, tweet_id, boris) for tweet_id in tweet_ids] == [404] * 5
    events = [
        event for event in await outbox(database, "tweet.posted.v1") if event["author_id"] == ann
    ]
    assert sorted(event["tweet_id"] for event in events)[:-1] == tweet_ids
    for event in events:
        assert (event["content"], event["attachments"], event["media"]) == ("", [], [])
        assert event["entities"] == []
    others = [event for event in await outbox(database, "tweet.posted.v1") if event not in events]
    assert all(event["content"] for event in others)


async def test_data_that_arrives_after_the_erasure_is_dropped_or_deleted_by_the_last_pass(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann = next(_people)
    before = await rows(database)
    await deliver_erasure(database, ann)
    assert not await eraser.run_pass(database, None, ann)

    # An identity that was signed before the erasure is valid for a minute.
    await post(tweets, ann, "one more secret")
    await uploaded(database, ann)
    expired = MediaExpired(media_id=900_000, owner_id=ann, path="/uploads/x.png")
    await testing.deliver(
        database, subscriptions, expired.routing_key, expired, next(_numbers), source="media"
    )

    assert await rows(database) == before | {"tweet": before["tweet"] + 1}
    assert await outbox(database, "media.released.v1") == []
    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))
    assert await rows(database) == before
    assert "one more secret" not in str(await outbox(database, "tweet.posted.v1"))


async def test_a_killed_erasure_continues_where_it_stopped(
    tweets: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tweets.privacy.BATCH", 1)
    monkeypatch.setattr("chassis.privacy.erasure.job.SCAN_EVENTS", 2)
    ann = next(_people)
    before = await rows(database)
    for number in range(5):
        await post(tweets, ann, f"secret {number}")
    await deliver_erasure(database, ann)
    killed = asyncio.create_task(eraser.run_pass(database, None, ann, grace_period=timedelta(0)))

    async def has_begun() -> bool:
        return (await rows(database))["tweet"] < before["tweet"] + 5

    await eventually(has_begun)
    killed.cancel()
    await asyncio.wait([killed])

    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))
    assert await rows(database) == before
    events = [
        event for event in await outbox(database, "tweet.posted.v1") if event["author_id"] == ann
    ]
    assert [event["content"] for event in events] == [""] * 5


async def test_no_statement_deletes_more_likes_than_a_batch(
    tweets: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("services.tweets.privacy.LIKES_BATCH", "services.tweets.privacy.BATCH"):
        monkeypatch.setattr(name, 3)
    monkeypatch.setattr("chassis.privacy.erasure.job.BATCH", 3)
    ann = next(_people)
    before = await rows(database)
    popular = [await posted(tweets, ann) for _ in range(2)]
    for tweet_id in popular:
        for _ in range(8):
            assert await like(tweets, tweet_id, next(_people)) == 200
    for number in range(5):
        await post(tweets, ann, f"secret {number}", draft_id=f"d{number}")
    await deliver_erasure(database, ann)
    await count_rows(database, ("tweet", "tweet_like", "draft", "media", "outbox"))

    first = await eraser.sweep(database, ann)
    # There are likes left, and no new ones can be added.
    refused = [await like(tweets, tweet_id, next(_people)) for tweet_id in popular]
    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))

    assert (first, refused) == (3, [404, 404])
    assert await rows(database) == before
    assert await largest(database) == {"tweet": 3, "tweet_like": 3, "draft": 3, "outbox": 3}


async def test_a_like_in_progress_while_its_tweet_is_erased_is_deleted_too(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = next(_people), next(_people)
    before = await rows(database)
    tweet_id = await posted(tweets, ann)
    await deliver_erasure(database, ann)

    async with database.transaction() as session:
        await commands.like_tweet(session, tweet_id, boris)
        erasing = asyncio.create_task(
            eraser.run_pass(database, None, ann, grace_period=timedelta(0))
        )
        waiting = text("""
            select exists (
                select from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock'
            )
        """)

        async def erasure_waits() -> bool:
            # Within one transaction, PostgreSQL would repeat its first answer.
            async with database.transaction() as looking:
                return bool((await execute(looking, waiting)).scalar_one())

        await eventually(erasure_waits)

    assert await erasing
    assert await rows(database) == before
