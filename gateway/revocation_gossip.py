"""A gateway tells the others whose access has ended through it.

The events of users tell every gateway too, but the worker of users publishes them. While that
worker is down, another gateway would trust a revoked credential until its cache entry expires. So
the gateway that ends a session, or forwards a call that takes access away, publishes this to a
fanout exchange. `credential_cache` of every gateway receives from there, and asks users again.

An announcement may be lost, when the gateway dies before it is published: the event of users comes
later. The connection is not the one that receives, because a broker that runs out of memory or disk
blocks connections that publish. Meanwhile announcements wait here. See docs/adr/0037.
"""

import asyncio
import json
import secrets
from collections import deque

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from chassis.messaging import broker

from .settings import Settings

_EXCHANGE = "gateway.revocations"
_MAX_PENDING = 10_000
_CONFIRM_TIMEOUT_SECONDS = 5
_CHECK_INTERVAL_SECONDS = 1
"""How soon an idle connection that has ended is replaced."""


async def exchange(channel: AbstractChannel) -> AbstractExchange:
    return await channel.declare_exchange(_EXCHANGE, aio_pika.ExchangeType.FANOUT, durable=True)


class RevocationGossip:
    def __init__(self, settings: Settings) -> None:
        self._broker_url = settings.broker_url.get_secret_value()
        self._gateway_id = secrets.token_hex(8)
        self._pending: deque[bytes] = deque(maxlen=_MAX_PENDING)
        self._announced = asyncio.Event()

    def announce(self, **whose: int | str) -> None:
        """Publishes as soon as the broker is connected. `whose` is `user_id` or `digest`."""
        self._pending.append(json.dumps(whose).encode())
        self._announced.set()

    def is_own(self, message: AbstractIncomingMessage) -> bool:
        """Whether this gateway has published the message."""
        return message.app_id == self._gateway_id

    async def run(self) -> None:
        """Runs until the connection to the broker ends."""
        connection = await broker.connect_once(self._broker_url, "warble-gateway-revocations")
        async with connection:
            channel = await connection.channel()
            to = await exchange(channel)
            while connection.connected.is_set() and not channel.is_closed:
                await self._publish_pending(to)
                try:
                    async with asyncio.timeout(_CHECK_INTERVAL_SECONDS):
                        await self._announced.wait()
                except TimeoutError:
                    continue

    async def _publish_pending(self, to: AbstractExchange) -> None:
        self._announced.clear()
        while self._pending:
            body = self._pending[0]
            message = aio_pika.Message(body, app_id=self._gateway_id)
            async with broker.deadline(_CONFIRM_TIMEOUT_SECONDS):
                await to.publish(message, "", mandatory=False)
            # A full deque drops the oldest announcement, which may have been this one.
            if self._pending[0] is body:
                self._pending.popleft()
