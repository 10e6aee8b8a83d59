"""From an api-key or a session to a person: users knows, and the answer is cached until revoked."""

import asyncio
import json
import re
import secrets
import time

import aio_pika
import structlog
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
_SESSION_TOKEN_BYTES = 32
_SESSION_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""As `new_session_token` makes them."""
_ENDED = ("KeyEnded", "SessionEnded")

LOOKUPS = Counter("warble_gateway_key_cache_total", "Keys looked up.", ["outcome"])

log = structlog.get_logger()


def new_session_token() -> str:
    return secrets.token_urlsafe(_SESSION_TOKEN_BYTES)


def is_session_token(text: str) -> bool:
    """Whether it has the form of a token, so that users need not be asked about anything else."""
    return _SESSION_TOKEN.fullmatch(text) is not None


class _Unknown(Exception):
    """The key or the session has never existed."""


class Keys:
    """Finds out who shows a key or a session token, and remembers the answer for a short time.

    Only SHA-256 digests are kept here and sent to users, never the secrets themselves.
    """

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

    async def key_owner(self, key: bytes, caller: Scope) -> Identity:
        """The person whose key this is.

        Raises NotSignedIn; TooManyRequests for a caller who tries many unknown keys; and what
        Upstream raises when users does not answer.
        """
        if not 0 < len(key) <= _KEY_BYTES:
            raise NotSignedIn
        digest = api_keys.digest(key)
        return self._remembered(digest) or await self._owner("keys", key, digest, caller)

    async def session_owner(self, token: str, caller: Scope) -> Identity:
        """The person whose session has this token. Raises the same errors as `key_owner`."""
        if not is_session_token(token):
            raise NotSignedIn
        secret = token.encode()
        digest = api_keys.digest(secret)
        return self._remembered(digest) or await self._owner("sessions", secret, digest, caller)

    async def _owner(self, kind: str, secret: bytes, digest: bytes, caller: Scope) -> Identity:
        if api_keys.is_mistyped(secret):
            raise NotSignedIn
        if digest not in self._known:
            self._guesses.check(caller, secret)
        try:
            return await self._look_up(kind, digest)
        except _Unknown as error:
            self._guesses.note(caller, secret, digest)
            raise NotSignedIn from error

    def _remembered(self, digest: bytes) -> Identity | None:
        known = self._known.get(digest)
        if known is None or known[1] <= time.monotonic():
            return None
        LOOKUPS.labels("hit").inc()
        return known[0]

    async def _look_up(self, kind: str, digest: bytes) -> Identity:
        LOOKUPS.labels("miss").inc()
        asking = self._asking.get(digest)
        if asking is None:
            asking = asyncio.create_task(self._ask(kind, digest))
            self._asking[digest] = asking
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        # A caller who goes away must not cancel the request for the others who wait for it.
        return await asyncio.shield(asking)

    async def _ask(self, kind: str, digest: bytes) -> Identity:
        before = self._revocations
        answer = await self._upstream.ask(
            "users",
            "GET",
            f"/internal/{kind}/{digest.hex()}",
            {HEADER: self._signer.token(GATEWAY, "users"), **onward()},
        )
        if answer.response.status == 404:
            self._known.pop(digest, None)
            ended = json.loads(answer.body or b"{}").get("error_type") in _ENDED
            raise NotSignedIn if ended else _Unknown
        if answer.response.status != 200 or answer.body is None:
            raise BadGateway
        owner = json.loads(answer.body)
        identity = Identity(
            owner["user_id"],
            KeyScope(owner["scope"]),
            key_id=owner["key_id"],
            session_id=owner["session_id"],
            key_expires_at=owner["key_expires_at"],
        )
        # A revocation that arrived meanwhile may concern this very key.
        if self._revocations == before:
            if len(self._known) >= _CACHED:
                self._known.clear()
            seconds = self._settings.key_seconds if self.hears_revocations else _UNHEARD_SECONDS
            if (left := owner["seconds_left"]) is not None:
                seconds = min(seconds, left)
            self._known[digest] = (identity, time.monotonic() + seconds)
        return identity

    def forget(self, digest: bytes) -> None:
        """Has users asked again about this key or session."""
        self._revocations += 1
        if digest in self._known:
            self._known[digest] = (self._known[digest][0], 0.0)

    def drop(self, user_id: int) -> None:
        """Has users asked again about every key and session of this person."""
        self._revocations += 1
        for digest, (who, _) in self._known.items():
            if who.user_id == user_id:
                self._known[digest] = (who, 0.0)

    def _drop_all(self) -> None:
        self._revocations += 1
        self._known = {digest: (who, 0.0) for digest, (who, _) in self._known.items()}

    async def hear_revocations(self) -> None:
        """Runs until the broker goes away."""
        try:
            await self._hear()
        finally:
            self.hears_revocations = False
            self._drop_all()

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
            except Exception as error:
                # The key that this message revokes is unknown, so no key is trusted any more.
                log.error("revocation.not_understood", error=repr(error))
                self._drop_all()
            else:
                log.info("keys.dropped")
