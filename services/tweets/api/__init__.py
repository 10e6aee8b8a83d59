"""The HTTP routes of tweets: they translate requests and responses. No SQL and no rules here."""

from . import announcements, moderation, pins, tweets
from .tweets import direct_writes

routers = (tweets.router, moderation.router, announcements.router, pins.router)

__all__ = ["direct_writes", "routers"]
