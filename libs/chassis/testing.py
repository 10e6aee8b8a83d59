"""What the tests of every service share: a client that is signed in, and the delivery of events.

Tests use real parts inside a service, PostgreSQL among them. Only its edges are replaced: HTTP
calls stay within the process, and events come from the test.
"""

import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from chassis.auth.identity import IDENTITY_HEADER, Identity, KeyScope, Signer
from chassis.database.session import Database
from chassis.messaging import inbox
from chassis.messaging.events import Event, EventId
from chassis.messaging.subscriptions import Subscriptions

_KEY = Ed25519PrivateKey.generate()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


PRIVATE_KEY = _base64(_KEY.private_bytes_raw())
PUBLIC_KEY = _base64(_KEY.public_key().public_bytes_raw())
_signer = Signer(PRIVATE_KEY)


def identity_headers(
    service: str,
    user_id: int,
    *,
    administrator: bool = False,
    scope: KeyScope = KeyScope.account,
    roles: Iterable[str] = (),
) -> dict[str, str]:
    """The header that identifies this person to the service, signed as the gateway signs it."""
    scope = KeyScope.admin if administrator else scope
    identity = Identity(user_id, scope, roles=frozenset(roles))
    return {IDENTITY_HEADER: _signer.sign(identity, service)}


@asynccontextmanager
async def client_for(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Starts the application in this process and gives a client of it."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


async def deliver(
    database: Database,
    subscriptions: Subscriptions,
    routing_key: str,
    body: bytes | str | Event,
    number: int,
    source: str = "test",
    occurred_at: datetime | None = None,
) -> bool:
    """Passes an event to its handler as the consumer does, in one transaction with the inbox.

    The event occurred just now unless a time is given. Returns False if the inbox already contains
    the event.
    """
    subscription = subscriptions[routing_key]
    raw = body.model_dump_json() if isinstance(body, Event) else body
    event = subscription.event.model_validate_json(raw)
    event.received(occurred_at or datetime.now(UTC))
    async with database.transaction() as session:
        new = await inbox.insert_new(session, [EventId(source, number)])
        if new:
            await subscription.handler(session, event, number)
        return bool(new)
