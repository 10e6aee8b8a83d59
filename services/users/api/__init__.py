"""The HTTP routes of users: they translate requests and responses. No SQL and no rules here."""

from . import (
    administrators,
    audit,
    credentials,
    directory,
    erasures,
    follows,
    identities,
    imports,
    invitations,
    keys,
    people,
    profiles,
    roles,
    sessions,
    sign_on,
)
from .follows import direct_writes
from .imports import IMPORT_PATH
from .sign_on import count_from_zero
from .user_not_found_handler import on_user_not_found

routers = (
    people.router,
    profiles.router,
    follows.router,
    keys.router,
    sessions.router,
    invitations.router,
    administrators.router,
    directory.router,
    imports.router,
    roles.router,
    erasures.router,
    audit.router,
    credentials.router,
    identities.router,
    sign_on.router,
)

__all__ = ["IMPORT_PATH", "count_from_zero", "direct_writes", "on_user_not_found", "routers"]
