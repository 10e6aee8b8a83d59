"""Routes for a person's sessions, used by the person and by administrators."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from chassis.database.session import Transaction
from chassis.http.errors import responses
from chassis.http.models import Id, Ok

from .. import audit, commands, queries
from ..audit import AuditAction
from ..errors import AccountScopeRequired, NotYourKeys, ScopeTooWide, SessionNotFound, UserNotFound
from .keys import OwnerOrAdministrator

router = APIRouter(prefix="/api/users/{id}/sessions", tags=["users"])


class UserSessionView(BaseModel):
    id: int
    client: str
    """The browser's User-Agent header."""
    created_at: datetime
    used_at: datetime
    """When the session was last used, accurate to a few minutes."""
    expires_at: datetime
    current: bool
    """Whether this request was made in this session."""


class SessionList(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "sessions": [
                        {
                            "id": 5,
                            "client": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
                            "created_at": "2026-11-23T08:15:00Z",
                            "used_at": "2026-11-23T12:40:00Z",
                            "expires_at": "2026-12-23T08:15:00Z",
                            "current": True,
                        }
                    ],
                }
            ]
        }
    )

    result: Literal[True] = True
    sessions: list[UserSessionView]


@router.get(
    "",
    summary="List a person's sessions (signed-in browsers)",
    responses=responses(NotYourKeys, UserNotFound),
)
async def sessions(id: Id, caller: OwnerOrAdministrator, session: Transaction) -> SessionList:
    """The active sessions, newest first."""
    return SessionList(
        sessions=[
            UserSessionView(
                id=user_session.id,
                client=user_session.client,
                created_at=user_session.created_at,
                used_at=user_session.used_at,
                expires_at=user_session.expires_at,
                current=user_session.id == caller.session_id,
            )
            for user_session in await queries.sessions_of(session, id)
        ]
    )


@router.delete(
    "/{session_id}",
    summary="End a session",
    responses=responses(
        NotYourKeys, AccountScopeRequired, ScopeTooWide, UserNotFound, SessionNotFound
    ),
)
async def end_session(
    id: Id, session_id: Id, caller: OwnerOrAdministrator, session: Transaction
) -> Ok:
    """The browser is signed out. A session can end itself. To end another one, the key needs the
    scope `account`."""
    await commands.end_session(session, id, session_id, caller=caller)
    audit.record(session, AuditAction.session_ended, id, caller)
    return Ok()
