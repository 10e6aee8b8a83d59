"""HTTP in, HTTP out: no SQL, no rules."""

from . import acts, credentials, erasures, people
from .callers import on_user_not_found

routers = (people.router, erasures.router, acts.router, credentials.router)

__all__ = ["on_user_not_found", "routers"]
