"""The HTTP routes of media: they translate requests and responses. No SQL and no rules here."""

from . import downloads, medias, portraits, records_for_tweets

routers = (medias.router, portraits.router, downloads.router, records_for_tweets.router)

__all__ = ["routers"]
