"""What the gateway asks about keys and sessions, which it names by their digests."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from chassis import clock
from chassis.app import Done
from chassis.database import Transaction
from chassis.errors import responses
from chassis.identity import FromGateway, KeyScope

from .. import commands, queries
from ..errors import KeyEnded, KeyNotFound, SessionEnded, SessionNotFound
from ..models import ApiKey, Person, UserSession
from ..settings import Settings

_DIGEST = "^[0-9a-f]{64}$"

router = APIRouter(prefix="/internal", include_in_schema=False)

Digest = Annotated[str, Path(pattern=_DIGEST)]
"""SHA-256 in hexadecimal."""


class CredentialView(BaseModel):
    """Who shows a key or a session, what it allows, and how long it may be remembered."""

    user_id: int
    scope: KeyScope
    """`admin` only if the person is an administrator."""
    key_id: int
    session_id: int | None = None
    key_expires_at: int | None
    """Seconds since the epoch."""
    seconds_left: float | None
    """Until the key or the session ends; None for a key without an end."""


@router.get("/keys/{digest}", responses=responses(KeyNotFound, KeyEnded))
async def key_owner(digest: Digest, gateway: FromGateway, session: Transaction) -> CredentialView:
    person, key = await queries.key_owner(session, bytes.fromhex(digest))
    await commands.note_use(session, key)
    return _view(person, key)


@router.get("/sessions/{digest}", responses=responses(SessionNotFound, SessionEnded))
async def session_owner(
    digest: Digest, gateway: FromGateway, session: Transaction
) -> CredentialView:
    person, key, user_session = await queries.session_owner(session, bytes.fromhex(digest))
    await commands.note_session_use(user_session)
    return _view(person, key, user_session)


def _view(person: Person, key: ApiKey, user_session: UserSession | None = None) -> CredentialView:
    ends = [one.expires_at for one in (key, user_session) if one and one.expires_at]
    end = min(ends, default=None)
    return CredentialView(
        user_id=person.id,
        scope=key.scope_for(person),
        key_id=key.id,
        session_id=user_session and user_session.id,
        key_expires_at=key.expires_at and int(key.expires_at.timestamp()),
        seconds_left=end and (end - clock.now()).total_seconds(),
    )


class SessionDraft(BaseModel):
    digest: str = Field(pattern=_DIGEST)
    """Of the token in the cookie."""
    key_digest: str = Field(pattern=_DIGEST)
    client: str


class StartedSession(BaseModel):
    seconds: int
    """How long it lasts."""


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
async def end_session(digest: Digest, gateway: FromGateway, session: Transaction) -> Done:
    """Idempotent, also for an unknown session."""
    await commands.end_session_by_digest(session, bytes.fromhex(digest))
    return Done()
