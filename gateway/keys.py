"""From an api-key to a person: asked of users, remembered while nobody revokes it."""

import asyncio
import json
import time

import aio_pika
import structlog
from aio_pika.exceptions import AMQPError
from prometheus_client import Counter
from starlette.types import Scope

from chassis import api_keys, broker
from chassis.errors import BadGateway, NotSignedIn
from chassis.events import EXCHANGE
from chassis.identity import GATEWAY, HEADER, Identity, KeyScope, Signer
from chassis.telemetry import message_context, onward

from .limits import Guesses
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


class KeyUnknown(Exception):
    """It is nobody's, and never was."""


class Keys:
    def __init__(
        self, settings: Settings, upstream: Upstream, signer: Signer, guesses: Guesses
    ) -> None:
        self._settings = settings
        self._upstream = upstream
        self._signer = signer
        self._guesses = guesses
        self._known: dict[bytes, tuple[Identity, float]] = {}
        self._asking: dict[bytes, asyncio.Task[Identity]] = {}
        self._revocations = 0
        self.hears_revocations = False

    async def owner(self, key: bytes, caller: Scope) -> Identity:
        """Whose key this is, which the caller shows.

        Raises NotSignedIn; TooManyRequests for one who guesses; and what Upstream raises when users
        is away.
        """
        if not 0 < len(key) <= _KEY_BYTES:
            raise NotSignedIn
        digest = api_keys.digest(key)
        held = self._held(digest)
        if held is not None:
            return held
        if api_keys.is_mistyped(key):
            raise NotSignedIn
        if digest not in self._known:
            self._guesses.check(caller, key)
        try:
            return await self._look_up(digest)
        except KeyUnknown as error:
            self._guesses.note(caller, key, digest)
            raise NotSignedIn from error

    async def identity(self, digest: bytes) -> Identity:
        """Whose key has this digest, which we have sealed ourselves. Raises what `owner` does."""
        held = self._held(digest)
        if held is not None:
            return held
        try:
            return await self._look_up(digest)
        except KeyUnknown as error:
            raise NotSignedIn from error

    def _held(self, digest: bytes) -> Identity | None:
        known = self._known.get(digest)
        if known is None or known[1] <= time.monotonic():
            return None
        LOOKUPS.labels("hit").inc()
        return known[0]

    async def _look_up(self, digest: bytes) -> Identity:
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
            self._known.pop(digest, None)
            ended = json.loads(answer.body or b"{}").get("error_type") == "KeyEnded"
            raise NotSignedIn if ended else KeyUnknown
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
        """Believes no key of this person's until users was asked again."""
        self._revocations += 1
        for digest, (who, _) in self._known.items():
            if who.user_id == user_id:
                self._known[digest] = (who, 0.0)

    def _drop_all(self) -> None:
        self._revocations += 1
        self._known = {digest: (who, 0.0) for digest, (who, _) in self._known.items()}

    async def hear_revocations(self) -> None:
        """Runs until cancelled, and comes back to the broker whenever it does."""
        while True:
            try:
                async with broker.reaching():
                    await self._hear()
            except (AMQPError, OSError, RuntimeError) as error:
                log.warning("revocations.not_heard", error=repr(error))
            finally:
                self.hears_revocations = False
                self._drop_all()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _hear(self) -> None:
        url = self._settings.broker_url.get_secret_value()
        connection = await broker.connect_once(url, "warble-gateway")
        async with connection, connection.channel() as channel:
            exchange = await channel.get_exchange(EXCHANGE)
            queue = await channel.declare_queue(
                broker.own_queue("gateway"), exclusive=True, auto_delete=True
            )
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
