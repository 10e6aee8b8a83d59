"""The HTTP routes of the feed: they validate requests and write responses. No SQL here."""

from . import lists, search, tags, tweets

routers = (lists.router, tweets.router, tags.router, search.router)

__all__ = ["routers"]
