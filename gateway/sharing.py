"""Gateways tell each other, once a second, of those who have used much of what they may.

Nothing is told while nobody does. A gateway that does not hear the broker counts for itself.
"""

import asyncio
import json
import secrets
import time

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from chassis import broker

from .limits import Allowance
from .settings import Settings

EXCHANGE = "gateway.limits"
_TELL_SECONDS = 1
_TOLD_AT_ONCE = 1_000

log = structlog.get_logger()


class Sharing:
    def __init__(self, settings: Settings, allowances: list[Allowance]) -> None:
        self._url = settings.broker_url.get_secret_value()
        self._allowances = {allowance.name: allowance for allowance in allowances}
        self._name = secrets.token_hex(8)

    async def share(self) -> None:
        """Runs until the broker goes away."""
        connection = await broker.connect_once(self._url, "warble-gateway-limits")
        async with connection:
            await self._share(await connection.channel(publisher_confirms=False))

    async def _share(self, channel: AbstractChannel) -> None:
        exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.FANOUT)
        queue = await channel.declare_queue(
            broker.own_queue("gateway"), exclusive=True, auto_delete=True
        )
        await queue.bind(exchange)
        await queue.consume(self.hear, no_ack=True)
        while True:
            await self._tell(exchange)
            await asyncio.sleep(_TELL_SECONDS)

    async def _tell(self, exchange: AbstractExchange) -> None:
        spent = [
            (name, who, calls)
            for name, allowance in self._allowances.items()
            for who, calls in allowance.untold(time.monotonic())
        ]
        # The heaviest, should there ever be so many.
        told = sorted(spent, key=lambda one: one[2], reverse=True)[:_TOLD_AT_ONCE]
        if told:
            body = json.dumps({"gateway": self._name, "spent": told}).encode()
            await exchange.publish(aio_pika.Message(body), "")

    async def hear(self, message: AbstractIncomingMessage) -> None:
        try:
            news = json.loads(message.body)
            if news["gateway"] == self._name:
                return
            for name, who, calls in news["spent"][:_TOLD_AT_ONCE]:
                if isinstance(who, (int, str)) and name in self._allowances:
                    self._allowances[name].told(who, max(0.0, float(calls)), time.monotonic())
        except (ValueError, KeyError, TypeError) as error:
            log.error("limits.not_understood", error=repr(error))
