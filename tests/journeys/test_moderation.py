"""Moderation and announcements through the gateway, from the first report to the audit log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.waiting import eventually

from .company import Company, Person, with_role
from .test_access import outcome
from .test_notifications import groups


async def notification_of(person: Person, kind: str) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        return (await groups(person)).get(kind)

    return await eventually(found)


async def test_a_reported_tweet_is_hidden_explained_restored_and_recorded(
    company: Company,
) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    moderator = await with_role(company, "Mona", "moderator")
    await boris.follow(ann)
    root = await ann.post("first")
    reply = {"tweet_data": "Buy now!", "reply_to": root}
    tweet_id = (await ann.done("POST", "/api/tweets", json=reply))["tweet_id"]
    await ann.feed()
    report = {"tweet_id": tweet_id, "reason": "spam", "note": "Again."}
    report_id = (await boris.done("POST", "/api/reports", json=report))["report_id"]
    hidden = f"/api/tweets/{tweet_id}/hidden"

    listed = (await moderator.done("GET", "/api/reports?limit=100"))["reports"]
    await moderator.done("PUT", hidden, json={"reason": "spam", "note": "No advertisements."})
    closure = {"note": "Hidden."}
    await moderator.done("POST", f"/api/reports/{report_id}/closure", json=closure)
    seen = await moderator.ask("GET", f"/api/tweets/{tweet_id}")
    thread = await moderator.done("GET", f"/api/tweets/{root}/thread")
    why = await ann.done("GET", hidden)

    assert "Buy now!" in [each["tweet"] and each["tweet"]["content"] for each in listed]
    assert outcome(seen) == "404 TweetHidden"
    assert [each["tombstone"] for each in thread["replies"]] == ["hidden"]
    assert (why["note"], why["content"]) == ("No advertisements.", "Buy now!")
    assert outcome(await boris.ask("GET", hidden)) == "403 NotAModerator"
    about_tweet, about_report = (
        await notification_of(ann, "moderation"),
        await notification_of(boris, "moderation"),
    )
    assert about_tweet["tweet_id"] == tweet_id
    assert about_tweet["moderation"] == {"act": "hidden", "reason": "spam"}
    assert about_report["moderation"]["act"] == "report_closed"

    await moderator.done("DELETE", hidden)
    again = await moderator.done("GET", f"/api/tweets/{tweet_id}")
    assert again["tweet"]["content"] == "Buy now!"

    async def recorded() -> bool:
        log = await company.administrator.done("GET", f"/api/audit?actor={moderator.id}")
        return {(each["deed"], each["object_id"], each["subject_id"]) for each in log["acts"]} == {
            ("tweet_hidden", tweet_id, ann.id),
            ("report_closed", report_id, ann.id),
            ("tweet_restored", tweet_id, ann.id),
        }

    await eventually(recorded)


# Everybody in the system is notified of an announcement.
@pytest.mark.exclusive
async def test_an_announcement_reaches_everybody_and_the_author_sees_who_has_read_it(
    company: Company,
) -> None:
    announcer = await with_role(company, "Olga", "announcer")
    boris = await company.hire("Boris")
    draft = {
        "tweet_data": "The office moves on Friday.",
        "until": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "replies": "nobody",
        "acknowledge": True,
    }
    tweet_id = (await announcer.done("POST", "/api/announcements", json=draft))["tweet_id"]
    path = f"/api/announcements/{tweet_id}"

    notification = await notification_of(boris, "announcement")
    assert notification["tweet_id"] == tweet_id
    assert notification["people"] == [{"id": announcer.id, "name": "Olga"}]
    shown, *_ = (await boris.done("GET", "/api/announcements"))["announcements"]
    assert (shown["tweet_id"], shown["acknowledged"]) == (tweet_id, False)
    reply = {"tweet_data": "Why?", "reply_to": tweet_id}
    assert outcome(await boris.ask("POST", "/api/tweets", json=reply)) == "403 RepliesRestricted"
    await boris.done("POST", f"{path}/acknowledgement")
    done = await announcer.done("GET", f"{path}/acknowledgements?state=done")
    exported = await announcer.ask("GET", f"{path}/acknowledgements.csv")
    reminded = await announcer.done("POST", f"{path}/reminder")
    assert [person["id"] for person in done["people"]] == [boris.id]
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"{boris.id},Boris," in exported.text
    assert reminded["people"] == done["missing"] > 0
    await announcer.done("DELETE", path)
    in_force = (await boris.done("GET", "/api/announcements"))["announcements"]
    assert tweet_id not in [each["tweet_id"] for each in in_force]
