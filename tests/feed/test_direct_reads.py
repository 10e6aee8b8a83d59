"""Which URLs the index of the page cache accepts."""

from services.feed.direct_reads import UrlIndex
from services.feed.page_cache import PageRequest
from services.feed.selections import Order, Scope


def test_a_long_url_is_not_added_to_the_index() -> None:
    index, request = UrlIndex(), PageRequest(Order.popular, Scope.following, None, 7)
    short = {"path": "/api/tweets", "query_string": b"limit=7&order=popular&scope=following"}
    long_query = {"path": "/api/tweets", "query_string": b"limit=7&ignored=" + b"x" * 60_000}
    long_path = {"path": f"/api/users/{'0' * 60_000}7/tweets", "query_string": b"limit=7"}

    for scope in (short, long_query, long_path):
        index.add(scope, request)

    assert index.find(short) == request
    assert index.find(long_query) is None
    assert index.find(long_path) is None
