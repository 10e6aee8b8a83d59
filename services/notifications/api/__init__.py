"""The HTTP routes of the notifications: they validate requests and write responses. No SQL here."""

from . import notifications, settings, threads, watches

routers = (notifications.router, settings.router, threads.router, watches.router)

__all__ = ["routers"]
