"""Accepting an invitation: its secret is exchanged for a key and a session, once.

The secret travels as keys do at sign-in: in the body of one request, and as a digest to users. See
`services/users/commands/invitations.py`.
"""

import json
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from chassis.auth import api_keys
from chassis.http.errors import BadGateway, InvalidRequest, Problem, responses

from .credential_cache import is_session_token, new_session_token
from .limits import KeyGuessLimiter
from .sessions import (
    CrossSiteRequest,
    count_towards_address_limit,
    end_previous_session,
    refuse_other_sites,
    request_users,
    set_cookie,
    small_body,
)
from .upstream import ClientDisconnected

PATH = "/api/session/invitation"

log = structlog.get_logger()


class InvitationNotFound(Problem):
    status = 404
    message = "This invitation doesn't exist. Open the whole link, or ask for a new one."


class InvitationUsed(Problem):
    status = 409
    message = (
        "This invitation was already used. Sign in with your key, or ask for a new invitation."
    )


class InvitationExpired(Problem):
    status = 409
    message = "This invitation has expired. Ask an administrator for a new one."


class InvitationRevoked(Problem):
    status = 409
    message = "This invitation is no longer valid. Ask an administrator for a new one."


_REFUSALS = {
    problem.__name__: problem
    for problem in (InvitationNotFound, InvitationUsed, InvitationExpired, InvitationRevoked)
}


class InvitationDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"invitation": "t7QmX0…"}]})

    invitation: SecretStr


class AcceptedInvitationView(BaseModel):
    """The only response that contains the key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"result": True, "user_id": 7, "administrator": False, "api_key": "wrb_4Hk…"}
            ]
        }
    )

    result: Literal[True] = True
    user_id: int
    administrator: bool
    api_key: str


class Acceptance(BaseModel):
    """The request to users."""

    session_digest: str
    client: str


class Accepted(BaseModel):
    """The response of users."""

    user_id: int
    administrator: bool
    api_key: str
    session_seconds: int


async def _secret(request: Request) -> str:
    try:
        draft = InvitationDraft.model_validate_json(await small_body(request))
    except (ClientDisconnected, ValidationError) as error:
        raise InvalidRequest(reason='Send {"invitation": "…"} as the body.') from error
    return draft.invitation.get_secret_value()


router = APIRouter(tags=["session"])
"""Needs what the router of `sessions` needs, and `app.state.guesses`."""


@router.post(
    PATH,
    summary="Accept an invitation: exchange it for a key and a session",
    responses=responses(
        InvitationNotFound, InvitationUsed, InvitationExpired, InvitationRevoked, CrossSiteRequest
    ),
    dependencies=[Depends(refuse_other_sites), Depends(count_towards_address_limit)],
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": InvitationDraft.model_json_schema()}},
        },
    },
)
async def accept(
    secret: Annotated[str, Depends(_secret)], request: Request, response: Response
) -> AcceptedInvitationView:
    """Send `{"invitation": "…"}`, the part of the link after `#`. The response contains the
    person's key, which is shown once, and sets the cookie `warble_session` as signing in does.

    An invitation works once. It ends when a newer one is made for the person, and when it is
    revoked."""
    if not is_session_token(secret):
        raise InvitationNotFound
    digest = api_keys.digest(secret.encode())
    guesses: KeyGuessLimiter = request.app.state.guesses
    guesses.check(request.scope, secret.encode())
    token = new_session_token()
    acceptance = Acceptance(
        session_digest=api_keys.digest(token.encode()).hex(),
        client=request.headers.get("user-agent", ""),
    )
    answer = await request_users(
        request, "POST", f"/internal/invitations/{digest.hex()}/acceptance", acceptance
    )
    if answer.http.status in (404, 409):
        name = json.loads(answer.body or b"{}").get("error_type")
        if name == InvitationNotFound.__name__:
            guesses.record_failure(request.scope, secret.encode(), digest)
        raise _REFUSALS.get(name, BadGateway)
    if answer.http.status != 201 or answer.body is None:
        raise BadGateway
    accepted = Accepted.model_validate_json(answer.body)
    response.headers["cache-control"] = "no-store"
    set_cookie(request, response, token, accepted.session_seconds)
    try:
        await end_previous_session(request)
    except Problem as problem:
        # The invitation is used up, and only this response has the key. The browser forgets the
        # other session, which stays open until it expires.
        log.warning("invitations.previous_session_kept", error=type(problem).__name__)
    return AcceptedInvitationView(
        user_id=accepted.user_id, administrator=accepted.administrator, api_key=accepted.api_key
    )
