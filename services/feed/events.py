"""The events of users, tweets and media that the feed handles, with the fields that it uses."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel

from chassis.messaging.events import Event


class UserRegistered(Event):
    routing_key: ClassVar[str] = "user.registered.v1"
    user_id: int
    name: str


class UserRenamed(Event):
    routing_key: ClassVar[str] = "user.renamed.v1"
    user_id: int
    name: str


class UserDeactivated(Event):
    routing_key: ClassVar[str] = "user.deactivated.v1"
    user_id: int


class UserReactivated(Event):
    routing_key: ClassVar[str] = "user.reactivated.v1"
    user_id: int


class UserErased(Event):
    routing_key: ClassVar[str] = "user.erased.v1"
    user_id: int


class UserFollowed(Event):
    routing_key: ClassVar[str] = "user.followed.v1"
    follower_id: int
    followed_id: int


class UserUnfollowed(Event):
    routing_key: ClassVar[str] = "user.unfollowed.v1"
    follower_id: int
    followed_id: int


class Picture(BaseModel):
    url: str
    thumbnail: str
    width: int | None = None
    height: int | None = None
    colour: str | None = None
    alt: str = ""


class Entity(BaseModel):
    """A part of the text that a page shows as a link. See the class of the same name in tweets."""

    type: Literal["mention", "hashtag", "link"]
    start: int
    length: int
    text: str
    user_id: int | None = None
    tag: str | None = None
    url: str | None = None


class ThreadPlace(BaseModel):
    """Where a reply stands in its thread. See the class of the same name in tweets."""

    parent_id: int
    root_id: int
    depth: int
    ancestors: list[int]
    self_replies: int


class PicturePaths(BaseModel):
    """The URL paths of a person's picture, without the large one, which no list shows."""

    small: str
    medium: str


class PersonPictured(Event):
    routing_key: ClassVar[str] = "person.pictured.v1"
    user_id: int
    picture: PicturePaths | None


class TweetPosted(Event):
    routing_key: ClassVar[str] = "tweet.posted.v1"
    tweet_id: int
    author_id: int
    content: str
    attachments: list[str]
    media: list[Picture] | None = None
    """The attachments with their metadata. Old events lack this field."""
    entities: Sequence[Entity] = ()
    """Old events lack this field and the next one."""
    thread: ThreadPlace | None = None
    created_at: datetime


class TagFollowed(Event):
    routing_key: ClassVar[str] = "tag.followed.v1"
    user_id: int
    tag: str


class TagUnfollowed(Event):
    routing_key: ClassVar[str] = "tag.unfollowed.v1"
    user_id: int
    tag: str


class TweetDeleted(Event):
    routing_key: ClassVar[str] = "tweet.deleted.v1"
    tweet_id: int
    thread: ThreadPlace | None = None


class TweetHidden(Event):
    routing_key: ClassVar[str] = "tweet.hidden.v1"
    tweet_id: int


class TweetRestored(Event):
    routing_key: ClassVar[str] = "tweet.restored.v1"
    tweet_id: int


class TweetLiked(Event):
    routing_key: ClassVar[str] = "tweet.liked.v1"
    tweet_id: int
    user_id: int


class TweetUnliked(Event):
    routing_key: ClassVar[str] = "tweet.unliked.v1"
    tweet_id: int
    user_id: int
