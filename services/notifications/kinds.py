"""The kinds of notifications, and how each is delivered to a person who has changed nothing."""

from enum import StrEnum


class Kind(StrEnum):
    reply = "reply"
    mention = "mention"
    like = "like"
    follow = "follow"
    thread = "thread"
    """A new tweet in a thread that the person follows."""
    watch = "watch"
    """A new tweet by somebody whom the person watches."""
    announcement = "announcement"
    moderation = "moderation"
    security = "security"
    """A new key or a new session of the person."""


class Delivery(StrEnum):
    off = "off"
    list = "list"
    """Listed, but not counted in the badge."""
    badge = "badge"


class Source(StrEnum):
    everyone = "everyone"
    following = "following"
    """Only the people whom the person follows."""


DEFAULT_DELIVERY = {
    Kind.reply: Delivery.badge,
    Kind.mention: Delivery.badge,
    Kind.like: Delivery.list,
    Kind.follow: Delivery.list,
    Kind.thread: Delivery.list,
    Kind.watch: Delivery.badge,
    Kind.announcement: Delivery.badge,
    Kind.moderation: Delivery.badge,
    Kind.security: Delivery.badge,
}

FROM_PEOPLE = frozenset((Kind.reply, Kind.mention, Kind.like, Kind.follow, Kind.thread, Kind.watch))
"""The kinds that report what other people did, and so can be limited to people one follows."""
