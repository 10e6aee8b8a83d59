"""HTTP in, HTTP out: no SQL, no rules."""

from . import acts, administrators, credentials, erasures, people
from .callers import on_user_not_found

routers = (
    people.router,
    administrators.router,
    erasures.router,
    acts.router,
    credentials.router,
)

__all__ = ["on_user_not_found", "routers"]
