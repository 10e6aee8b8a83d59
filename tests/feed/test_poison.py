"""An event that the feed's handler stumbles over, from its bounded tries to its return."""

import secrets

import aio_pika
import httpx
import pytest
from sqlalchemy import text

from chassis import broker, telemetry
from chassis.consumer import Consumer, replay
from chassis.database import Database, execute
from chassis.subscriptions import Subscriptions
from deploy.local.instance import Instance
from services.feed import handlers
from tests.waiting import eventually

from .histories import Told, post, toggle_like
from .test_handlers import empty
from .test_rebuild import ANN, BORIS, company, expected, read, until_read


@pytest.fixture
def reactions(monkeypatch: pytest.MonkeyPatch) -> Subscriptions:
    """The feed's own, with queues apart from the running feed's, and retries that do not wait."""
    for module in ("subscriptions", "consumer", "broker"):
        monkeypatch.setattr(f"chassis.{module}.RETRY_DELAYS", (0, 0))
    apart = Subscriptions(f"probe{secrets.token_hex(4)}")
    for one in handlers.subscriptions:
        apart.on(one.event, when=one.concerns)(one.handler)
    return apart


@pytest.mark.usefixtures("broker_turn")
async def test_a_poisoned_tweet_keeps_nobody_up_and_comes_back_beside_what_came_since(
    infrastructure: Instance,
    feed: httpx.AsyncClient,
    database: Database,
    reactions: Subscriptions,
) -> None:
    history = company()
    poisoned = next(one for one in history.told if "number 7" in str(one.event))
    tweet_id = int(poisoned.event.model_dump()["tweet_id"])
    posted = poisoned.event.routing_key
    buried = telemetry.EVENTS_DEAD_LETTERED.labels(posted)._value
    before = buried.get()
    await empty(database)
    await _run(database, "alter table tweet add constraint bug check (card not like '%number 7%')")
    connection = await broker.connect(infrastructure.broker_url, "warble-test")
    async with connection, connection.channel(on_return_raises=True) as channel:
        consumer = Consumer(database, connection, reactions)
        await consumer.start()

        async def tell(told: list[Told]) -> None:
            for one in told:
                message = aio_pika.Message(
                    one.event.model_dump_json().encode(),
                    message_id=f"{one.source}:{one.number}",
                    type=one.event.routing_key,
                )
                queue = reactions[one.event.routing_key].queue
                await channel.default_exchange.publish(message, queue)

        async def neighbours_are_there() -> bool:
            rest = [tweet for tweet in expected(history, ANN) if tweet[0] != tweet_id]
            return await read(feed, ANN) == rest

        async def is_buried() -> bool:
            async with connection.channel() as looking:
                dead = await looking.get_queue(reactions[posted].dead_queue)
            return dead.declaration_result.message_count == 1

        await tell(history.told)
        await eventually(neighbours_are_there)
        await eventually(is_buried)
        assert buried.get() == before + 1

        since = len(history.told)
        toggle_like(history, tweet_id, BORIS)
        post(history, BORIS, "meanwhile")
        await tell(history.told[since:])
        await eventually(neighbours_are_there)
        await _run(database, "alter table tweet drop constraint bug")
        assert await replay(channel, reactions) == 1
        await until_read(feed, history)
        await consumer.stop()
        for one in reactions:
            for name in (one.queue, one.dead_queue):
                await channel.queue_delete(name)
        await channel.queue_delete(reactions.retry_exchange(0))


async def _run(database: Database, statement: str) -> None:
    async with database.transaction() as session:
        await execute(session, text(statement))
