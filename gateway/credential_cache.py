"""Finds the person behind an api-key or a session token, and caches the answer.

The users service owns keys and sessions. Asking it for every request would double the cost of a
read, so each gateway caches its answers for GATEWAY_KEY_CACHE_TTL_SECONDS. A revoked credential
must stop working at once nevertheless. So each gateway consumes the events that revoke credentials
on an exclusive queue, and expires all entries of the person whom an event names. The next request
asks users again, which refuses. The same queue receives what other gateways announce about calls
that they have forwarded: see `revocation_gossip`.

Three cases would otherwise keep a revoked credential alive:

- The gateway is not connected to the broker and misses events. Losing the connection, and
  connecting again, expire all entries; in between a new entry lives for 5 s only.
- An event arrives while users is being asked, and the answer may be from before the revocation.
  A request to users notes what is revoked meanwhile, and an answer concerned by it is not cached.
- An event cannot be parsed, so it is unknown whom it names. All entries are expired.

An event stream is open for hours after its credential was looked up. `listener` hears of every
revocation, and `ends_at` asks again.

Expired entries stay in the cache: they show that a credential was valid here, which exempts it from
the limit on key guesses.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter
from starlette.types import Scope

from chassis.auth import api_keys
from chassis.auth.identity import GATEWAY, IDENTITY_HEADER, Identity, KeyScope, Signer
from chassis.http.errors import BadGateway, NotSignedIn
from chassis.messaging import broker, message_format
from chassis.messaging.events import EXCHANGE
from chassis.observability.request_context import propagation_headers

from . import revocation_gossip
from .limits import KeyGuessLimiter
from .revocation_gossip import RevocationGossip
from .settings import Settings
from .upstream import Upstream

REVOCATION_EVENTS = ("key.revoked.v1", "user.deactivated.v1")

_DISCONNECTED_TTL_SECONDS = 5
"""How long an entry lives while this gateway receives no revocations."""
_MAX_ENTRIES = 100_000
_MAX_KEY_BYTES = 200
_SESSION_TOKEN_BYTES = 32
_SESSION_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""The form of a token that `new_session_token` makes."""
_ENDED = ("KeyEnded", "SessionEnded")
"""Errors of users about credentials that were valid once."""

LOOKUPS = Counter(
    "warble_gateway_credential_cache_total",
    "Look-ups of keys and sessions in the cache, by outcome: hit or miss.",
    ["outcome"],
)
_HITS, _MISSES = LOOKUPS.labels("hit"), LOOKUPS.labels("miss")

log = structlog.get_logger()


def new_session_token() -> str:
    return secrets.token_urlsafe(_SESSION_TOKEN_BYTES)


def is_session_token(text: str) -> bool:
    """Whether this has the form of a session token; if not, users need not be asked about it."""
    return _SESSION_TOKEN.fullmatch(text) is not None


class _UnknownCredential(Exception):
    """The key or the session has never existed."""


class _Entry(NamedTuple):
    """Times are those of `time.monotonic`."""

    identity: Identity
    expires_at: float
    """0.0 for an entry that was expired early."""
    ends_at: float
    """When the credential itself ends, according to users; infinity if it has no end."""


def _ignore(_: int | None) -> None:
    pass


