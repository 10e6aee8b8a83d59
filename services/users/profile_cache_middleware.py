"""ASGI middleware that answers requests for cached profiles before FastAPI sees them.

Every page that somebody opens asks for a profile, and the framework's work would cost several times
what the lookup does. Whatever this middleware cannot answer goes to the application, which reads
the database and fills the cache.

*Own writes.* A notification needs a moment to reach all replicas, and the reader may be faster. The
gateway names the reader's writes of the last ten seconds. If one of them may concern a profile, the
application answers with a fresh read.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Verifier
from chassis.http.errors import NotSignedIn
from chassis.http.etags import TaggedJson

from .profiles import Profiles

AFTER = "warble-after"
"""The request header that names the reader's latest events."""
_IDENTITY, _AFTER = IDENTITY_HEADER.encode(), AFTER.encode()
_OWN_WRITE = re.compile(rb"\b(?:users|media):")
"""Events after which a profile may be different: media has the pictures of people."""
_PATH = re.compile(r"/api/users/(?:me|([1-9][0-9]{0,15}))")


class ProfileCacheMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        path = _PATH.fullmatch(scope["path"])
        profile, if_none_match = _find(scope, path) if path else (None, b"")
        if profile is None:
            await self._app(scope, receive, send)
            return
        await profile.send(send, if_none_match)


def _find(scope: Scope, path: re.Match[str]) -> tuple[TaggedJson | None, bytes]:
    """The profile, and the value of `if-none-match`. No profile: the application must answer."""
    state = scope["app"].state
    verifier: Verifier = state.verifier
    profiles: Profiles = state.profiles
    token = if_none_match = b""
    for name, value in scope["headers"]:
        if name == _IDENTITY:
            token = value
        elif name == b"if-none-match":
            if_none_match = value
        elif name == _AFTER and _OWN_WRITE.search(value):
            return None, b""
    try:
        identity = verifier.verify(token.decode("latin-1"))
    except NotSignedIn:
        return None, b""
    if identity.user_id < 1:
        # The gateway calls on its own behalf, which the application refuses.
        return None, b""
    user_id = None if path[1] is None else int(path[1])
    return profiles.cached(profiles.key(identity, user_id)), if_none_match
