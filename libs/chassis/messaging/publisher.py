"""Publishes many messages at once: they leave in one write to the socket, and are confirmed
together.

`aio_pika.Exchange.publish` takes one message. A batch of them needs a task, a deadline and a write
for each, which cost several times what encoding the message costs. The attributes of aiormq's
channel that this module uses are not private, but not documented either; aiormq is pinned exactly.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pamqp.frame
from aiormq.abc import AbstractChannel, ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from chassis.messaging import broker

CONFIRM_TIMEOUT_SECONDS = 5


class Message(NamedTuple):
    routing_key: str
    properties: commands.Basic.Properties
    """With a `message_id` that is unique among the messages of a batch: aiormq finds a message that
    the broker returns by it."""
    body: bytes


class Publisher:
    """Publishes to one exchange on a channel with publisher confirms, which nothing else uses."""

    def __init__(self, channel: AbstractChannel, exchange: str) -> None:
        assert isinstance(channel, Channel)
        self._channel = channel
        self._exchange = exchange
        self._publish_frames: dict[str, bytes] = {}
        """The frame that precedes a message, by routing key."""

    async def publish(self, messages: Sequence[Message]) -> list[BaseException | None]:
        """Returns what happened to each message: None if the broker confirmed it.

        PublishError means that the broker returned the message, because no queue takes it;
        DeliveryError that a queue rejected it; anything else that the connection is of no more use.
        """
        channel = self._channel
        if channel.is_closed:
            raise ChannelInvalidStateError
        confirmations = []
        payload = bytearray()
        for message in messages:
            channel.delivery_tag += 1
            confirmation = channel.create_future()
            channel.confirmations[channel.delivery_tag] = confirmation
            assert message.properties.message_id is not None
            channel.message_id_delivery_tag[message.properties.message_id] = channel.delivery_tag
            confirmations.append(confirmation)
            payload += self._encode(message)
        try:
            async with broker.deadline(CONFIRM_TIMEOUT_SECONDS):
                await channel.write_queue.put(ChannelFrame(bytes(payload), should_close=False))
            await asyncio.wait(confirmations, timeout=CONFIRM_TIMEOUT_SECONDS)
        finally:
            channel.message_id_delivery_tag.clear()
        return [_outcome(confirmation) for confirmation in confirmations]

    def _encode(self, message: Message) -> bytes:
        """The frames of a message: the command, the properties, and the body in parts."""
        number = self._channel.number
        key = message.routing_key
        if key not in self._publish_frames:
            command = commands.Basic.Publish(
                exchange=self._exchange, routing_key=key, mandatory=True
            )
            self._publish_frames[key] = pamqp.frame.marshal(command, number)
        header = ContentHeader(properties=message.properties, body_size=len(message.body))
        size = self._channel.max_content_size
        parts = [message.body[at : at + size] for at in range(0, len(message.body), size)]
        return b"".join(
            (
                self._publish_frames[key],
                pamqp.frame.marshal(header, number),
                *(pamqp.frame.marshal(ContentBody(part), number) for part in parts),
            )
        )


def _outcome(confirmation: asyncio.Future[object]) -> BaseException | None:
    if not confirmation.done():
        return broker.BrokerUnavailable("The broker did not confirm in time.")
    error = confirmation.exception()
    if isinstance(error, asyncio.CancelledError):
        # aiormq ends what waits for an answer in this way: see `broker.deadline`.
        return broker.BrokerUnavailable("The broker missed its heartbeats.")
    return error
