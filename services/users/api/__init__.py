"""The HTTP routes of users: they translate requests and responses. No SQL and no rules here."""

from . import (
    administrators,
    audit,
    credentials,
    directory,
    erasures,
    identities,
    imports,
    invitations,
    people,
    roles,
    sign_on,
)
from .callers import on_user_not_found
from .imports import IMPORT_PATH

routers = (
    people.router,
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

__all__ = ["IMPORT_PATH", "on_user_not_found", "routers"]
