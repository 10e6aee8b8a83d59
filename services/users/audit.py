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
    administrator_added = "administrator_added"
    administrator_removed = "administrator_removed"
    key_made = "key_made"
    key_replaced = "key_replaced"
    key_revoked = "key_revoked"
    session_ended = "session_ended"
    keys_replaced = "keys_replaced"
    """All of them, by one."""
    keys_revoked = "keys_revoked"
    """All of them."""


_ALWAYS_LOGGED = (Deed.erased, Deed.administrator_added, Deed.administrator_removed)


def note(session: AsyncSession, deed: Deed, subject_id: int, by: Identity | None) -> None:
    """Adds a log entry. Call it in the transaction of the act itself.

    `by` is None for the operator's console. Changes that people make to their own name and keys are
    not logged. An erasure and a change of role are logged in any case: nothing else records them.
    """
    own = by is not None and by.user_id == subject_id
    if own and deed not in _ALWAYS_LOGGED:
        return
    session.add(
        Act(
            deed=deed,
            actor_id=None if by is None else by.user_id,
            subject_id=subject_id,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    )
