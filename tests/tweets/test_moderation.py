"""Reports, and hiding tweets: who may do what, and what stays true however often it is done."""

import asyncio
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database
from services.tweets import roles
from services.tweets.events import UserErased, UserRegistered
from services.tweets.handlers import subscriptions
from services.tweets.privacy import eraser

from .test_api import outbox, post, posted, signed

_people = count(1000)
_numbers = count(1)
MODERATOR = 900
CONFIDENTIAL = {"reason": "confidential", "note": "It names a customer."}


def as_moderator() -> dict[str, str]:
    return testing.identity_headers("tweets", MODERATOR, roles=(roles.MODERATOR,))


async def registered(database: Database, name: str) -> int:
    user_id = next(_people)
    await deliver(database, UserRegistered(user_id=user_id, name=name))
    return user_id


async def deliver(database: Database, event: Any) -> None:
    await testing.deliver(
        database, subscriptions, event.routing_key, event, next(_numbers), source="users"
    )


async def report(
    tweets: httpx.AsyncClient, reporter_id: int, **body: Any
) -> tuple[int, dict[str, Any]]:
    response = await tweets.post(
        "/api/reports", json={"reason": "spam", **body}, headers=signed(reporter_id)
    )
    return response.status_code, response.json()


async def reported(tweets: httpx.AsyncClient, reporter_id: int, **body: Any) -> int:
    status, answer = await report(tweets, reporter_id, **body)
    assert status == 201, answer
    report_id: int = answer["report_id"]
    return report_id


async def close(tweets: httpx.AsyncClient, report_id: int, note: str = "") -> str:
    path = f"/api/reports/{report_id}/closure"
    response = await tweets.post(path, json={"note": note}, headers=as_moderator())
    return "closed" if response.is_success else response.json()["error_type"]


