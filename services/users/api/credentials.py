"""Internal routes, with which the gateway looks up and manages keys and sessions.

The gateway sends the SHA-256 digest of a key, an invitation or a session's token, never the secret
itself, so a log or a trace between the two cannot reveal one. This service stores the digests only.
"""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from chassis.auth.identity import FromGateway, Identity, KeyScope
from chassis.database import clock
from chassis.database.session import Transaction, request_transaction
from chassis.http.errors import responses

from .. import audit, commands, queries
from ..audit import AuditAction
from ..errors import (
    InvitationExpired,
    InvitationNotFound,
    InvitationRevoked,
    InvitationUsed,
    KeyEnded,
    KeyNotFound,
    SessionEnded,
    SessionNotFound,
)
from ..models import ApiKey, Person, Role, UserSession
from ..openid import Providers
from ..settings import Settings

DIGEST_PATTERN = "^[0-9a-f]{64}$"

router = APIRouter(prefix="/internal", include_in_schema=False)

Digest = Annotated[str, Path(pattern=DIGEST_PATTERN)]
"""SHA-256 in hexadecimal."""


class CredentialView(BaseModel):
    """The person behind a key or a session, what it allows, and how long it may be cached."""

    user_id: int
    scope: KeyScope
    """`admin` only if the person is an administrator."""
    roles: list[Role]
    """Empty if the scope does not cover `account`."""
    key_id: int | None
    """None for a session that no key started."""
    session_id: int | None = None
    key_expires_at: int | None
    """Seconds since the epoch."""
    seconds_left: float | None
    """Until the key or the session expires. None for a key that never expires."""


@router.get("/keys/{digest}", responses=responses(KeyNotFound, KeyEnded))
async def key_owner(digest: Digest, gateway: FromGateway, session: Transaction) -> CredentialView:
    person, key = await queries.key_owner(session, bytes.fromhex(digest))
    commands.touch_last_used(key)
    return _view(person, key.scope_for(person), key)


@router.get("/sessions/{digest}", responses=responses(SessionNotFound, SessionEnded))
async def session_owner(
    digest: Digest, gateway: FromGateway, session: Transaction
) -> CredentialView:
    person, key, user_session = await queries.session_owner(session, bytes.fromhex(digest))
    commands.touch_session_last_used(user_session)
    return _view(person, user_session.scope_for(person, key), key, user_session)


def _view(
    person: Person, scope: KeyScope, key: ApiKey | None, user_session: UserSession | None = None
) -> CredentialView:
    expiries = [
        end
        for end in (
            key.expires_at if key else None,
            user_session.ends_at() if user_session else None,
        )
        if end is not None
    ]
    expires_at = min(expiries, default=None)
    return CredentialView(
        user_id=person.id,
        scope=scope,
        roles=sorted(person.roles_within(scope)),
        key_id=key and key.id,
        session_id=user_session and user_session.id,
        key_expires_at=int(key.expires_at.timestamp()) if key and key.expires_at else None,
        seconds_left=expires_at and (expires_at - clock.now()).total_seconds(),
    )


class SessionDraft(BaseModel):
    digest: str = Field(pattern=DIGEST_PATTERN)
    """SHA-256 of the token in the cookie."""
    key_digest: str = Field(pattern=DIGEST_PATTERN)
    client: str


class StartedSession(BaseModel):
    seconds: int
    """How long the session lasts."""


@router.post("/sessions", status_code=201, responses=responses(KeyEnded))
async def start_session(
    draft: SessionDraft, gateway: FromGateway, session: Transaction, request: Request
) -> StartedSession:
    lifetime = _session_lifetime(request)
    await commands.start_session(
        session,
        bytes.fromhex(draft.digest),
        bytes.fromhex(draft.key_digest),
        client=draft.client,
        lifetime=lifetime,
    )
    return StartedSession(seconds=int(lifetime.total_seconds()))


class AcceptanceDraft(BaseModel):
    session_digest: str = Field(pattern=DIGEST_PATTERN)
    """SHA-256 of the token in the cookie."""
    client: str


class AcceptanceView(BaseModel):
    user_id: int
    administrator: bool
    api_key: str
    """The key that the person gets. It is in no other response."""
    session_seconds: int
    """How long the session lasts."""


@router.post(
    "/invitations/{digest}/acceptance",
    status_code=201,
    responses=responses(InvitationNotFound, InvitationUsed, InvitationExpired, InvitationRevoked),
)
async def accept_invitation(
    digest: Digest,
    draft: AcceptanceDraft,
    gateway: FromGateway,
    session: Transaction,
    request: Request,
) -> AcceptanceView:
    lifetime = _session_lifetime(request)
    accepted = await commands.accept_invitation(
        session,
        bytes.fromhex(digest),
        bytes.fromhex(draft.session_digest),
        client=draft.client,
        lifetime=lifetime,
    )
    person = Identity(accepted.user_id, KeyScope.account)
    audit.record(session, AuditAction.invitation_accepted, person.user_id, person)
    return AcceptanceView(
        user_id=accepted.user_id,
        administrator=accepted.is_administrator,
        api_key=accepted.key.key,
        session_seconds=int(lifetime.total_seconds()),
    )


def _session_lifetime(request: Request) -> timedelta:
    settings: Settings = request.app.state.settings
    return timedelta(days=settings.session_days)


class EndedSessionView(BaseModel):
    result: Literal[True] = True
    sign_out_url: str | None = None
    """Where the browser signs out at the identity provider that started the session."""


@router.delete("/sessions/{digest}", response_model_exclude_none=True)
async def end_session(digest: Digest, gateway: FromGateway, request: Request) -> EndedSessionView:
    """Idempotent, also for an unknown session."""
    issuer = None
    async with request_transaction(request) as session:
        ended = await commands.end_session_by_digest(session, bytes.fromhex(digest))
        if ended is not None:
            issuer = await queries.issuer_of_session(session, ended)
    providers: Providers = request.app.state.providers
    provider = providers.of_issuer(issuer) if issuer else None
    if provider is None:
        return EndedSessionView()
    return EndedSessionView(sign_out_url=await provider.end_session_url())
