"""Which addresses are known to stand for which page."""

from services.feed.pages import Asked
from services.feed.queries import Order, Scope
from services.feed.recall import Addresses


def test_a_long_address_is_not_noted() -> None:
    addresses, asked = Addresses(), Asked(Order.popular, Scope.following, None, 7)
    short = {"path": "/api/tweets", "query_string": b"limit=7&order=popular&scope=following"}
    long_query = {"path": "/api/tweets", "query_string": b"limit=7&ignored=" + b"x" * 60_000}
    long_path = {"path": f"/api/users/{'0' * 60_000}7/tweets", "query_string": b"limit=7"}
    for scope in (short, long_query, long_path):
        addresses.note(scope, asked)

    assert addresses.asked(short) == asked
    assert addresses.asked(long_query) is None
    assert addresses.asked(long_path) is None
