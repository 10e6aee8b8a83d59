"""Answers requests for first pages without FastAPI: see `chassis.process.direct_reads`.

First pages are the hot path of the whole system, and most of them are in the cache.

URLs are not parsed here. The first request with a new URL goes through the application, where `api`
validates its parameters once and adds the URL to the `UrlIndex` with the page that it stands for.
After that the page is found by path and query, byte by byte. The same page may have several URLs.
"""

from starlette.datastructures import State
from starlette.types import Scope

from chassis.auth.identity import Identity
from chassis.http.etags import TaggedJson
from chassis.process.direct_reads import DirectReads

from .inbox_listener import InboxListener
from .page_cache import PageCache, PageKey, PageRequest, ThreadRequest

_MAX_URLS = 10_000
_MAX_URL_BYTES = 300
"""A longer URL contains parameters that the API ignores. A client can make it as long as the limit
on request headers allows."""


class UrlIndex:
    """The first page that each URL stands for. A URL is path and query, exactly as received."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, bytes], PageRequest | ThreadRequest] = {}

    def add(self, scope: Scope, request: PageRequest | ThreadRequest) -> None:
        """Adds the URL of this ASGI scope, unless it is too long. A full index starts again."""
        if len(scope["path"]) + len(scope["query_string"]) > _MAX_URL_BYTES:
            return
        if len(self._requests) >= _MAX_URLS:
            self._requests.clear()
        self._requests[scope["path"], scope["query_string"]] = request

    def find(self, scope: Scope) -> PageRequest | ThreadRequest | None:
        return self._requests.get((scope["path"], scope["query_string"]))


class FirstPageReads(DirectReads[PageRequest | ThreadRequest]):
    def recognize(self, state: State, scope: Scope) -> PageRequest | ThreadRequest | None:
        url_index: UrlIndex = state.url_index
        return url_index.find(scope)

    def cached(
        self, state: State, request: PageRequest | ThreadRequest, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        if not _may_use_cache(state, after):
            return None
        page_cache: PageCache = state.page_cache
        return page_cache.cached(PageKey(identity.user_id, request))

    async def read(
        self, state: State, request: PageRequest | ThreadRequest, identity: Identity, after: bytes
    ) -> TaggedJson | None:
        if not _may_use_cache(state, after):
            return None
        page_cache: PageCache = state.page_cache
        return await page_cache.assemble(PageKey(identity.user_id, request))


def _may_use_cache(state: State, after: bytes) -> bool:
    """False while the notification of one of the reader's own writes may be on its way."""
    inbox_listener: InboxListener = state.inbox_listener
    return not after or inbox_listener.is_applied(after.decode("latin-1").split(","))
