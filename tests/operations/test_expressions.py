"""Every question of every board and alert, put to a Prometheus that watches the real system."""

from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest

from deploy.local.instance import Instance
from deploy.local.prometheus import Prometheus
from tests.journeys.company import Company, Person, company_at
from tests.waiting import eventually

from . import expressions
from .scraping import Scraping, scraping

IN_TROUBLE_ALONE = {
    "ALERTS": "no alert fires within seconds",
    "warble_events_retried_total": "a retry ends in a dead letter three minutes later",
    "queue:dead_letters_since:timestamp_seconds": "dead letters are taken away at once here",
}
"""Metrics without a line in health, for which no trouble is made here; and why."""

OF_RULES = {"ALERTS", "queue:dead_letters_since:timestamp_seconds"}
"""Those that no process tells: tests of the rules have them (alerts.yml)."""

NO_EXPORTER = {
    "CertificateExpires": "blackbox_exporter is the operator's",
    "DiskFills": "node_exporter is the operator's",
    "BackupIsOld": "what makes the backup is the operator's",
}

ROUNDS = 120
POISONED = ("tweets.media.uploaded.v1", "media.tweet.deleted.v1", "feed.tweet.posted.v1")


@pytest.fixture
async def watching(
    programs: Prometheus, stack: Instance, tmp_path: Path
) -> AsyncIterator[Scraping]:
    async with scraping(programs, stack, tmp_path) as server:
        yield server


@pytest.fixture
async def company(stack: Instance) -> AsyncIterator[Company]:
    async with company_at(stack) as company:
        yield company


@pytest.mark.exclusive
async def test_every_expression_of_every_panel_and_alert_returns_data(
    watching: Scraping, company: Company, stack: Instance
) -> None:
    ann, boris, clara = [await company.hire(name) for name in ("Ann", "Boris", "Clara")]
    await boris.follow(ann)
    waiting = expressions.every()
    troubled = False

    for _ in range(ROUNDS):
        await _live(ann, boris, clara)
        waiting = [asked for asked in waiting if not await watching.ask(asked.text)]
        if not troubled:
            await _trouble(ann, stack)
            troubled = True
        if all(_may_be_empty(asked) for asked in waiting):
            break

    empty = [f"{asked.where}: {asked.text}" for asked in waiting if not _may_be_empty(asked)]
    assert not empty, "without data:\n" + "\n".join(empty)
    assert {asked.where for asked in waiting} >= NO_EXPORTER.keys()
    assert IN_TROUBLE_ALONE.keys() - OF_RULES <= await watching.metrics()


def _may_be_empty(asked: expressions.Expression) -> bool:
    return asked.where in NO_EXPORTER or any(name in asked.text for name in IN_TROUBLE_ALONE)


async def _live(ann: Person, boris: Person, clara: Person) -> None:
    """A little of everything that people do."""
    media_id = await ann.upload()
    tweet_id = await ann.post(media_ids=[media_id])
    await ann.done("GET", "/api/users/me")
    feed = await ann.feed()
    assert (await ann.ask("GET", feed[0]["attachments"][0])).is_success
    gone = await ann.post(media_ids=[await ann.upload()])
    await ann.done("DELETE", f"/api/tweets/{gone}")
    await boris.done("POST", f"/api/tweets/{tweet_id}/likes")
    for _ in range(3):
        await boris.feed("?limit=20")
    refused = {"file": ("note.txt", b"not a picture", "text/plain")}
    assert (await ann.ask("POST", "/api/medias", files=refused)).status_code == 415


async def _trouble(ann: Person, stack: Instance) -> None:
    """A replica goes, then its last sibling, and an event comes that nobody can read."""
    picture = (await ann.feed())[0]["attachments"][0]
    try:
        stack.stop("media-api-1")
        for _ in range(4):
            assert (await ann.ask("GET", picture)).is_success
        stack.stop("media-api-2")
        assert (await ann.ask("GET", picture)).status_code == 503
    finally:
        stack.start("media-api-1")
        stack.start("media-api-2")
    connection = await aio_pika.connect(stack.broker_url)
    async with connection, connection.channel() as channel:
        for queue in POISONED:
            letter = aio_pika.Message(b"{}", message_id="nobody:1", type="nothing")
            await channel.default_exchange.publish(letter, queue)
            dead = await channel.get_queue(f"{queue}.dead")
            # The dead letter is taken away again: other tests look at these queues too.
            buried = await eventually(lambda: dead.get(fail=False))  # noqa: B023
            await buried.ack()
