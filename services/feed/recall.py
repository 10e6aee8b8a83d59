"""The hot path: a first page goes out before any framework is asked.

What a request asks for is judged in `api`, once: it notes which address stands for which page. Here
an address is only looked up, whole.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import etags
from chassis.errors import NotSignedIn, is_dependency_unavailable, is_timeout, response_to
from chassis.identity import HEADER, Verifier

from .arrivals import Arrivals
from .pages import Asked, Key, Page, Pages

AFTER = "warble-after"
"""The request header that names the events which the answer has to know of."""

_ADDRESSES = 10_000
_ADDRESS_BYTES = 300
"""A longer one has what nobody reads; who asks may make it as long as a request's head can be."""
_IDENTITY, _AFTER = HEADER.encode(), AFTER.encode()


class Addresses:
    """Which page an address stands for: path and query, byte by byte as they came."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, bytes], Asked] = {}

    def note(self, scope: Scope, asked: Asked) -> None:
        if len(scope["path"]) + len(scope["query_string"]) > _ADDRESS_BYTES:
            return
        if len(self._asked) >= _ADDRESSES:
            self._asked.clear()
        self._asked[scope["path"], scope["query_string"]] = asked

    def asked(self, scope: Scope) -> Asked | None:
        return self._asked.get((scope["path"], scope["query_string"]))


class Recall:
    """Answers with first pages, and leaves everything else to the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = None
        held = b""
        if (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and (asked := scope["app"].state.addresses.asked(scope))
        ):
            try:
                page, held = await _page(scope, asked)
            except Exception as error:
                if not is_timeout(error):
                    raise
                # The application would only run the same slow statement again.
                await response_to(error)(scope, receive, send)
                return
        if page is None:
            await self._app(scope, receive, send)
            return
        headers = page_headers(page.etag)
        if etags.matches(held.decode("latin-1"), page.etag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body"})
            return
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(page.body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page.body})


async def _page(scope: Scope, asked: Asked) -> tuple[Page | None, bytes]:
    """The page, and which version of it the client has."""
    state = scope["app"].state
    arrivals: Arrivals = state.arrivals
    verifier: Verifier = state.verifier
    pages: Pages = state.pages
    token = held = b""
    for name, value in scope["headers"]:
        if name == _IDENTITY:
            token = value
        elif name == b"if-none-match":
            held = value
        elif name == _AFTER and not arrivals.heard(value.decode("latin-1").split(",")):
            # A change of the reader's own may be on its way to us.
            return None, b""
    try:
        identity = verifier.identity(token.decode("latin-1"))
    except NotSignedIn:
        return None, b""
    if identity.user_id < 1:
        # The gateway asks on its own behalf, and the application refuses that.
        return None, b""
    key = Key(identity.user_id, asked)
    page = pages.at_hand(key)
    if page is None:
        try:
            page = await pages.made(key)
        except Exception as error:
            if not is_dependency_unavailable(error):
                raise
            # The application tries again, and answers 503 if that fails too.
            return None, b""
    return page, held


def page_headers(etag: str) -> list[tuple[bytes, bytes]]:
    """A browser may keep the page, and asks each time whether it is still the same."""
    return [(b"etag", etag.encode()), (b"cache-control", b"private, no-cache")]
