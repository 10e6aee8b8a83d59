"""The HTTP routes of users: they translate requests and responses. No SQL and no rules here."""

from . import administrators, audit, credentials, directory, erasures, invitations, people, roles
from .callers import on_user_not_found

routers = (
    people.router,
    invitations.router,
    administrators.router,
    directory.router,
    roles.router,
    erasures.router,
    audit.router,
    credentials.router,
)

__all__ = ["on_user_not_found", "routers"]
