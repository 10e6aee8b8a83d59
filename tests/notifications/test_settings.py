"""What a person decides: settings, muted and followed threads, watched people."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chassis.database.session import Database, fetch
from chassis.messaging import inbox
from chassis.messaging.events import EventId
from services.notifications import commands
from services.notifications.api import wait_for_own_writes
from services.notifications.kinds import DEFAULT_DELIVERY, Kind
from tests.waiting import PATIENCE_SECONDS

from .reader import Reader
from .rows import NOON, follow, notices, notify, people, person, tweet

TODAY = NOON.date().isoformat()
YESTERDAY = (NOON.date() - timedelta(days=1)).isoformat()


async def test_a_muted_thread_is_hidden_except_for_mentions_until_it_is_unmuted(
    ann: Reader, database: Database
) -> None:
    boris = await person(database, "Boris")
    own = await tweet(database, ann.id)
    reply = await tweet(database, boris, own)
    elsewhere = await tweet(database, ann.id)
    for root in (own, elsewhere):
        await notify(database, ann.id, "reply", boris, subject=reply + root, about=root, root=root)
    await notify(database, ann.id, "like", boris, subject=own, root=own)
    await notify(database, ann.id, "thread", boris, subject=130_001, about=own, root=own)
    await notify(database, ann.id, "mention", boris, subject=130_002, root=own)
    # The tweets of a watched person are one group, whatever their threads.
    await notify(database, ann.id, "watch", boris, subject=own + 1, about=boris, root=elsewhere)
    await notify(database, ann.id, "watch", boris, subject=130_003, about=boris, root=own)
    mute = f"/api/tweets/{reply}/mute"

    async def state() -> tuple[list[str], int]:
        return [one.rpartition(":")[0] for one in await ann.listed()], await ann.unread()

    before = await state()
    await ann.done("POST", mute)
    muted = await state()
    (watched, *_) = (await ann.page())["notifications"]
    await ann.done("POST", f"/api/tweets/{own}/mute", json={"mentions": True})
    mentions_muted = await state()
    for _ in range(2):
        await ann.done("DELETE", mute)

    watch, mention, other = f"watch:{boris}", "mention:130002", f"reply:{elsewhere}"
    assert before[0][:4] == [watch, mention, f"thread:{own}", f"like:{own}"]
    assert before[1] == 4
    assert muted == ([watch, mention, other], 3)
    assert (watched["tweet_id"], watched["tweet_count"]) == (own + 1, 1)
    assert mentions_muted == ([watch, other], 2)
    assert await state() == before
    assert len(await notices(database, ann.id)) == 3


async def test_a_thread_is_followed_or_muted_by_any_of_its_tweets(
    ann: Reader, database: Database
) -> None:
    root = await tweet(database, 1)
    first, second = [await tweet(database, 1, root) for _ in range(2)]

    async def state(tweet_id: int) -> dict[str, Any]:
        body = await ann.done("GET", f"/api/tweets/{tweet_id}/subscription")
        assert body["thread_id"] == root
        return {"state": body["state"], "mentions": body["mentions"]}

    async def threads() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await ann.done("GET", "/api/notifications/settings"))[
            "threads"
        ]
        return listed

    states = [await state(root)]
    for method, path in (
        ("POST", f"/api/tweets/{first}/subscription"),
        ("DELETE", f"/api/tweets/{first}/mute"),
        ("POST", f"/api/tweets/{second}/mute"),
        ("DELETE", f"/api/tweets/{first}/subscription"),
        ("POST", f"/api/tweets/{root}/subscription"),
    ):
        await ann.done(method, path)
        states.append(await state(second))
    followed = await threads()
    for _ in range(2):
        await ann.done("POST", f"/api/tweets/{first}/subscription")
    again = await threads()
    await ann.done("DELETE", f"/api/tweets/{second}/subscription")

    assert [one["state"] for one in states] == [
        "none",
        "followed",
        "followed",
        "muted",
        "muted",
        "followed",
    ]
    assert not any(one["mentions"] for one in states)
    assert [(one["thread_id"], one["state"]) for one in followed] == [(root, "followed")]
    assert again == followed
    assert await threads() == []


async def test_a_tweet_that_is_not_known_has_no_thread(ann: Reader, database: Database) -> None:
    placeholder = await tweet(database, 1)
    async with database.transaction() as session:
        await fetch(session, "update tweet set author_id = null where id = $1", placeholder)

    for tweet_id in (placeholder, 2**53 - 1):
        for method, call in (
            ("POST", "mute"),
            ("DELETE", "mute"),
            ("POST", "subscription"),
            ("DELETE", "subscription"),
            ("GET", "subscription"),
        ):
            response = await ann.call(method, f"/api/tweets/{tweet_id}/{call}")
            assert (response.status_code, response.json()["error_type"]) == (404, "TweetNotFound")


async def test_the_threads_of_a_person_are_bounded(
    ann: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MAX_THREADS", 2)
    first, second, third = [await tweet(database, 1) for _ in range(3)]
    await ann.done("POST", f"/api/tweets/{first}/mute")
    await ann.done("POST", f"/api/tweets/{second}/subscription")

    refused = await ann.call("POST", f"/api/tweets/{third}/mute")
    await ann.done("POST", f"/api/tweets/{second}/mute")

    assert (refused.status_code, refused.json()["error_type"]) == (422, "TooManyThreads")


async def test_each_kind_is_off_listed_or_in_the_badge(ann: Reader, database: Database) -> None:
    await notify(database, ann.id, "like", 1, subject=140_001, root=1)
    await notify(database, ann.id, "mention", 1, subject=140_002, root=1)

    async def state() -> tuple[list[str], int]:
        return [one.partition(":")[0] for one in await ann.listed()], await ann.unread()

    states = [await state()]
    for change in (
        {"like": {"delivery": "badge"}},
        {"mention": {"delivery": "list"}},
        {"mention": {"delivery": "off"}},
        {"mention": {"delivery": "badge"}, "like": {"delivery": "off"}},
    ):
        await ann.set(**change)
        states.append(await state())

    assert states == [
        (["mention", "like"], 1),
        (["mention", "like"], 2),
        (["mention", "like"], 1),
        (["like"], 1),
        (["mention"], 1),
    ]
    assert len(await notices(database, ann.id)) == 4


async def test_a_kind_may_be_limited_to_people_whom_one_follows(
    ann: Reader, database: Database
) -> None:
    followed, stranger, latest = await people(database, 3)
    await follow(database, ann.id, followed)
    for liker in (stranger, followed, latest):
        await notify(database, ann.id, "like", liker, subject=150_001, root=1)
    await notify(database, ann.id, "reply", followed, subject=150_003, about=150_002, root=1)
    await notify(database, ann.id, "reply", stranger, subject=150_004, about=150_002, root=1)
    await notify(database, ann.id, "mention", stranger, subject=150_005, root=1)
    await ann.set(
        **{kind: {"from": "following"} for kind in ("like", "reply", "mention", "follow")}
    )

    reply, like = (await ann.page())["notifications"]

    assert await ann.unread() == 1
    for group in (reply, like):
        assert group["people"] == [{"id": followed, "name": "Person 0"}]
        assert group["people_count"] == 1
    assert (reply["tweet_id"], reply["tweet_count"]) == (150_003, 1)
    # What the stranger did last does not make the group unread.
    assert (await ann.see(reply["seq"]))["count"] == 0


async def test_settings_are_changed_one_by_one_and_the_rest_stays(
    ann: Reader, notifications: httpx.AsyncClient
) -> None:
    usual = (await ann.done("GET", "/api/notifications/settings"))["kinds"]

    first = await ann.done(
        "PATCH",
        "/api/notifications/settings",
        json={"kinds": {"like": {"from": "following"}, "security": {"from": "everyone"}}},
    )
    second = await ann.done(
        "PATCH", "/api/notifications/settings", json={"kinds": {"like": {"delivery": "off"}}}
    )
    nothing = await ann.done("PATCH", "/api/notifications/settings", json={})

    assert usual == {
        kind: {"delivery": delivery, "from": "everyone"}
        for kind, delivery in DEFAULT_DELIVERY.items()
    }
    assert first["kinds"] == usual | {"like": {"delivery": "list", "from": "following"}}
    assert second["kinds"] == usual | {"like": {"delivery": "off", "from": "following"}}
    assert nothing == second == await ann.done("GET", "/api/notifications/settings")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"kinds": {"poke": {"delivery": "off"}}}', "kinds.poke"),
        ('{"kinds": {"like": {"delivery": "loud"}}}', "kinds.like.delivery"),
        ('{"kinds": {"like": {"from": "nobody"}}}', "kinds.like.from"),
        ('{"kinds": {"like": {"delivery": 1}}}', "kinds.like.delivery"),
        ('{"kinds": {"like": {"deliver": "off"}}}', "kinds.like.deliver"),
        ('{"kinds": {"like": "off"}}', "kinds.like"),
        ('{"kinds": ["like"]}', "kinds"),
        ('{"kinds": {"security": {"from": "following"}}}', "kinds.security.from"),
        ('{"kinds": {"li\\u0000ke": {"delivery": "off"}}}', "kinds.li"),
        ("[]", "body"),
        ("{", "The request body isn't valid JSON."),
    ],
)
async def test_settings_that_make_no_sense_are_refused(ann: Reader, body: str, reason: str) -> None:
    before = await ann.done("GET", "/api/notifications/settings")

    response = await ann.call(
        "PATCH",
        "/api/notifications/settings",
        content=body,
        headers={"content-type": "application/json"},
    )

    error = response.json()
    assert (response.status_code, error["error_type"]) == (422, "InvalidRequest")
    assert error["error_message"].startswith(reason)
    assert await ann.done("GET", "/api/notifications/settings") == before


async def test_a_person_watches_others_and_stops(
    ann: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MAX_WATCHED", 2)
    boris, vera, gleb = [await person(database, name) for name in ("Boris", "Vera", "Gleb")]
    gone = await person(database, "Gone")
    async with database.transaction() as session:
        await fetch(session, "update person set hidden = true where id = $1", gone)

    for _ in range(2):
        await ann.done("POST", f"/api/users/{boris}/watch")
    await ann.done("POST", f"/api/users/{vera}/watch")
    refusals = [
        await ann.call("POST", f"/api/users/{other}/watch")
        for other in (ann.id, gone, 2**53 - 1, gleb)
    ]
    settings = await ann.done("GET", "/api/notifications/settings")
    is_watched = await ann.done("GET", f"/api/users/{boris}/watch")
    for other in (boris, boris, gone, ann.id, 2**53 - 1):
        await ann.done("DELETE", f"/api/users/{other}/watch")
    remaining = await ann.done("GET", "/api/notifications/settings")

    assert [(one.status_code, one.json()["error_type"]) for one in refusals] == [
        (409, "CannotWatchYourself"),
        (404, "UserNotFound"),
        (404, "UserNotFound"),
        (422, "TooManyWatched"),
    ]
    assert settings["watched"] == [{"id": vera, "name": "Vera"}, {"id": boris, "name": "Boris"}]
    assert is_watched == {"result": True, "watched": True}
    assert (await ann.done("GET", f"/api/users/{boris}/watch"))["watched"] is False
    assert remaining["watched"] == [{"id": vera, "name": "Vera"}]


async def test_a_call_waits_for_the_callers_own_tweet(
    ann: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_for_own_writes, "TIMEOUT_SECONDS", PATIENCE_SECONDS)
    tweet_id = await tweet(database, ann.id)
    async with database.transaction() as session:
        await fetch(session, "update tweet set author_id = null where id = $1", tweet_id)

    async def mute() -> httpx.Response:
        headers = {"warble-after": "tweets:777001"}
        return await ann.call("POST", f"/api/tweets/{tweet_id}/mute", headers=headers)

    async def arrive() -> None:
        async with database.transaction() as session:
            await fetch(session, "update tweet set author_id = $2 where id = $1", tweet_id, ann.id)
            await inbox.insert_new(session, [EventId("tweets", 777_001)])

    early = asyncio.create_task(mute())
    at_once = await ann.call("POST", f"/api/tweets/{tweet_id}/mute")
    was_waiting = not early.done()
    await arrive()
    malformed = await ann.call(
        "GET", f"/api/tweets/{tweet_id}/subscription", headers={"warble-after": "; drop"}
    )

    assert (at_once.status_code, was_waiting) == (404, True)
    assert (await early).status_code == 200
    assert (malformed.status_code, malformed.json()["error_type"]) == (422, "InvalidRequest")


async def test_the_archive_contains_what_a_person_has_decided(
    ann: Reader, database: Database
) -> None:
    boris = await person(database, "Boris")
    followed, muted = [await tweet(database, boris) for _ in range(2)]
    await ann.set(like={"delivery": "off"})
    await ann.done("POST", f"/api/tweets/{followed}/subscription")
    await ann.done("POST", f"/api/tweets/{muted}/mute", json={"mentions": True})
    await ann.done("POST", f"/api/users/{boris}/watch")
    await notify(database, ann.id, "mention", boris, subject=200_001, root=1)

    exported = await ann.call("GET", "/internal/export/notifications")

    (row,) = exported.json()
    settings = await ann.done("GET", "/api/notifications/settings")
    assert row == {name: settings[name] for name in ("kinds", "threads", "watched")}
    assert row["kinds"][Kind.like]["delivery"] == "off"
    assert [(one["state"], one["mentions"]) for one in row["threads"]] == [
        ("muted", True),
        ("followed", False),
    ]
    assert row["watched"] == [{"id": boris, "name": "Boris"}]
