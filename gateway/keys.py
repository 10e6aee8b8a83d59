"""From an api-key to a person: asked of users, remembered while nobody revokes it."""

import asyncio
import json
import time

import aio_pika
import structlog
from aio_pika.exceptions import AMQPError
from prometheus_client import Counter

from chassis import api_keys, broker
from chassis.errors import BadGateway, NotSignedIn
from chassis.identity import GATEWAY, HEADER, Identity, KeyScope, Signer
from chassis.telemetry import message_context, onward

from .settings import Settings
from .upstream import Upstream

REVOKING = ("key.revoked.v1", "user.deactivated.v1")

_UNHEARD_SECONDS = 5
"""How long a key is believed while revocations are not heard of."""
_CACHED = 100_000
_KEY_BYTES = 200
_RECONNECT_SECONDS = 1

LOOKUPS = Counter("warble_gateway_key_cache_total", "Keys looked up.", ["outcome"])

log = structlog.get_logger()


def digest_of(key: bytes) -> bytes:
    """What a key is known by, here and in users. Raises NotSignedIn for what can be no key."""
    if not 0 < len(key) <= _KEY_BYTES or api_keys.is_mistyped(key):
        raise NotSignedIn
    return api_keys.digest(key)


class Keys:
    def __init__(self, settings: Settings, upstream: Upstream, signer: Signer) -> None:
        self._settings = settings
        self._upstream = upstream
        self._signer = signer
        self._known: dict[bytes, tuple[Identity, float]] = {}
        self._asking: dict[bytes, asyncio.Task[Identity]] = {}
        self._revocations = 0
        self.hears_revocations = False

    async def identity(self, digest: bytes) -> Identity:
        """Whose key has this digest. Raises NotSignedIn, and what Upstream raises when users is
        away."""
        known = self._known.get(digest)
        if known is not None and known[1] > time.monotonic():
            LOOKUPS.labels("hit").inc()
            return known[0]
        LOOKUPS.labels("miss").inc()
        asking = self._asking.get(digest)
        if asking is None:
            asking = asyncio.create_task(self._ask(digest))
            self._asking[digest] = asking
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        # One who goes away does not take the answer from the others who wait for it.
        return await asyncio.shield(asking)

    async def _ask(self, digest: bytes) -> Identity:
        before = self._revocations
        answer = await self._upstream.ask(
            "users",
            "GET",
            f"/internal/keys/{digest.hex()}",
            {HEADER: self._signer.token(GATEWAY, "users"), **onward()},
        )
        if answer.response.status == 404:
            raise NotSignedIn
        if answer.response.status != 200 or answer.body is None:
            raise BadGateway
        owner = json.loads(answer.body)
        only_reads = owner.get("scope") == KeyScope.read
        identity = Identity(owner["user_id"], owner["administrator"], only_reads)
        # A revocation that came in between may be of this very key.
        if self._revocations == before:
            if len(self._known) >= _CACHED:
                self._known.clear()
            seconds = self._settings.key_seconds if self.hears_revocations else _UNHEARD_SECONDS
            if (left := owner.get("seconds_left")) is not None:
                seconds = min(seconds, left)
            self._known[digest] = (identity, time.monotonic() + seconds)
        return identity

    def drop(self, user_id: int) -> None:
        """Forgets every key of this person's."""
        self._revocations += 1
        gone = [digest for digest, (who, _) in self._known.items() if who.user_id == user_id]
        for digest in gone:
            del self._known[digest]

    def _drop_all(self) -> None:
        self._revocations += 1
        self._known.clear()

    async def hear_revocations(self) -> None:
        """Runs until cancelled, and comes back to the broker whenever it does."""
        while True:
            try:
                await self._hear()
            except (AMQPError, OSError, RuntimeError) as error:
                log.warning("revocations.not_heard", error=repr(error))
            finally:
                self.hears_revocations = False
                self._drop_all()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _hear(self) -> None:
        connection = await aio_pika.connect(
            self._settings.broker_url.get_secret_value(),
            timeout=_UNHEARD_SECONDS,
            heartbeat=broker.HEARTBEAT_SECONDS,
            client_properties={"connection_name": "warble-gateway"},
        )
        async with connection, connection.channel() as channel:
            exchange = await broker.events_exchange(channel)
            queue = await channel.declare_queue(exclusive=True, auto_delete=True)
            for routing_key in REVOKING:
                await queue.bind(exchange, routing_key)
            async with queue.iterator() as messages:
                self._drop_all()
                self.hears_revocations = True
                async for message in messages:
                    self._revoke(message)
                    await message.ack()

    def _revoke(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        with message_context(message):
            try:
                self.drop(int(json.loads(message.body)["user_id"]))
            except (ValueError, KeyError, TypeError) as error:
                log.error("revocation.not_understood", error=repr(error))
                self._drop_all()
            else:
                log.info("keys.dropped")
