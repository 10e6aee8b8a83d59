"""Announcements: when they are in force, and who has confirmed them."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database, fetch
from services.tweets.events import UserDeactivated, UserErased
from services.tweets.privacy import eraser
from services.tweets.roles import ANNOUNCER

from .test_api import outbox, post, signed
from .test_moderation import deliver, hide, registered, restore

ADMINISTRATOR = 901


def as_announcer(user_id: int) -> dict[str, str]:
    return testing.identity_headers("tweets", user_id, roles=(ANNOUNCER,))


def in_a(**period: int) -> str:
    return (datetime.now(UTC) + timedelta(**period)).isoformat()


async def announce(tweets: httpx.AsyncClient, author_id: int, **more: Any) -> httpx.Response:
    body = {"tweet_data": "The office moves.", "until": in_a(days=1), "acknowledge": True, **more}
    return await tweets.post("/api/announcements", json=body, headers=as_announcer(author_id))


async def announced(tweets: httpx.AsyncClient, author_id: int, **more: Any) -> int:
    response = await announce(tweets, author_id, **more)
    assert response.status_code == 201, response.text
    tweet_id: int = response.json()["tweet_id"]
    return tweet_id


async def shown(tweets: httpx.AsyncClient, reader_id: int) -> dict[int, dict[str, Any]]:
    response = await tweets.get("/api/announcements", headers=signed(reader_id))
    return {each["tweet_id"]: each for each in response.json()["announcements"]}


async def confirm(tweets: httpx.AsyncClient, tweet_id: int, user_id: int) -> int:
    path = f"/api/announcements/{tweet_id}/acknowledgement"
    return (await tweets.post(path, headers=signed(user_id))).status_code


async def people(
    tweets: httpx.AsyncClient, tweet_id: int, state: str, headers: dict[str, str]
) -> list[int]:
    """The ids of all people of a list, page by page."""
    found: list[int] = []
    cursor = ""
    while True:
        path = f"/api/announcements/{tweet_id}/acknowledgements?state={state}&limit=2{cursor}"
        response = await tweets.get(path, headers=headers)
        assert response.status_code == 200, response.text
        page = response.json()
        found += [person["id"] for person in page["people"]]
        if page["next_cursor"] is None:
            assert page[state] == len(found)
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_an_announcement_is_shown_until_it_is_over_ended_hidden_or_deleted(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    tweet_id = await announced(tweets, ann)
    over, ended, hidden, deleted = [await announced(tweets, ann) for _ in range(4)]

    async with database.transaction() as session:
        statement = "update announcement set until = now() where tweet_id = $1"
        await fetch(session, statement, over)
    for _ in range(2):
        path = f"/api/announcements/{ended}"
        assert (await tweets.delete(path, headers=as_announcer(ann))).status_code == 200
    await hide(tweets, hidden)
    await tweets.delete(f"/api/tweets/{deleted}", headers=signed(ann))
    while_hidden = await shown(tweets, boris)
    await restore(tweets, hidden)

    assert list(while_hidden) == [tweet_id]
    assert list(await shown(tweets, boris)) == [hidden, tweet_id]
    assert while_hidden[tweet_id]["author"] == {"id": ann, "name": "Ann"}
    await deliver(database, UserDeactivated(user_id=ann))
    assert await shown(tweets, boris) == {}


async def test_the_author_sees_who_has_confirmed_and_who_is_missing(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann = await registered(database, "Ann")
    before = set(await people(tweets, await announced(tweets, ann), "missing", as_announcer(ann)))
    readers = [await registered(database, f"=Reader {number}") for number in range(4)]
    leaver = await registered(database, "Leaver")
    tweet_id = await announced(tweets, ann)

    for reader in (*readers[:3], readers[0]):
        assert await confirm(tweets, tweet_id, reader) == 200
    await deliver(database, UserDeactivated(user_id=leaver))
    newcomer = await registered(database, "Newcomer")
    own, others = await shown(tweets, readers[0]), await shown(tweets, readers[3])

    assert own[tweet_id]["acknowledged"] and not others[tweet_id]["acknowledged"]
    administrator = testing.identity_headers("tweets", ADMINISTRATOR, administrator=True)
    for headers in (signed(ann), administrator):
        assert await people(tweets, tweet_id, "done", headers) == readers[:3]
        missing = set(await people(tweets, tweet_id, "missing", headers))
        assert missing == before | {readers[3], newcomer}
    path = f"/api/announcements/{tweet_id}/acknowledgements"
    exported = await tweets.get(f"{path}.csv", headers=signed(ann))
    rows = list(csv.DictReader(io.StringIO(exported.text.removeprefix("\ufeff"))))
    assert [int(row["id"]) for row in rows if row["acknowledged_at"]] == readers[:3]
    assert {int(row["id"]) for row in rows if not row["acknowledged_at"]} == missing
    assert rows[0]["name"] == "'=Reader 0"
    for suffix in ("", ".csv"):
        refused = await tweets.get(path + suffix, headers=as_announcer(readers[0]))
        assert refused.json()["error_type"] == "NotYourAnnouncement"


@pytest.mark.parametrize(
    ("more", "error_type"),
    [
        ({"until": in_a(minutes=-1)}, "AnnouncementPeriodNotAccepted"),
        ({"until": in_a(days=400)}, "AnnouncementPeriodNotAccepted"),
        ({"until": "2999-01-01T00:00:00"}, "InvalidRequest"),
        ({"replies": "following"}, "InvalidRequest"),
        ({"tweet_data": " "}, "TweetEmpty"),
    ],
)
async def test_an_announcement_without_a_text_or_an_end_is_refused(
    tweets: httpx.AsyncClient, more: dict[str, str], error_type: str
) -> None:
    assert (await announce(tweets, 1, **more)).json()["error_type"] == error_type


async def test_a_draft_that_is_posted_again_is_one_announcement(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann = await registered(database, "Ann")

    first, second = [await announced(tweets, ann, draft_id="d1") for _ in range(2)]

    assert first == second
    assert list(await shown(tweets, ann)).count(first) == 1
    events = await outbox(database, "announcement.posted.v1")
    assert events.count({"tweet_id": first, "author_id": ann}) == 1


async def test_replies_to_an_announcement_can_be_closed(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    closed = await announced(tweets, ann, replies="nobody")
    open_to_all = await announced(tweets, ann)

    answers = [await post(tweets, boris, reply_to=each) for each in (closed, open_to_all)]

    assert [answer.status_code for answer in answers] == [403, 201]


async def test_a_reminder_is_possible_once_an_hour_while_there_is_something_to_confirm(
    tweets: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tweets.announcements.REMINDED_BATCH", 2)
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    tweet_id = await announced(tweets, ann)
    silent = await announced(tweets, ann, acknowledge=False)

    async def remind(tweet_id: int, user_id: int = ann) -> str | int:
        path = f"/api/announcements/{tweet_id}/reminder"
        answer = (await tweets.post(path, headers=as_announcer(user_id))).json()
        return int(answer["people"]) if answer["result"] else str(answer["error_type"])

    missing = len(everybody := await people(tweets, tweet_id, "missing", signed(ann)))
    first, second = await remind(tweet_id), await remind(tweet_id)
    events = [event["user_ids"] for event in await outbox(database, "announcement.reminded.v1")]
    async with database.transaction() as session:
        statement = "update announcement set reminded_at = now() - interval '1 hour'"
        await fetch(session, statement)
    await confirm(tweets, tweet_id, boris)
    third = await remind(tweet_id)
    by_another, without_question = await remind(tweet_id, boris), await remind(silent)
    await tweets.delete(f"/api/announcements/{tweet_id}", headers=as_announcer(ann))

    assert [user_id for batch in events for user_id in batch] == everybody
    assert max(map(len, events)) == 2
    assert (first, second, third) == (missing, "RemindedRecently", missing - 1)
    assert (by_another, without_question) == ("NotYourAnnouncement", "NothingToAcknowledge")
    assert await remind(tweet_id) == "AnnouncementEnded"
    assert await confirm(tweets, 10**9, ann) == 404


async def test_the_audit_log_has_what_administrators_do_with_the_announcements_of_others(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann = await registered(database, "Ann")
    administrator = testing.identity_headers("tweets", ADMINISTRATOR, administrator=True)
    own, others = await announced(tweets, ann), await announced(tweets, ann)

    for tweet_id, headers in ((own, as_announcer(ann)), (others, administrator)):
        await tweets.post(f"/api/announcements/{tweet_id}/reminder", headers=headers)
        for _ in range(2):
            await tweets.delete(f"/api/announcements/{tweet_id}", headers=headers)

    acts = await outbox(database, "moderation.acted.v1")
    assert [
        (act["action"], act["actor_id"], act["subject_id"])
        for act in acts
        if act["object_id"] in (own, others)
    ] == [
        ("announcement_reminded", ADMINISTRATOR, ann),
        ("announcement_ended", ADMINISTRATOR, ann),
    ]


async def test_an_erasure_deletes_announcements_confirmations_and_pins_of_the_person(
    tweets: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tweets.privacy.BATCH", 2)
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    own, others = await announced(tweets, ann), await announced(tweets, boris)
    for reader in (ann, boris, *range(1, 5)):
        for tweet_id in (own, others):
            await confirm(tweets, tweet_id, reader)
    await tweets.put(f"/api/tweets/{own}/pin", headers=signed(ann))

    await deliver(database, UserErased(user_id=ann))
    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))

    async with database.transaction() as session:
        left = {
            table: [
                tuple(row)
                for row in await fetch(
                    session, f"select * from {table} where tweet_id = $1 or {column} = $2", own, ann
                )
            ]
            for table, column in (
                ("announcement", "author_id"),
                ("acknowledgement", "user_id"),
                ("pin", "user_id"),
            )
        }
    assert left == {"announcement": [], "acknowledgement": [], "pin": []}
    assert await people(tweets, others, "done", signed(boris)) == [1, 2, 3, 4, boris]
