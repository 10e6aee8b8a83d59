"""What the tests of every service share: a database of one's own, a signed-in client, deliveries.

The edge is swapped, the inside is real: HTTP in process, PostgreSQL for real.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from . import inbox
from .database import Database
from .events import Event, EventId
from .identity import HEADER, Identity, KeyScope, Signer
from .subscriptions import Subscriptions

_PRIVATE = Ed25519PrivateKey.generate()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


PRIVATE_KEY = _text(_PRIVATE.private_bytes_raw())
PUBLIC_KEY = _text(_PRIVATE.public_key().public_bytes_raw())
_signer = Signer(PRIVATE_KEY)


def signed(
    service: str, user_id: int, *, administrator: bool = False, scope: KeyScope = KeyScope.account
) -> dict[str, str]:
    """The header that identifies this person to the service, signed as the gateway signs it."""
    identity = Identity(user_id, KeyScope.admin if administrator else scope)
    return {HEADER: _signer.token(identity, service)}


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application, in this process."""
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
) -> bool:
    """Hands an event to its handler as the consumer does; false when the inbox knew it."""
    subscription = subscriptions[routing_key]
    raw = body.model_dump_json() if isinstance(body, Event) else body
    event = subscription.event.model_validate_json(raw)
    async with database.transaction() as session:
        new = await inbox.admit(session, [EventId(source, number)])
        if new:
            await subscription.handler(session, event, number)
        return bool(new)
