"""What media tells the others, and what it reads of theirs."""

from typing import ClassVar

from chassis.events import Event


class MediaUploaded(Event):
    routing_key: ClassVar[str] = "media.uploaded.v1"
    awaited: ClassVar[bool] = False
    media_id: int
    owner_id: int
    path: str
    width: int
    height: int
    content_type: str
    size: int
    thumbnail: str
    """The path of a small copy."""
    alt: str


class MediaExpired(Event):
    """The time in which a tweet may take this picture is up: is it on none, may it go?"""

    routing_key: ClassVar[str] = "media.expired.v1"
    awaited: ClassVar[bool] = False
    media_id: int
    owner_id: int
    path: str


class UserErased(Event):
    routing_key: ClassVar[str] = "user.erased.v1"
    user_id: int


class TweetDeleted(Event):
    routing_key: ClassVar[str] = "tweet.deleted.v1"
    media_ids: list[int]


class MediaReleased(Event):
    routing_key: ClassVar[str] = "media.released.v1"
    media_id: int
