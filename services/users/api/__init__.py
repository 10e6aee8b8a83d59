"""HTTP in, HTTP out: no SQL, no rules."""

from . import acts, credentials, erasures, people

routers = (people.router, erasures.router, acts.router, credentials.router)
