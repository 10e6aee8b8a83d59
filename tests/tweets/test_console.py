"""What moderators and administrators do, an operator can do without the gateway."""

import sys

import httpx
import pytest

from chassis.database.session import Database
from services.tweets import console
from services.tweets.errors import AnnouncementNotFound, ReportAlreadyClosed, TweetNotFound
from services.tweets.models import ReportReason

from .test_announcements import announced
from .test_api import outbox, posted, signed
from .test_moderation import registered, reported


async def test_an_operator_reads_reports_hides_and_restores_and_closes(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    tweet_id = await posted(tweets, ann)
    report_id = await reported(tweets, boris, tweet_id=tweet_id)
    path = f"/api/tweets/{tweet_id}/hidden"

    listed = await console.open_reports()
    await console.hide(tweet_id, ReportReason.spam, "A note.")
    hidden = (await tweets.get(path, headers=signed(ann))).json()
    await console.restore(tweet_id)
    await console.close(report_id, "Done.")

    assert f"{report_id}  spam  tweet {tweet_id} of {ann} Ann" in listed
    assert (hidden["reason"], hidden["note"]) == ("spam", "A note.")
    assert (await tweets.get(path, headers=signed(ann))).status_code == 404
    acts = await outbox(database, "moderation.acted.v1")
    assert [(act["action"], act["actor_id"]) for act in acts[-3:]] == [
        ("tweet_hidden", None),
        ("tweet_restored", None),
        ("report_closed", None),
    ]
    with pytest.raises(ReportAlreadyClosed):
        await console.close(report_id, "")
    with pytest.raises(TweetNotFound):
        await console.hide(10**9, ReportReason.spam, "")


async def test_an_operator_reminds_of_an_announcement_exports_and_ends_it(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    ann, boris = await registered(database, "Ann"), await registered(database, "Boris")
    tweet_id = await announced(tweets, ann, acknowledge=True)

    listed = await console.announcements_in_force()
    await console.remind(tweet_id)
    table = await console.acknowledgements(tweet_id)
    await console.end_announcement(tweet_id)

    assert f"{tweet_id}  until" in listed
    assert f"{boris},Boris," in table.splitlines()
    assert f"{tweet_id}  until" not in await console.announcements_in_force()
    acts = await outbox(database, "moderation.acted.v1")
    assert [(act["action"], act["actor_id"], act["subject_id"]) for act in acts[-2:]] == [
        ("announcement_reminded", None, ann),
        ("announcement_ended", None, ann),
    ]
    with pytest.raises(AnnouncementNotFound):
        await console.end_announcement(10**9)


def test_an_operator_learns_that_a_person_must_post_an_announcement(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["console", "announcements", "post", "Free lunch"])

    with pytest.raises(SystemExit, match="2"):
        console.main()

    assert "a person must post it" in capsys.readouterr().err
