"""An event that makes the feed's handler fail: its attempts, its dead letter and its replay."""

import secrets

import aio_pika
import httpx
import pytest
from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.messaging import broker
from chassis.messaging.consumer import Consumer, replay
from chassis.messaging.subscriptions import Subscriptions
from chassis.observability import event_metrics
from devstack.instance import Instance
from services.feed import handlers
from tests.waiting import eventually

from .histories import RecordedEvent, post, toggle_like
from .test_handlers import empty
from .test_rebuild import ANN, BORIS, expected, read, two_people, until_read

# The queues receive the events of every test that uses the same system.
pytestmark = [pytest.mark.exclusive, pytest.mark.usefixtures("stack")]


@pytest.fixture
def subscriptions(monkeypatch: pytest.MonkeyPatch) -> Subscriptions:
    """The feed's subscriptions, with queues of their own and retries without delay."""
    for module in ("retries", "consumer", "broker"):
        monkeypatch.setattr(f"chassis.messaging.{module}.RETRY_DELAYS", (0, 0))
    copy = Subscriptions(f"probe{secrets.token_hex(4)}")
    for each in handlers.subscriptions:
        copy.on(each.event, when=each.is_relevant)(each.handler)
    return copy


async def test_a_failing_tweet_delays_no_other_event_and_appears_after_its_replay(
    apart: Instance,
    feed: httpx.AsyncClient,
    database: Database,
    subscriptions: Subscriptions,
) -> None:
    history = two_people()
    failing = next(each for each in history.events if "number 7" in str(each.event))
    tweet_id = int(failing.event.model_dump()["tweet_id"])
    routing_key = failing.event.routing_key
    dead_lettered = event_metrics.EVENTS_DEAD_LETTERED.labels(routing_key)._value
    before = dead_lettered.get()
    await empty(database)
    await _run(database, "alter table tweet add constraint bug check (card not like '%number 7%')")
    connection = await broker.connect(apart.broker_url, "warble-test")
    async with connection, connection.channel(on_return_raises=True) as channel:
        consumer = Consumer(database, connection, subscriptions)
        await consumer.start()

        async def publish(recorded: list[RecordedEvent]) -> None:
            for each in recorded:
                message = aio_pika.Message(
                    each.event.model_dump_json().encode(),
                    message_id=f"{each.source}:{each.number}",
                    type=each.event.routing_key,
                )
                queue = subscriptions[each.event.routing_key].queue
                await channel.default_exchange.publish(message, queue)

        async def other_tweets_are_shown() -> bool:
            others = [tweet for tweet in expected(history, ANN) if tweet[0] != tweet_id]
            return await read(feed, ANN) == others

        async def is_dead_lettered() -> bool:
            async with connection.channel() as second_channel:
                queue = await second_channel.get_queue(subscriptions[routing_key].dead_queue)
            return queue.declaration_result.message_count == 1

        await publish(history.events)
        await eventually(other_tweets_are_shown)
        await eventually(is_dead_lettered)
        assert dead_lettered.get() == before + 1

        published = len(history.events)
        toggle_like(history, tweet_id, BORIS)
        post(history, BORIS, "meanwhile")
        await publish(history.events[published:])
        await eventually(other_tweets_are_shown)
        await _run(database, "alter table tweet drop constraint bug")
        assert await replay(channel, subscriptions) == 1
        await until_read(feed, history)
        await consumer.stop()
        for each in subscriptions:
            for name in (each.queue, each.dead_queue):
                await channel.queue_delete(name)
        await channel.queue_delete(subscriptions.retry_exchange(0))


async def _run(database: Database, statement: str) -> None:
    async with database.transaction() as session:
        await execute(session, text(statement))
