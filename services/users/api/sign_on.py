"""Internal routes, with which the gateway lets people sign in at an identity provider.

The gateway sends digests of what the browser holds. Only the provider's code and tokens arrive as
they are, because this service checks them. Nothing of them is logged.
"""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Request
from prometheus_client import Counter
from pydantic import BaseModel, Field, SecretStr

from chassis.auth import api_keys
from chassis.auth.identity import FromGateway
from chassis.database import clock
from chassis.database.session import request_transaction
from chassis.http.errors import Problem
from chassis.http.paging import MAX_ID

from .. import commands
from ..errors import SignOnExpired
from ..models import SignOnFlow
from ..openid import Provider, Providers
from ..settings import Settings
from .credentials import DIGEST_PATTERN

_SECRET_BYTES = 32
MAX_PATH_LENGTH = 1000

SIGN_ONS = Counter(
    "warble_users_sign_ons_total",
    "Sign-ons that providers answered, by provider and outcome: `signed_on` or the error.",
    ["provider", "outcome"],
)


def count_from_zero(providers: Iterable[str]) -> None:
    """Without this, the board of a process has no data until the first sign-on."""
    for provider in providers:
        SIGN_ONS.labels(provider, "signed_on")


router = APIRouter(prefix="/internal/sign-on", include_in_schema=False)

ProviderName = Annotated[str, Path(max_length=40)]

log = structlog.get_logger()


class ProviderView(BaseModel):
    name: str
    title: str


class ProvidersView(BaseModel):
    providers: list[ProviderView]
    keys: bool
    """Whether the page offers to sign in with a key too."""


@router.get("")
async def providers(gateway: FromGateway, request: Request) -> ProvidersView:
    settings: Settings = request.app.state.settings
    return ProvidersView(
        providers=[
            ProviderView(name=name, title=provider.title)
            for name, provider in settings.sign_on.items()
        ],
        keys=not settings.sign_on or settings.key_sign_in == "offered",
    )


class FlowDraft(BaseModel):
    browser_digest: str = Field(pattern=DIGEST_PATTERN)
    """SHA-256 of the cookie that binds the flow to the browser."""
    redirect_uri: str = Field(max_length=MAX_PATH_LENGTH)
    next: str = Field(max_length=MAX_PATH_LENGTH)
    link_user_id: int | None = Field(default=None, ge=1, le=MAX_ID)
    previous_session: str | None = Field(default=None, pattern=DIGEST_PATTERN)


class FlowView(BaseModel):
    location: str


@router.post("/{provider}/flows", status_code=201)
async def begin_flow(
    provider: ProviderName, draft: FlowDraft, gateway: FromGateway, request: Request
) -> FlowView:
    known = _provider(request, provider)
    state, nonce, code_verifier = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
    location = await known.authorization_url(
        redirect_uri=draft.redirect_uri, state=state, nonce=nonce, code_verifier=code_verifier
    )
    previous = draft.previous_session
    flow = SignOnFlow(
        state_digest=api_keys.digest(state.encode()),
        browser_digest=bytes.fromhex(draft.browser_digest),
        provider=provider,
        nonce=nonce,
        code_verifier=code_verifier,
        redirect_uri=draft.redirect_uri,
        next=draft.next,
        link_user_id=draft.link_user_id,
        previous_session=None if previous is None else bytes.fromhex(previous),
        expires_at=clock.now() + commands.FLOW_LIFETIME,
    )
    async with request_transaction(request) as session:
        await commands.begin_flow(session, flow)
    return FlowView(location=location)


class AnswerDraft(BaseModel):
    """What the provider sent with the browser, and the session that may begin."""

    state_digest: str = Field(pattern=DIGEST_PATTERN)
    browser_digest: str = Field(pattern=DIGEST_PATTERN)
    code: SecretStr | None = Field(default=None, max_length=4096)
    iss: str | None = Field(default=None, max_length=MAX_PATH_LENGTH)
    session_digest: str = Field(pattern=DIGEST_PATTERN)
    client: str


class SignedOnView(BaseModel):
    user_id: int
    next: str
    seconds: int
    """How long the session lasts."""
    previous_session: str | None
    """The digest of the browser's earlier session, which has ended."""


@router.post("/{provider}/answers", status_code=201)
async def answer(
    provider: ProviderName, draft: AnswerDraft, gateway: FromGateway, request: Request
) -> SignedOnView:
    """Makes two transactions, because the provider is called in between."""
    try:
        view = await _sign_on(_provider(request, provider), draft, request)
    except Problem as problem:
        outcome = type(problem).__name__
        if provider in request.app.state.settings.sign_on:
            SIGN_ONS.labels(provider, outcome).inc()
        log.info("sign_on.refused", provider=provider, outcome=outcome)
        raise
    SIGN_ONS.labels(provider, "signed_on").inc()
    log.info("sign_on.signed_on", provider=provider, user_id=view.user_id)
    return view


async def _sign_on(provider: Provider, draft: AnswerDraft, request: Request) -> SignedOnView:
    async with request_transaction(request) as session:
        flow = await commands.take_flow(session, bytes.fromhex(draft.state_digest))
    if (
        flow is None
        or flow.provider != provider.name
        or not secrets.compare_digest(flow.browser_digest, bytes.fromhex(draft.browser_digest))
    ):
        raise SignOnExpired
    code = draft.code.get_secret_value() if draft.code else None
    account = await provider.redeem(
        code,
        draft.iss,
        redirect_uri=flow.redirect_uri,
        code_verifier=flow.code_verifier,
        nonce=flow.nonce,
    )
    settings: Settings = request.app.state.settings
    terms = commands.SignOnTerms(
        lifetime=timedelta(hours=settings.sign_on_hours),
        idle=timedelta(hours=settings.sign_on_idle_hours),
        max_name_length=settings.max_name_length,
    )
    async with request_transaction(request) as session:
        result = await commands.sign_on(
            session,
            provider.settings,
            account,
            flow=flow,
            session_digest=bytes.fromhex(draft.session_digest),
            client=draft.client,
            terms=terms,
        )
    if result.refusal is not None:
        if result.user_id is not None:
            # The gateway forgets what it has cached of the person, before the event tells it.
            result.refusal.details = {"user_id": result.user_id}
        raise result.refusal
    assert result.user_id is not None
    return SignedOnView(
        user_id=result.user_id,
        next=flow.next,
        seconds=int(terms.lifetime.total_seconds()),
        previous_session=flow.previous_session.hex() if flow.previous_session else None,
    )


class LogoutDraft(BaseModel):
    logout_token: SecretStr = Field(max_length=20_000)


class LoggedOutView(BaseModel):
    user_ids: list[int]
    """Whose sessions ended."""


@router.post("/{provider}/logouts")
async def log_out(
    provider: ProviderName, draft: LogoutDraft, gateway: FromGateway, request: Request
) -> LoggedOutView:
    """OpenID Connect Back-Channel Logout 1.0."""
    known = _provider(request, provider)
    logout = await known.logout(draft.logout_token.get_secret_value())
    async with request_transaction(request) as session:
        user_ids = await commands.log_out(session, logout)
    log.info("sign_on.logged_out", provider=provider, people=len(user_ids))
    return LoggedOutView(user_ids=user_ids)


def _provider(request: Request, name: str) -> Provider:
    known: Providers = request.app.state.providers
    return known.named(name)
