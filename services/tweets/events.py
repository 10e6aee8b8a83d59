"""What tweets tells the others, and what it reads of theirs."""

from datetime import datetime
from typing import ClassVar

from chassis.events import Event


class TweetPosted(Event):
    routing_key: ClassVar[str] = "tweet.posted.v1"
    tweet_id: int
    author_id: int
    content: str
    media_ids: list[int]
    attachments: list[str]
    """The paths of the pictures below the gateway, in the author's order."""
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
    """No tweet has taken this picture, and none will."""

    routing_key: ClassVar[str] = "media.released.v1"
    awaited: ClassVar[bool] = False
    media_id: int


class MediaUploaded(Event):
    routing_key: ClassVar[str] = "media.uploaded.v1"
    media_id: int
    owner_id: int
    path: str


class MediaExpired(Event):
    routing_key: ClassVar[str] = "media.expired.v1"
    media_id: int
    owner_id: int
    path: str
