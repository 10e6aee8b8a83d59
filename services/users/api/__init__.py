"""HTTP in, HTTP out: no SQL, no rules."""

from . import acts, erasures, keys, people

routers = (people.router, erasures.router, acts.router, keys.internal)
