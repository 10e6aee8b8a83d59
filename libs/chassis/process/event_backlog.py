"""The internal HTTP route that reports which events a service has not published or handled yet.

Each service answers for itself; the gateway combines the answers for administrators. The api
process has no connection to the broker, so it opens one for each answer: nobody asks often.
"""

from datetime import datetime

import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction, execute
from chassis.messaging import broker
from chassis.messaging.broker import BrokerUnavailable
from chassis.messaging.retries import RETRY_DELAYS
from chassis.messaging.subscriptions import Subscriptions
from chassis.settings import ServiceSettings

TIMEOUT_SECONDS = 4

_UNPUBLISHED = text("""
select count(*) as unpublished, min(occurred_at) as oldest_unpublished_at
from outbox where published_at is null
""")

log = structlog.get_logger()


class Backlog(BaseModel):
    """Events that a service has still to publish or to handle. The last three are null if the
    broker does not answer, and the first two for a service that publishes nothing."""

    unpublished: int | None = None
    oldest_unpublished_at: datetime | None = None
    unhandled: int | None = None
    """Events in the queues of the service, also those that wait for a retry."""
    dead_letters: int | None = None
    """Events that failed at every attempt, and wait for an operator."""
    consumers: int | None = None
    """How many workers handle events: the lowest number of consumers of a queue."""


def router(subscriptions: Subscriptions, *, publishes: bool = True) -> APIRouter:
    """`publishes` is False for a service without an outbox."""
    routes = APIRouter(prefix="/internal", include_in_schema=False)

    @routes.get("/backlog")
    async def backlog(identity: Administrator, session: Transaction, request: Request) -> Backlog:
        found = Backlog()
        if publishes:
            found = Backlog(**(await execute(session, _UNPUBLISHED)).one()._asdict())
        settings: ServiceSettings = request.app.state.settings
        try:
            async with broker.deadline(TIMEOUT_SECONDS):
                return found.model_copy(update=await _queues(settings, subscriptions))
        except (AMQPError, BrokerUnavailable, OSError) as error:
            log.warning("backlog.broker_unavailable", error=repr(error))
            return found

    return routes


async def _queues(settings: ServiceSettings, subscriptions: Subscriptions) -> dict[str, int]:
    url = settings.broker_url.get_secret_value()
    connection = await broker.connect_once(url, f"warble-{settings.service}-backlog")
    try:
        async with broker.open_channel(connection) as channel:
            queues = [await _counts(channel, each.queue) for each in subscriptions]
            dead = [await _counts(channel, each.dead_queue) for each in subscriptions]
            retries = [
                await _counts(channel, subscriptions.retry_exchange(delay))
                for delay in RETRY_DELAYS
            ]
    finally:
        await broker.close_quietly(connection)
    return {
        "unhandled": sum(messages for messages, _ in [*queues, *retries]),
        "dead_letters": sum(messages for messages, _ in dead),
        "consumers": min(consumers for _, consumers in queues),
    }


async def _counts(channel: AbstractChannel, queue: str) -> tuple[int, int]:
    """The numbers of messages and of consumers."""
    declared = (await channel.get_queue(queue)).declaration_result
    return declared.message_count or 0, declared.consumer_count or 0
