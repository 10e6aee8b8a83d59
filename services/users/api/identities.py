"""Routes for the accounts at identity providers that are linked to a person."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction
from chassis.http.errors import NotAnAdministrator, responses
from chassis.http.models import Id, Ok

from .. import audit, commands, queries
from ..audit import AuditAction
from ..errors import (
    AnotherIdentityLinked,
    IdentityNotFound,
    IdentityTaken,
    NotYourKeys,
    ProviderNotFound,
    UserNotFound,
)
from ..openid import Provider, Providers
from .keys import OwnerOrAdministrator

router = APIRouter(prefix="/api/users/{id}/identities", tags=["administration"])

ProviderName = Annotated[str, Path(max_length=40)]


class IdentityView(BaseModel):
    provider: str | None
    """Null if the provider is not configured any more."""
    title: str | None
    """The provider's title."""
    issuer: str
    subject: str
    """The provider's name for the account."""
    created_at: datetime
    signed_on_at: datetime | None
    """When the person last signed in with it."""


class IdentityList(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "identities": [
                        {
                            "provider": "company",
                            "title": "Company account",
                            "issuer": "https://login.example.com",
                            "subject": "2f9c1a7e",
                            "created_at": "2026-11-23T08:15:00Z",
                            "signed_on_at": "2026-11-24T09:00:00Z",
                        }
                    ],
                }
            ]
        }
    )

    result: Literal[True] = True
    identities: list[IdentityView]


class IdentityDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"subject": "2f9c1a7e"}]})

    subject: str = Field(
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="The provider's name for the account: the claim `sub`, exactly.",
    )


@router.get(
    "",
    summary="List the accounts at identity providers that are linked to a person",
    responses=responses(NotYourKeys, UserNotFound),
)
async def identities(
    id: Id, caller: OwnerOrAdministrator, session: Transaction, request: Request
) -> IdentityList:
    """With these accounts the person signs in without a key."""
    providers: Providers = request.app.state.providers
    views = []
    for identity in await queries.identities_of(session, id):
        provider = providers.of_issuer(identity.issuer)
        views.append(
            IdentityView(
                provider=provider and provider.name,
                title=provider and provider.settings.title,
                issuer=identity.issuer,
                subject=identity.subject,
                created_at=identity.created_at,
                signed_on_at=identity.signed_on_at,
            )
        )
    return IdentityList(identities=views)


@router.put(
    "/{provider}",
    summary="Link an account at an identity provider to a person (administrators)",
    responses=responses(
        NotAnAdministrator, UserNotFound, ProviderNotFound, IdentityTaken, AnotherIdentityLinked
    ),
)
async def link_identity(
    id: Id,
    provider: ProviderName,
    draft: IdentityDraft,
    identity: Administrator,
    session: Transaction,
    request: Request,
) -> Ok:
    """Idempotent. The account then signs in as this person. It is compared by issuer and subject,
    never by an e-mail address. A person has at most one account of each provider."""
    issuer = _provider(request, provider).settings.issuer
    if await commands.link_identity(session, id, issuer, draft.subject):
        audit.record(session, AuditAction.identity_linked, id, identity)
    return Ok()


@router.delete(
    "/{provider}",
    summary="Remove the link to an account at an identity provider (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound, ProviderNotFound, IdentityNotFound),
)
async def unlink_identity(
    id: Id,
    provider: ProviderName,
    identity: Administrator,
    session: Transaction,
    request: Request,
) -> Ok:
    """The sessions that the account started end at once. If a group admits the account, its next
    sign-on creates a new person: deactivate a person who must not come back."""
    await commands.unlink_identity(session, id, _provider(request, provider).settings.issuer)
    audit.record(session, AuditAction.identity_unlinked, id, identity)
    return Ok()


def _provider(request: Request, name: str) -> Provider:
    providers: Providers = request.app.state.providers
    return providers.named(name)
