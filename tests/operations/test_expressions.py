"""Evaluates every expression of dashboards and alerts on a Prometheus that scrapes the system."""

from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest

from devstack.instance import Instance
from tests.journeys.company import Company, Person, company_at
from tests.sse import open_stream
from tests.waiting import eventually
from tools.api_client import png

from . import expressions
from .prometheus import Prometheus
from .scraping import Scraping, scraping

ONLY_IN_FAILURES = {
    "ALERTS": "no alert fires within seconds",
    "warble_events_retried_total": "a retry ends in a dead letter three minutes later",
    "queue:dead_letters_since:timestamp_seconds": "this test removes dead letters at once",
}
"""Metrics without samples in a healthy system, whose failure this test does not cause; and why."""

OF_RULES = {"ALERTS", "queue:dead_letters_since:timestamp_seconds"}
"""Metrics that no process exports; alerts.yml tests them."""

NO_EXPORTER = {
    "CertificateExpires": "blackbox_exporter is run by the operator",
    "DiskFills": "node_exporter is run by the operator",
    "BackupIsOld": "what makes the backup is run by the operator",
}

ROUNDS = 120
QUEUES = (
    "tweets.media.uploaded.v1",
    "media.tweet.deleted.v1",
    "feed.tweet.posted.v1",
    "notifications.tweet.posted.v1",
    "users.person.pictured.v1",
)


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
    waiting = expressions.all_expressions()
    failures_caused = False

    for _ in range(ROUNDS):
        await _use_everything(ann, boris, clara)
        waiting = [
            expression for expression in waiting if not await watching.query(expression.text)
        ]
        if not failures_caused:
            await _cause_failures(ann, stack)
            failures_caused = True
        if all(_may_be_empty(expression) for expression in waiting):
            break

    empty = [
        f"{expression.where}: {expression.text}"
        for expression in waiting
        if not _may_be_empty(expression)
    ]
    assert not empty, "without data:\n" + "\n".join(empty)
    assert {expression.where for expression in waiting} >= NO_EXPORTER.keys()
    assert ONLY_IN_FAILURES.keys() - OF_RULES <= await watching.metrics()


def _may_be_empty(expression: expressions.Expression) -> bool:
    return expression.where in NO_EXPORTER or any(
        name in expression.text for name in ONLY_IN_FAILURES
    )


async def _use_everything(ann: Person, boris: Person, clara: Person) -> None:
    """Each kind of action that people perform."""
    media_id = await ann.upload()
    await ann.show_picture(png())
    async with open_stream(
        str(ann.http.base_url).rstrip("/"), {"api-key": ann.key}, after=1
    ) as stream:
        tweet_id = await ann.post(media_ids=[media_id])
        await stream.event("tweet")
    await ann.done("GET", "/api/notifications")
    await ann.done("GET", "/api/users/me")
    # Unlike most reads of users, this one is counted by route.
    await ann.done("GET", f"/api/users/{boris.id}/followers")
    await ann.done("GET", "/api/search?q=tweet")
    feed = await ann.feed()
    assert (await ann.ask("GET", feed[0]["attachments"][0])).is_success
    gone = await ann.post(media_ids=[await ann.upload()])
    await ann.done("DELETE", f"/api/tweets/{gone}")
    await boris.done("POST", f"/api/tweets/{tweet_id}/likes")
    for _ in range(3):
        await boris.feed("?limit=20")
    refused = {"file": ("note.txt", b"not a picture", "text/plain")}
    assert (await ann.ask("POST", "/api/medias", files=refused)).status_code == 415


async def _cause_failures(ann: Person, stack: Instance) -> None:
    """Stops one replica, then the last one; publishes events that no consumer can parse."""
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
        for queue in QUEUES:
            letter = aio_pika.Message(b"{}", message_id="nobody:1", type="nothing")
            await channel.default_exchange.publish(letter, queue)
            dead = await channel.get_queue(f"{queue}.dead")
            # Remove the dead letter, because other tests use these queues too.
            dead_letter = await eventually(lambda: dead.get(fail=False))  # noqa: B023
            await dead_letter.ack()
