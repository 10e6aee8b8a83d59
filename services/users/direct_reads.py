"""Answers requests for profiles and searches without FastAPI: see `chassis.process.direct_reads`.

Every page that somebody opens asks for a profile, and the fields for mentions and people search
while somebody types.

*Own writes.* A notification needs a moment to reach the caches of all replicas, and the reader may
be faster. The gateway names the reader's writes of the last ten seconds. If one of them may concern
a profile, profiles and searches are read from the database.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import State
from starlette.types import Scope

from chassis.auth.identity import Identity
from chassis.http.etags import TaggedJson
from chassis.observability import tracing
from chassis.process.direct_reads import DirectReads

from .profile_cache import SearchKey
from .profiles import Profiles

_OWN_WRITE = re.compile(rb"\b(?:users|media):")
"""Events after which a profile may be different: media has the pictures of people."""
_PROFILE = re.compile(r"/api/users/(?:me|([1-9][0-9]{0,15}))")
_SEARCH = "/api/users"
_QUERY = re.compile(r"[^\x00]{1,100}")
_LIMIT = re.compile(r"[1-9][0-9]?|100")
_DEFAULT_LIMIT = "20"


@dataclass(frozen=True, slots=True)
class _ProfileRequest:
    user_id: int | None
    """None: the reader's own."""


@dataclass(frozen=True, slots=True)
class _SearchRequest:
    query: str
    limit: int


_ReadRequest = _ProfileRequest | _SearchRequest


class ProfileReads(DirectReads[_ReadRequest]):
    def recognize(self, state: State, scope: Scope) -> _ReadRequest | None:
        """Searches are recognized only if the application would accept all of their parameters."""
        if scope["path"] == _SEARCH:
            return _search_request(scope["query_string"])
        path = None if scope["query_string"] else _PROFILE.fullmatch(scope["path"])
        return path and _ProfileRequest(int(path[1]) if path[1] else None)

    def cached(
        self, state: State, request: _ReadRequest, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        if _OWN_WRITE.search(after):
            return None
        profiles: Profiles = state.profiles
        if isinstance(request, _ProfileRequest):
            return profiles.cached(profiles.key(identity, request.user_id))
        return profiles.cached_search(SearchKey(request.query, request.limit, identity.user_id))

    async def read(
        self, state: State, request: _ReadRequest, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        if tracing.is_enabled():
            # The application puts a read's statements into the request's trace.
            return None
        profiles: Profiles = state.profiles
        if isinstance(request, _ProfileRequest):
            return await profiles.read(profiles.key(identity, request.user_id))
        return await profiles.search(SearchKey(request.query, request.limit, identity.user_id))


def _search_request(query_string: bytes) -> _SearchRequest | None:
    """The first page of a search. None for other pages, and for parameters that are not valid."""
    parameters = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    if not parameters.keys() <= {"query", "limit"}:
        return None
    (query, *more_queries) = parameters.get("query", [""])
    (limit, *more_limits) = parameters.get("limit", [_DEFAULT_LIMIT])
    if more_queries or more_limits or not query.strip():
        return None
    if not _QUERY.fullmatch(query) or not _LIMIT.fullmatch(limit):
        return None
    return _SearchRequest(query, int(limit))
