"""The events of other services that the notifications handle, with the fields that they use."""

from collections.abc import Sequence
from typing import ClassVar

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


class PicturePaths(BaseModel):
    """The URL paths of a person's picture, without the large one, which no list shows."""

    small: str
    medium: str


class PersonPictured(Event):
    routing_key: ClassVar[str] = "person.pictured.v1"
    user_id: int
    picture: PicturePaths | None


class UserFollowed(Event):
    routing_key: ClassVar[str] = "user.followed.v1"
    follower_id: int
    followed_id: int


class UserUnfollowed(Event):
    routing_key: ClassVar[str] = "user.unfollowed.v1"
    follower_id: int
    followed_id: int


class KeyCreated(Event):
    routing_key: ClassVar[str] = "key.created.v1"
    user_id: int
    key_id: int


class SessionCreated(Event):
    routing_key: ClassVar[str] = "session.created.v1"
    user_id: int
    session_id: int


class TagFollowed(Event):
    routing_key: ClassVar[str] = "tag.followed.v1"
    user_id: int
    tag: str


class TagUnfollowed(Event):
    routing_key: ClassVar[str] = "tag.unfollowed.v1"
    user_id: int
    tag: str


class Entity(BaseModel):
    """A mention or a hashtag in the text. Links have neither field."""

    user_id: int | None = None
    tag: str | None = None


class ThreadPlace(BaseModel):
    """Where a reply stands in its thread."""

    parent_id: int
    root_id: int


class TweetPosted(Event):
    routing_key: ClassVar[str] = "tweet.posted.v1"
    tweet_id: int
    author_id: int
    entities: Sequence[Entity] = ()
    """Old events lack this field and the next one."""
    thread: ThreadPlace | None = None


class TweetDeleted(Event):
    routing_key: ClassVar[str] = "tweet.deleted.v1"
    tweet_id: int
    author_id: int
    thread: ThreadPlace | None = None


class TweetHidden(Event):
    routing_key: ClassVar[str] = "tweet.hidden.v1"
    tweet_id: int
    author_id: int
    reason: str


class TweetRestored(Event):
    routing_key: ClassVar[str] = "tweet.restored.v1"
    tweet_id: int
    author_id: int


class ReportClosed(Event):
    routing_key: ClassVar[str] = "report.closed.v1"
    report_id: int
    reporter_id: int


class AnnouncementPosted(Event):
    routing_key: ClassVar[str] = "announcement.posted.v1"
    tweet_id: int
    author_id: int


class AnnouncementReminded(Event):
    routing_key: ClassVar[str] = "announcement.reminded.v1"
    tweet_id: int
    author_id: int
    user_ids: list[int]


class TweetLiked(Event):
    routing_key: ClassVar[str] = "tweet.liked.v1"
    tweet_id: int
    user_id: int


class TweetUnliked(Event):
    routing_key: ClassVar[str] = "tweet.unliked.v1"
    tweet_id: int
    user_id: int
