"""The events that tweets publishes, and those that it reads from other services."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel

from chassis.messaging.events import Event


class Picture(BaseModel):
    url: str
    thumbnail: str
    width: int | None
    height: int | None
    alt: str


class TweetPosted(Event):
    routing_key: ClassVar[str] = "tweet.posted.v1"
    tweet_id: int
    author_id: int
    content: str
    media_ids: list[int]
    attachments: list[str]
    """The URL paths of the pictures, in the author's order."""
    media: list[Picture]
    """The same pictures, with their sizes and descriptions."""
    created_at: datetime


class TweetDeleted(Event):
    routing_key: ClassVar[str] = "tweet.deleted.v1"
    tweet_id: int
    author_id: int
    media_ids: list[int]


class TweetLiked(Event):
    routing_key: ClassVar[str] = "tweet.liked.v1"
    tweet_id: int
    user_id: int


class TweetUnliked(Event):
    routing_key: ClassVar[str] = "tweet.unliked.v1"
    tweet_id: int
    user_id: int


class MediaReleased(Event):
    """This picture is not attached to a tweet and cannot be attached any more: media deletes it."""

    routing_key: ClassVar[str] = "media.released.v1"
    named_in_response: ClassVar[bool] = False
    media_id: int


class UserErased(Event):
    routing_key: ClassVar[str] = "user.erased.v1"
    user_id: int


class MediaUploaded(Event):
    """Events from before thumbnails and descriptions have the path of the picture only."""

    routing_key: ClassVar[str] = "media.uploaded.v1"
    media_id: int
    owner_id: int
    path: str
    thumbnail: str | None = None
    width: int | None = None
    height: int | None = None
    alt: str = ""


class MediaExpired(Event):
    routing_key: ClassVar[str] = "media.expired.v1"
    media_id: int
    owner_id: int
    path: str
