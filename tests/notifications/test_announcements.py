"""How people are notified of announcements, reminders, and the decisions of moderators."""

from datetime import datetime, timedelta
from itertools import count

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database
from chassis.messaging.events import Event
from services.notifications.events import (
    AnnouncementPosted,
    AnnouncementReminded,
    ReportClosed,
    TweetDeleted,
    TweetHidden,
    TweetRestored,
    UserRegistered,
)
from services.notifications.handlers import subscriptions

from .reader import Reader
from .rows import NOON

_people = count(70_000)
_tweets = count(80_000)
_versions = count(1_000)
_moments = count(1)
TODAY = NOON.date().isoformat()


async def deliver(
    database: Database, event: Event, *, version: int = 0, at: datetime | None = None
) -> None:
    """By default, each event occurs a moment after the one before."""
    at = at or NOON + timedelta(milliseconds=next(_moments))
    number = version or next(_versions)
    source = "users" if isinstance(event, UserRegistered) else "tweets"
    await testing.deliver(
        database, subscriptions, event.routing_key, event, number, source, occurred_at=at
    )


@pytest.fixture
async def ann(notifications: httpx.AsyncClient, database: Database) -> Reader:
    return await registered(notifications, database, "Ann")


@pytest.fixture
async def boris(notifications: httpx.AsyncClient, database: Database) -> Reader:
    return await registered(notifications, database, "Boris")


async def registered(
    notifications: httpx.AsyncClient, database: Database, name: str, at: datetime | None = None
) -> Reader:
    user_id = next(_people)
    registration = UserRegistered(user_id=user_id, name=name)
    await deliver(database, registration, at=at)
    return Reader(notifications, user_id)


async def test_everybody_who_was_there_is_told_of_an_announcement(
    notifications: httpx.AsyncClient, database: Database, ann: Reader, boris: Reader
) -> None:
    tweet_id = next(_tweets)
    before = NOON + timedelta(milliseconds=next(_moments))
    await deliver(database, AnnouncementPosted(tweet_id=tweet_id, author_id=ann.id))
    # The event of this registration arrives after the announcement, which came later.
    late = await registered(notifications, database, "Late", at=before)
    newcomer = await registered(notifications, database, "New")

    (group,) = (await boris.page())["notifications"]
    assert (group["id"], group["tweet_id"], group["thread_id"], group["tweet_count"]) == (
        *(f"announcement:{tweet_id}:{TODAY}", tweet_id, tweet_id, 1),
    )
    assert group["people"] == [{"id": ann.id, "name": "Ann"}]
    assert await boris.unread() == await late.unread() == 1
    assert await ann.listed() == await newcomer.listed() == []

    await deliver(database, TweetDeleted(tweet_id=tweet_id, author_id=ann.id))
    assert await boris.listed() == await late.listed() == []


async def test_each_reminder_comes_to_the_top_and_counts_again(
    database: Database, ann: Reader, boris: Reader
) -> None:
    tweet_id, another = next(_tweets), next(_tweets)
    for each in (tweet_id, another):
        await deliver(database, AnnouncementPosted(tweet_id=each, author_id=ann.id))
    await boris.see((await boris.page())["notifications"][0]["seq"])
    counted = []

    reminder = AnnouncementReminded(tweet_id=tweet_id, author_id=ann.id, user_ids=[boris.id])
    for _ in range(2):
        await deliver(database, reminder)
        counted.append(await boris.unread())
        await boris.see((await boris.page())["notifications"][0]["seq"])

    assert counted == [1, 1]
    assert await boris.unread() == 0
    assert await boris.listed() == [f"announcement:{each}:{TODAY}" for each in (tweet_id, another)]


async def test_an_author_is_told_why_a_tweet_was_hidden_and_that_it_is_restored(
    database: Database, ann: Reader
) -> None:
    tweet_id, version = next(_tweets), next(_versions)
    about = {"tweet_id": tweet_id, "author_id": ann.id}

    async def moderation() -> list[object]:
        (group,) = (await ann.page())["notifications"]
        assert (group["id"], group["tweet_id"]) == (f"moderation:{tweet_id}:{TODAY}", tweet_id)
        assert (group["people"], group["people_count"]) == ([], 0)
        return [*group["moderation"].values(), await ann.unread()]

    await deliver(database, TweetHidden(**about, reason="spam"))
    hidden = await moderation()
    await ann.see((await ann.page())["notifications"][0]["seq"])
    # The event of the first restoration arrives after the second hiding.
    version, later = next(_versions), next(_versions)
    await deliver(database, TweetHidden(**about, reason="confidential"), version=later)
    await deliver(database, TweetRestored(**about), version=version)
    hidden_again = await moderation()
    await deliver(database, TweetRestored(**about))

    assert hidden == ["hidden", "spam", 1]
    assert hidden_again == ["hidden", "confidential", 1]
    assert await moderation() == ["restored", None, 1]


async def test_a_reporter_is_told_that_the_report_is_closed(
    database: Database, boris: Reader
) -> None:
    await deliver(database, ReportClosed(report_id=5, reporter_id=boris.id))

    (group,) = (await boris.page())["notifications"]

    assert (group["id"], group["tweet_id"]) == (f"moderation:-5:{TODAY}", None)
    assert group["moderation"] == {"act": "report_closed", "reason": None}
    read = await boris.call("POST", f"/api/notifications/{group['id']}/read")
    assert read.status_code == 200
    assert await boris.unread() == 0
