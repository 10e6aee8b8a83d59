"""What administrators see of the health of the running system."""

import aio_pika
import pytest

from chassis.messaging.events import EventId
from devstack.instance import Instance
from devstack.repository import SERVICES
from tests.waiting import eventually

from .company import Company


@pytest.mark.exclusive
async def test_dead_letters_and_workers_are_counted(company: Company, stack: Instance) -> None:
    admin = company.administrator

    async def is_healthy() -> bool:
        return bool((await admin.done("GET", "/api/health"))["healthy"])

    await eventually(is_healthy)
    connection = await aio_pika.connect(stack.broker_url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue("feed.tweet.posted.v1.dead")
        event_id = str(EventId("tweets", 900_000_000_000))
        message = aio_pika.Message(b"{}", message_id=event_id, type="x")
        await channel.default_exchange.publish(message, queue.name)

        async def is_counted() -> bool:
            health = await admin.done("GET", "/api/health")
            return bool(health["services"]["feed"]["dead_letters"] == 1)

        await eventually(is_counted)
        health = await admin.done("GET", "/api/health")
        await queue.purge()

    assert health["healthy"] is False
    assert health["services"].keys() == set(SERVICES)
    for name, service in health["services"].items():
        assert (service["ready"], service["consumers"] >= 1) == (True, True), name
        assert (service["unpublished"] is None) == (name in ("feed", "notifications")), name
