"""Gateways tell each other, once a second, what subjects have spent of their rate limits.

A counter that all gateways share would cost each request a round trip. Instead each gateway counts
in memory and publishes what it has let through since its last message to a fanout exchange; the
others add it to their own counts. Messages name only subjects above a quarter of their allowance,
and those that guess keys, so none is sent in normal use. A person who spreads calls over several
gateways can exceed a limit by one second's calls; with more than four gateways also, once for each,
by up to a quarter of the allowance.

A lost message means that a gateway counts too little for up to a minute, which is acceptable. So
messages are neither confirmed nor acknowledged, and a gateway without the broker counts alone.
"""

import asyncio
import json
import secrets
import time

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from chassis.messaging import broker

from .limits import GcraLimiter
from .settings import Settings

EXCHANGE = "gateway.limits"
_PUBLISH_INTERVAL_SECONDS = 1
_MAX_ENTRIES = 1_000
"""Entries of one message. If there are more, the subjects that spent the most are named."""

log = structlog.get_logger()


class LimitGossip:
    def __init__(self, settings: Settings, limiters: list[GcraLimiter]) -> None:
        self._broker_url = settings.broker_url.get_secret_value()
        self._limiters = {limiter.name: limiter for limiter in limiters}
        self._gateway_id = secrets.token_hex(8)

    async def run(self) -> None:
        """Runs until the connection to the broker ends."""
        connection = await broker.connect_once(self._broker_url, "warble-gateway-limits")
        async with connection:
            channel = await connection.channel(publisher_confirms=False)
            exchange = await self._receive(channel)
            while connection.connected.is_set() and not channel.is_closed:
                await self._publish(exchange)
                await asyncio.sleep(_PUBLISH_INTERVAL_SECONDS)

    async def _receive(self, channel: AbstractChannel) -> AbstractExchange:
        """Starts to receive the counts of the others. Returns where own counts are published."""
        exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.FANOUT)
        queue = await channel.declare_queue(
            broker.exclusive_queue_name("gateway"), exclusive=True, auto_delete=True
        )
        await queue.bind(exchange)
        await queue.consume(self.on_message, no_ack=True)
        return exchange

    async def _publish(self, exchange: AbstractExchange) -> None:
        spent = [
            (name, subject, calls)
            for name, limiter in self._limiters.items()
            for subject, calls in limiter.drain(time.monotonic())
        ]
        entries = sorted(spent, key=lambda entry: entry[2], reverse=True)[:_MAX_ENTRIES]
        if entries:
            body = json.dumps({"gateway": self._gateway_id, "spent": entries}).encode()
            await exchange.publish(aio_pika.Message(body), "")

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            report = json.loads(message.body)
            if report["gateway"] == self._gateway_id:
                return
            for name, subject, calls in report["spent"][:_MAX_ENTRIES]:
                if isinstance(subject, (int, str)) and name in self._limiters:
                    now = time.monotonic()
                    self._limiters[name].merge(subject, max(0.0, float(calls)), now)
        except (ValueError, KeyError, TypeError) as error:
            log.error("limit_gossip.malformed_message", error=repr(error))
