"""A person's sessions, for the person and for administrators."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from chassis.app import Done, Id
from chassis.database import Transaction
from chassis.errors import responses

from .. import audit, commands, queries
from ..audit import Deed
from ..errors import (
    AccountScopeRequired,
    NotYourKeys,
    ScopeTooWide,
    SessionNotFound,
    UserNotFound,
)
from .keys import Manager

router = APIRouter(prefix="/{id}/sessions")


class ListedSession(BaseModel):
    id: int
    client: str
    """The browser's User-Agent header."""
    created_at: datetime
    used_at: datetime
    """When the session was last used, to a few minutes."""
    expires_at: datetime
    current: bool
    """Whether this is the session that asks."""


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
    sessions: list[ListedSession]


@router.get(
    "", summary="Where a person is signed in", responses=responses(NotYourKeys, UserNotFound)
)
async def sessions(id: Id, manager: Manager, session: Transaction) -> SessionList:
    """The active sessions, the latest first."""
    return SessionList(
        sessions=[
            ListedSession(
                id=one.id,
                client=one.client,
                created_at=one.created_at,
                used_at=one.used_at,
                expires_at=one.expires_at,
                current=one.id == manager.session_id,
            )
            for one in await queries.sessions_of(session, id)
        ]
    )


@router.delete(
    "/{session_id}",
    summary="End a session",
    responses=responses(
        NotYourKeys, AccountScopeRequired, ScopeTooWide, UserNotFound, SessionNotFound
    ),
)
async def end_session(id: Id, session_id: Id, manager: Manager, session: Transaction) -> Done:
    """The browser is signed out. To end another session than its own, a key needs the scope
    `account`."""
    await commands.end_session(session, id, session_id, by=manager)
    audit.note(session, Deed.session_ended, id, manager)
    return Done()
