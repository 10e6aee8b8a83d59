"""Removes an erased person's messages from a service's dead letters."""

import json
from collections.abc import Collection
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection

from chassis.messaging import broker, message_format
from chassis.messaging.events import Event
from chassis.messaging.message_format import TransportedEvent
from chassis.messaging.subscriptions import Subscription, Subscriptions


@dataclass(frozen=True)
class DeadLetters:
    """A service's dead letters, and how to recognise those of a person."""

    subscriptions: Subscriptions
    erasure_event: type[Event]
    """The event that starts an erasure. It stays among the dead letters: an operator replays it
    once its handler works, or the service never erases the person."""
    person_fields: Collection[str]
    """The fields by which the events name a person, as their producers write them: a consumer's own
    class may lack some of them."""

    async def purge(self, connection: AbstractRobustConnection, user_id: int) -> None:
        """Deletes the person's dead letters. Raises what aio_pika raises."""
        async with broker.open_channel(connection, on_return_raises=True) as channel:
            for subscription in self.subscriptions:
                await self._purge_queue(channel, subscription, user_id)

    async def _purge_queue(
        self, channel: AbstractChannel, subscription: Subscription, user_id: int
    ) -> None:
        """Takes each message out of the queue; publishes the events of other people to its end."""
        queue = await channel.get_queue(subscription.dead_queue)
        exchange = await broker.service_exchange(channel, subscription.service)
        # Limited to the messages that are there now, because those of other people return.
        for _ in range(queue.declaration_result.message_count or 0):
            message = await queue.get(fail=False)
            if message is None:
                break
            for kept in self._without(message, user_id):
                await exchange.publish(kept, subscription.dead_queue)
            await message.ack()

    def _without(self, message: AbstractIncomingMessage, user_id: int) -> list[aio_pika.Message]:
        """The message, or messages of those of its events that do not name the person."""
        events = message_format.decode_leniently(message)
        kept = [event for event in events if not self._names(event, user_id)]
        if len(kept) == len(events):
            return [_copy(message)]
        return [message_format.encode([event]) for event in kept]

    def _names(self, event: TransportedEvent, user_id: int) -> bool:
        """Whether the event is to be deleted. What is not JSON stays: nothing says whose it is."""
        try:
            fields = json.loads(event.payload)
        except ValueError:
            return False
        if not isinstance(fields, dict) or event.routing_key == self.erasure_event.routing_key:
            return False
        return any(fields.get(name) == user_id for name in self.person_fields)


def _copy(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers=message.headers,
        message_id=message.message_id,
        type=message.type,
        content_type=message.content_type,
        timestamp=message.timestamp,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
