"""ASGI middleware that answers requests for first pages before FastAPI sees them.

First pages are the hot path of the whole system, and most of them are in the cache. The framework's
work (routing, dependencies, validation, a response object) would cost more than the lookup itself.
So this middleware reads three headers, looks up the page and sends it.

It does not parse URLs. The first request with a new URL goes through the application, where `api`
validates its parameters once and adds the URL to the `UrlIndex` with the page that it stands for.
After that the middleware finds the page by path and query, byte by byte. The same page may have
several URLs.

Whatever the middleware cannot answer goes to the application, which decides it again from the
beginning: unknown URLs, invalid identities, reads that have to wait for the reader's own writes,
and an unavailable database. So the application is the only place that writes error responses, with
one exception: a timeout, where a second attempt would only repeat the same slow statement.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Verifier
from chassis.http.errors import (
    NotSignedIn,
    Problem,
    is_dependency_unavailable,
    is_timeout,
    response_to,
)
from chassis.http.etags import TaggedJson

from .pages import PageKey, PageRequest, Pages, ThreadRequest
from .read_your_writes import InboxListener

AFTER = "warble-after"
"""The request header that names the events which the response must include."""

_MAX_URLS = 10_000
_MAX_URL_BYTES = 300
"""A longer URL contains parameters that the API ignores. A client can make it as long as the limit
on request headers allows."""
_IDENTITY, _AFTER = IDENTITY_HEADER.encode(), AFTER.encode()


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


class PageCacheMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = None
        if_none_match = b""
        if (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and (request := scope["app"].state.url_index.find(scope))
        ):
            try:
                page, if_none_match = await _find_page(scope, request)
            except Exception as error:
                if not is_timeout(error):
                    raise
                # The application would only run the same slow statement again.
                await response_to(error)(scope, receive, send)
                return
        if page is None:
            await self._app(scope, receive, send)
            return
        await page.send(send, if_none_match)


async def _find_page(
    scope: Scope, request: PageRequest | ThreadRequest
) -> tuple[TaggedJson | None, bytes]:
    """The page, and the value of `if-none-match`. No page: the application must answer.

    Raises what `Pages.assemble` raises, except for an unavailable database and for a `Problem`,
    such as a tweet that was deleted.
    """
    state = scope["app"].state
    inbox_listener: InboxListener = state.inbox_listener
    verifier: Verifier = state.verifier
    pages: Pages = state.pages
    token = if_none_match = b""
    for name, value in scope["headers"]:
        if name == _IDENTITY:
            token = value
        elif name == b"if-none-match":
            if_none_match = value
        elif name == _AFTER and not inbox_listener.is_applied(value.decode("latin-1").split(",")):
            # The notification of the reader's own write may still be on its way.
            return None, b""
    try:
        identity = verifier.verify(token.decode("latin-1"))
    except NotSignedIn:
        return None, b""
    if identity.user_id < 1:
        # The gateway calls on its own behalf, which the application refuses.
        return None, b""
    key = PageKey(identity.user_id, request)
    page = pages.cached(key)
    if page is None:
        try:
            page = await pages.assemble(key)
        except Exception as error:
            if not isinstance(error, Problem) and not is_dependency_unavailable(error):
                raise
            # The application tries again, and responds with the error if that fails too.
            return None, b""
    return page, if_none_match
