"""Internal routes, with which the gateway looks up and manages keys and sessions.

The gateway sends the SHA-256 digest of a key or of a session's token, never the secret itself, so a
log or a trace between the two cannot reveal one. This service stores the digests only.
"""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from chassis.auth.identity import FromGateway, KeyScope
from chassis.database import clock
from chassis.database.session import Transaction
from chassis.http.errors import responses
from chassis.http.models import Ok

from .. import commands, queries
from ..errors import KeyEnded, KeyNotFound, SessionEnded, SessionNotFound
from ..models import ApiKey, Person, UserSession
from ..settings import Settings

_DIGEST = "^[0-9a-f]{64}$"

router = APIRouter(prefix="/internal", include_in_schema=False)

Digest = Annotated[str, Path(pattern=_DIGEST)]
"""SHA-256 in hexadecimal."""


class CredentialView(BaseModel):
    """The person behind a key or a session, what it allows, and how long it may be cached."""

    user_id: int
    scope: KeyScope
    """`admin` only if the person is an administrator."""
    key_id: int
    session_id: int | None = None
    key_expires_at: int | None
    """Seconds since the epoch."""
    seconds_left: float | None
    """Until the key or the session expires. None for a key that never expires."""


@router.get("/keys/{digest}", responses=responses(KeyNotFound, KeyEnded))
async def key_owner(digest: Digest, gateway: FromGateway, session: Transaction) -> CredentialView:
    person, key = await queries.key_owner(session, bytes.fromhex(digest))
    await commands.touch_last_used(session, key)
    return _view(person, key)


@router.get("/sessions/{digest}", responses=responses(SessionNotFound, SessionEnded))
async def session_owner(
    digest: Digest, gateway: FromGateway, session: Transaction
) -> CredentialView:
    person, key, user_session = await queries.session_owner(session, bytes.fromhex(digest))
    await commands.touch_session_last_used(user_session)
    return _view(person, key, user_session)


def _view(person: Person, key: ApiKey, user_session: UserSession | None = None) -> CredentialView:
    expiries = [
        credential.expires_at
        for credential in (key, user_session)
        if credential and credential.expires_at
    ]
    expires_at = min(expiries, default=None)
    return CredentialView(
        user_id=person.id,
        scope=key.scope_for(person),
        key_id=key.id,
        session_id=user_session and user_session.id,
        key_expires_at=key.expires_at and int(key.expires_at.timestamp()),
        seconds_left=expires_at and (expires_at - clock.now()).total_seconds(),
    )


class SessionDraft(BaseModel):
    digest: str = Field(pattern=_DIGEST)
    """SHA-256 of the token in the cookie."""
    key_digest: str = Field(pattern=_DIGEST)
    client: str


class StartedSession(BaseModel):
    seconds: int
    """How long the session lasts."""


@router.post("/sessions", status_code=201, responses=responses(KeyEnded))
async def start_session(
    draft: SessionDraft, gateway: FromGateway, session: Transaction, request: Request
) -> StartedSession:
    settings: Settings = request.app.state.settings
    lifetime = timedelta(days=settings.session_days)
    await commands.start_session(
        session,
        bytes.fromhex(draft.digest),
        bytes.fromhex(draft.key_digest),
        client=draft.client,
        lifetime=lifetime,
    )
    return StartedSession(seconds=int(lifetime.total_seconds()))


@router.delete("/sessions/{digest}")
async def end_session(digest: Digest, gateway: FromGateway, session: Transaction) -> Ok:
    """Idempotent, also for an unknown session."""
    await commands.end_session_by_digest(session, bytes.fromhex(digest))
    return Ok()