async def queue(
    tweets: httpx.AsyncClient, state: str = "open", limit: int = 100
) -> list[dict[str, Any]]:
    """All reports, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        path = f"/api/reports?state={state}&limit={limit}{cursor}"
        page = (await tweets.get(path, headers=as_moderator())).json()
        found += page["reports"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def hide(tweets: httpx.AsyncClient, tweet_id: int, **body: str) -> httpx.Response:
    return await tweets.put(
        f"/api/tweets/{tweet_id}/hidden", json=CONFIDENTIAL | body, headers=as_moderator()
    )


async def restore(tweets: httpx.AsyncClient, tweet_id: int) -> httpx.Response:
    return await tweets.delete(f"/api/tweets/{tweet_id}/hidden", headers=as_moderator())


async def acts(database: Database, object_id: int) -> list[tuple[str, int]]:
    """The entries of the audit log about a tweet or a report."""
    recorded = await outbox(database, "moderation.acted.v1")
    assert {event["actor_id"] for event in recorded} <= {MODERATOR}
    return [
        (event["action"], event["subject_id"])
        for event in recorded
        if event["object_id"] == object_id
    ]


async def test_a_report_goes_from_the_reporter_to_the_queue_and_is_closed_with_a_note(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    tweet_id = (await post(tweets, boris, "Buy now!")).json()["tweet_id"]

    of_tweet = await reported(tweets, ann, tweet_id=tweet_id, note="Again.")
    of_person = await reported(tweets, ann, user_id=boris, reason="harassment")

    first, second = (await queue(tweets))[:2]
    assert [first["id"], second["id"]] == [of_person, of_tweet]
    assert (first["tweet"], first["reason"]) == (None, "harassment")
    assert second["tweet"]["content"] == "Buy now!"
    assert (second["note"], second["user"]) == ("Again.", {"id": boris, "name": "Boris"})
    assert second["reporter"] == {"id": ann, "name": "Ann"}

    assert await close(tweets, of_tweet, "We talked.") == "closed"
    assert await close(tweets, of_tweet) == "ReportAlreadyClosed"
    event = {"report_id": of_tweet, "reporter_id": ann}
    assert await outbox(database, "report.closed.v1") == [event]
    assert await acts(database, of_tweet) == [("report_closed", boris)]
    assert await close(tweets, 10**9) == "ReportNotFound"
    closed = next(each for each in await queue(tweets, "closed") if each["id"] == of_tweet)
    assert closed["closure_note"] == "We talked."
    assert of_tweet not in [each["id"] for each in await queue(tweets)]


async def test_while_a_report_is_open_the_same_one_is_not_filed_twice(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = next(_people), await registered(database, "Boris")
    tweet_id = await posted(tweets, boris)

    at_once = await asyncio.gather(*(reported(tweets, ann, tweet_id=tweet_id) for _ in range(4)))
    by_another = await reported(tweets, boris + 1, tweet_id=tweet_id)
    of_person = await reported(tweets, ann, user_id=boris)
    await close(tweets, at_once[0])
    after = await reported(tweets, ann, tweet_id=tweet_id)

    assert len({*at_once}) == 1
    assert len({at_once[0], by_another, of_person, after}) == 4


async def test_the_queue_is_complete_page_by_page_and_its_count_is_right(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    before = len(await queue(tweets))
    boris = await registered(database, "Boris")
    filed = [await reported(tweets, next(_people), user_id=boris) for _ in range(5)]

    listed = [each["id"] for each in await queue(tweets, limit=2)]
    counted = await tweets.get("/api/reports/open", headers=as_moderator())

    assert listed[:5] == sorted(filed, reverse=True)
    assert len(listed) == before + 5 == counted.json()["count"]


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        ({"tweet_id": 10**9}, "TweetNotFound"),
        ({"user_id": 10**9}, "ReportedPersonNotFound"),
        ({"user_id": 7}, "CannotReportYourself"),
        ({}, "InvalidRequest"),
        ({"tweet_id": 1, "user_id": 1}, "InvalidRequest"),
        ({"user_id": 1, "reason": "boredom"}, "InvalidRequest"),
        ({"user_id": 1, "note": "a" * 501}, "InvalidRequest"),
        ({"user_id": 1, "note": "a\0b"}, "InvalidRequest"),
    ],
)
async def test_a_report_that_names_nothing_to_judge_is_refused(
    tweets: httpx.AsyncClient, database: Database, body: dict[str, Any], error_type: str
) -> None:
    await deliver(database, UserRegistered(user_id=7, name="Ann"))

    _, answer = await report(tweets, 7, **body)

    assert answer["error_type"] == error_type


async def test_a_hidden_tweet_is_shown_with_the_reason_to_its_author_and_moderators_alone(
    tweets: httpx.AsyncClient,
) -> None:
    ann, boris = next(_people), next(_people)
    tweet_id = (await post(tweets, ann, "We have won")).json()["tweet_id"]
    path = f"/api/tweets/{tweet_id}/hidden"

    assert (await hide(tweets, tweet_id)).status_code == 200
    seen = [
        await tweets.get(path, headers=headers)
        for headers in (signed(ann), as_moderator(), signed(boris))
    ]
    await restore(tweets, tweet_id)
    restored = await tweets.get(path, headers=signed(ann))

    assert [each.status_code for each in seen] == [200, 200, 403]
    for each in seen[:2]:
        shown = each.json()
        assert {name: shown[name] for name in CONFIDENTIAL} == CONFIDENTIAL
        assert (shown["content"], shown["author_id"]) == ("We have won", ann)
    assert restored.json()["error_type"] == "TweetNotHidden"


async def test_hiding_and_restoring_are_idempotent_and_each_change_is_one_event(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann = next(_people)
    tweet_id = await posted(tweets, ann)

    async def events(routing_key: str) -> list[Any]:
        recorded = await outbox(database, routing_key)
        return [event.get("reason") for event in recorded if event["tweet_id"] == tweet_id]

    untouched = await restore(tweets, tweet_id)
    first, second = await hide(tweets, tweet_id), await hide(tweets, tweet_id)
    await hide(tweets, tweet_id, note="Another note.")
    await hide(tweets, tweet_id, reason="spam")
    for _ in range(2):
        assert (await restore(tweets, tweet_id)).status_code == 200

    assert await events("tweet.hidden.v1") == ["confidential", "spam"]
    assert await events("tweet.restored.v1") == [None]
    done = [("tweet_hidden", ann), ("tweet_hidden", ann), ("tweet_restored", ann)]
    # Reports are numbered like tweets.
    recorded = await acts(database, tweet_id)
    assert [act for act in recorded if act[0] != "report_closed"] == done
    assert "warble-events" not in untouched.headers
    assert first.headers["warble-events"] == second.headers["warble-events"]
    for answer in (await hide(tweets, 10**9), await restore(tweets, 10**9)):
        assert answer.json()["error_type"] == "TweetNotFound"


async def test_a_hidden_tweet_gets_no_replies_and_likes_and_its_author_may_delete_it(
    tweets: httpx.AsyncClient,
) -> None:
    ann, boris = next(_people), next(_people)
    tweet_id = await posted(tweets, ann)
    likes = f"/api/tweets/{tweet_id}/likes"
    await tweets.post(likes, headers=signed(boris))

    await hide(tweets, tweet_id)
    like = await tweets.post(likes, headers=signed(ann))
    unlike = await tweets.delete(likes, headers=signed(boris))
    reply = await post(tweets, boris, reply_to=tweet_id)
    of_moderator = await tweets.delete(f"/api/tweets/{tweet_id}", headers=as_moderator())
    of_author = await tweets.delete(f"/api/tweets/{tweet_id}", headers=signed(ann))

    answers = (like, unlike, reply, of_moderator, of_author)
    assert [each.status_code for each in answers] == [404, 200, 404, 403, 200]
    assert (await hide(tweets, tweet_id)).status_code == 404


async def test_an_erasure_deletes_reports_by_the_person_and_about_the_person(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    kept = await reported(tweets, next(_people), user_id=boris)
    gone = {
        await reported(tweets, ann, user_id=boris, note="a secret"),
        await reported(tweets, boris, user_id=ann),
        await reported(tweets, boris, tweet_id=await posted(tweets, ann)),
    }

    await deliver(database, UserErased(user_id=ann))
    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))

    left = {each["id"] for each in await queue(tweets)}
    assert kept in left
    assert not left & gone


async def test_a_report_of_a_deleted_tweet_stays_without_its_text(
    tweets: httpx.AsyncClient,
) -> None:
    ann, boris = next(_people), next(_people)
    tweet_id = (await post(tweets, ann, "regretted")).json()["tweet_id"]
    report_id = await reported(tweets, boris, tweet_id=tweet_id)

    await tweets.delete(f"/api/tweets/{tweet_id}", headers=signed(ann))

    (shown,) = [each for each in await queue(tweets) if each["id"] == report_id]
    assert (shown["tweet"]["deleted"], shown["tweet"]["content"]) == (True, "")
