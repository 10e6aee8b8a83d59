"""The log of administrators' acts: who did what to whom, when, by which request; numbers alone.

The table takes rows and gives them back; what changes or removes one is refused by the database.
"""

from enum import StrEnum

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.identity import Identity

from .models import Act


class Deed(StrEnum):
    registered = "registered"
    renamed = "renamed"
    deactivated = "deactivated"
    erased = "erased"
    key_made = "key_made"
    key_replaced = "key_replaced"
    key_revoked = "key_revoked"
    session_ended = "session_ended"
    keys_replaced = "keys_replaced"
    """All of them, by one."""
    keys_revoked = "keys_revoked"
    """All of them."""


def note(session: AsyncSession, deed: Deed, subject_id: int, by: Identity | None) -> None:
    """To be called in the transaction of the act itself; `by` is None for the operator's console.

    What people do with their own name and keys is no act of an administrator's; that somebody is
    erased is always noted, since nothing else tells of it.
    """
    own = by is not None and by.user_id == subject_id
    if own and deed is not Deed.erased:
        return
    session.add(
        Act(
            deed=deed,
            actor_id=None if by is None else by.user_id,
            subject_id=subject_id,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    )
