"""Responses with an entity tag, from the database or from the page cache."""

from fastapi import Request, Response

from chassis.http.etags import TaggedJson

from ..inbox_listener import Freshness
from ..page_cache import PageKey, PageRequest
from .wait_for_own_writes import stale_header


async def first_page(request: Request, key: PageKey, freshness: Freshness) -> Response:
    """A first page, from the cache if possible. Its URL is added to the middleware's index."""
    state = request.app.state
    page: TaggedJson
    if freshness is Freshness.applied:
        # The first tweet of a period changes with time, so such a URL stands for no fixed page.
        if not isinstance(key.request, PageRequest) or key.request.since_id is None:
            state.url_index.add(request.scope, key.request)
        page = state.page_cache.cached(key) or await state.page_cache.assemble(key)
    else:
        page = await state.page_cache.read_from_database(key)
    return page.response(request, stale_header(freshness))


def json_response(request: Request, body: bytes, freshness: Freshness) -> Response:
    """The body with its entity tag, or 304 if the client has it already."""
    return TaggedJson.of(body).response(request, stale_header(freshness))
