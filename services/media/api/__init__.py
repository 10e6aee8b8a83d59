"""The HTTP routes of media: they translate requests and responses. No SQL and no rules here."""

from . import downloads, medias, portraits, records

routers = (medias.router, portraits.router, downloads.router, records.router)

__all__ = ["routers"]