class CredentialCache:
    """Caches identities by the SHA-256 digest of the key or session token.

    Only digests are kept here and sent to users, never the secrets themselves.
    """

    def __init__(
        self, settings: Settings, upstream: Upstream, signer: Signer, guesses: KeyGuessLimiter
    ) -> None:
        self._settings = settings
        self._upstream = upstream
        self._signer = signer
        self._guesses = guesses
        self._entries: dict[bytes, _Entry] = {}
        self._requests: dict[bytes, asyncio.Task[Identity]] = {}
        """Requests to users in progress: many callers with one credential cause only one."""
        self._revoked_meanwhile: dict[bytes, set[int | bytes | None]] = {}
        """What was revoked during each request to users in progress: ids of people, digests of
        credentials, and None if it may be anybody's."""
        self.gossip = RevocationGossip(settings)
        self.receives_revocations = False
        self.listener: Callable[[int | None], None] = _ignore
        """Called when credentials may have been revoked: with the person's id, or None if they may
        be anybody's."""

    async def identity_of_key(self, key: bytes, scope: Scope) -> Identity:
        """The identity of the person whose key this is. `scope` is that of the client's request.

        Raises NotSignedIn; TooManyRequests for a client that tries many unknown keys; and what
        Upstream raises when users does not answer.
        """
        if not 0 < len(key) <= _MAX_KEY_BYTES:
            raise NotSignedIn
        digest = api_keys.digest(key)
        return self._hit(digest) or await self._look_up("keys", key, digest, scope)

    async def identity_of_session(self, token: str, scope: Scope) -> Identity:
        """The identity of the person whose session has this token. Raises the same errors as
        `identity_of_key`."""
        if not is_session_token(token):
            raise NotSignedIn
        secret = token.encode()
        digest = api_keys.digest(secret)
        return self._hit(digest) or await self._look_up("sessions", secret, digest, scope)

    def cached_key(self, key: bytes) -> Identity | None:
        """The identity of a key, if it is in the cache. This does not count as a hit."""
        return self._cached(api_keys.digest(key))

    def cached_session(self, token: str) -> Identity | None:
        """The identity of a session, if it is in the cache. This does not count as a hit."""
        return self._cached(api_keys.digest(token.encode())) if is_session_token(token) else None

    def count_hit(self) -> None:
        _HITS.inc()

    def _hit(self, digest: bytes) -> Identity | None:
        identity = self._cached(digest)
        if identity is not None:
            self.count_hit()
        return identity

    def _cached(self, digest: bytes) -> Identity | None:
        entry = self._entries.get(digest)
        if entry is None or entry.expires_at <= time.monotonic():
            return None
        return entry.identity

    async def ends_at(self, kind: str, digest: bytes) -> float:
        """When a credential that was valid earlier ends, as a time of `time.monotonic`.

        `kind` is `keys` or `sessions`. The time is not in the future if the answer of users may be
        older than a revocation: ask again. Raises NotSignedIn if the credential has ended, and what
        Upstream raises.
        """
        if self._hit(digest) is None:
            try:
                await self._request_once(kind, digest)
            except _UnknownCredential as error:
                raise NotSignedIn from error
        entry = self._entries.get(digest)
        now = time.monotonic()
        return entry.ends_at if entry is not None and entry.expires_at > now else now

    async def _look_up(self, kind: str, secret: bytes, digest: bytes, scope: Scope) -> Identity:
        """Asks users, unless the credential is mistyped or its sender is over the guess limit."""
        if api_keys.is_mistyped(secret):
            raise NotSignedIn
        if digest not in self._entries:
            self._guesses.check(scope, secret)
        try:
            return await self._request_once(kind, digest)
        except _UnknownCredential as error:
            self._guesses.record_failure(scope, secret, digest)
            raise NotSignedIn from error

    async def _request_once(self, kind: str, digest: bytes) -> Identity:
        _MISSES.inc()
        request = self._requests.get(digest)
        if request is None:
            request = asyncio.create_task(self._request(kind, digest))
            self._requests[digest] = request
            request.add_done_callback(lambda _: self._requests.pop(digest, None))
        # A caller who disconnects must not cancel the request for the others who wait for it.
        return await asyncio.shield(request)

    async def _request(self, kind: str, digest: bytes) -> Identity:
        revoked: set[int | bytes | None] = set()
        self._revoked_meanwhile[digest] = revoked
        try:
            owner = await self._owner(kind, digest)
        finally:
            del self._revoked_meanwhile[digest]
        identity = Identity(
            owner["user_id"],
            KeyScope(owner["scope"]),
            key_id=owner["key_id"],
            session_id=owner["session_id"],
            key_expires_at=owner["key_expires_at"],
            roles=frozenset(owner.get("roles", ())),
        )
        if revoked.isdisjoint((digest, identity.user_id, None)):
            self._store(digest, identity, owner["seconds_left"])
        return identity

    async def _owner(self, kind: str, digest: bytes) -> dict[str, Any]:
        """The answer of users about a credential."""
        response = await self._upstream.request(
            "users",
            "GET",
            f"/internal/{kind}/{digest.hex()}",
            {IDENTITY_HEADER: self._signer.sign(GATEWAY, "users"), **propagation_headers()},
        )
        if response.http.status == 404:
            self._entries.pop(digest, None)
            ended = json.loads(response.body or b"{}").get("error_type") in _ENDED
            raise NotSignedIn if ended else _UnknownCredential
        if response.http.status != 200 or response.body is None:
            raise BadGateway
        owner: dict[str, Any] = json.loads(response.body)
        return owner

    def _note_revocation(self, revoked: int | bytes | None) -> None:
        for meanwhile in self._revoked_meanwhile.values():
            meanwhile.add(revoked)

    def _store(self, digest: bytes, identity: Identity, seconds_left: float | None) -> None:
        """`seconds_left` is the remaining life of the credential; None if it has no end."""
        if len(self._entries) >= _MAX_ENTRIES:
            self._entries.clear()
        ttl: float = _DISCONNECTED_TTL_SECONDS
        if self.receives_revocations:
            ttl = self._settings.key_cache_ttl_seconds
        now = time.monotonic()
        ends_at = inf if seconds_left is None else now + seconds_left
        self._entries[digest] = _Entry(identity, min(now + ttl, ends_at), ends_at)

    def expire(self, digest: bytes) -> None:
        """The next request with this credential asks users again, at every gateway."""
        self._expire_here(digest)
        self.gossip.announce(digest=digest.hex())

    def expire_person(self, user_id: int) -> None:
        """As `expire`, for every credential of this person."""
        self._expire_person_here(user_id)
        self.gossip.announce(user_id=user_id)

    def _expire_here(self, digest: bytes) -> None:
        self._note_revocation(digest)
        entry = self._entries.get(digest)
        if entry is not None:
            self._entries[digest] = entry._replace(expires_at=0.0)
            self.listener(entry.identity.user_id)

    def _expire_person_here(self, user_id: int) -> None:
        self._note_revocation(user_id)
        for digest, entry in self._entries.items():
            if entry.identity.user_id == user_id:
                self._entries[digest] = entry._replace(expires_at=0.0)
        self.listener(user_id)

    def expire_all_here(self) -> None:
        """The next request with any credential asks users again, at this gateway: for when it is
        unknown whose have ended."""
        self._note_revocation(None)
        self._entries = {
            digest: entry._replace(expires_at=0.0) for digest, entry in self._entries.items()
        }

    async def consume_revocations(self) -> None:
        """Runs until the connection to the broker ends."""
        try:
            await self._consume()
        finally:
            self.receives_revocations = False
            self.expire_all_here()

    async def _consume(self) -> None:
        url = self._settings.broker_url.get_secret_value()
        connection = await broker.connect_once(url, "warble-gateway")
        async with connection, connection.channel() as channel:
            exchange = await channel.get_exchange(EXCHANGE)
            queue = await channel.declare_queue(
                broker.exclusive_queue_name("gateway"), exclusive=True, auto_delete=True
            )
            for routing_key in REVOCATION_EVENTS:
                await queue.bind(exchange, routing_key)
            await queue.bind(await revocation_gossip.exchange(channel))
            async with queue.iterator() as messages:
                # Events before this moment did not reach the queue.
                self.expire_all_here()
                self.receives_revocations = True
                self.listener(None)
                async for message in messages:
                    if not self.gossip.is_own(message):
                        for revocation in message_format.decode_leniently(message):
                            with revocation.logged():
                                self._on_revocation(revocation.payload)
                    await message.ack()

    def _on_revocation(self, payload: bytes) -> None:
        try:
            revocation = json.loads(payload)
            if "digest" in revocation:
                self._expire_here(bytes.fromhex(revocation["digest"]))
            else:
                self._expire_person_here(int(revocation["user_id"]))
        except Exception as error:
            # It is unknown whose credential the message revokes.
            log.error("credentials.malformed_revocation", error=repr(error))
            self.expire_all_here()
            self.listener(None)
        else:
            log.info("credentials.revoked")
