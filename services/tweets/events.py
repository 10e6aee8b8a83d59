"""The events that tweets publishes, and those that it reads from other services."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from chassis.messaging.events import Event

from .models import ReportReason


class Picture(BaseModel):
    url: str
    thumbnail: str
    width: int | None
    height: int | None
    colour: str | None
    alt: str


class Entity(BaseModel):
    """A part of the text that pages show as a link. `start` and `length` count code points.

    A mention has `user_id`, a hashtag `tag`, a link `url`.
    """

    type: Literal["mention", "hashtag", "link"]
    start: int
    length: int
    text: str
    """The part of the text itself."""
    user_id: int | None = None
    tag: str | None = None
    """The folded tag: equal for all spellings of the same tag."""
    url: str | None = None

    @model_serializer(mode="wrap")
    def _without_none(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}


class ThreadPlace(BaseModel):
    """Where a reply stands in its thread."""

    parent_id: int
    root_id: int
    """The tweet with which the thread begins."""
    depth: int
    """The number of tweets above this one: 1 for a reply to the root."""
    ancestors: list[int]
    """The nearest tweets above this one, `commands.MAX_ANCESTORS` at most, the parent first."""
    self_replies: int
    """How many of the tweets above it, counted from the parent, are by the same author."""


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
    entities: list[Entity]
    """The mentions, hashtags and links of `content`, in its order."""
    thread: ThreadPlace | None
    """None for a tweet that is not a reply."""
    created_at: datetime


class TweetDeleted(Event):
    routing_key: ClassVar[str] = "tweet.deleted.v1"
    tweet_id: int
    author_id: int
    media_ids: list[int]
    thread: ThreadPlace | None
    """As in the event of its posting, which a consumer may receive later."""


class TweetHidden(Event):
    """A moderator hid the tweet. Published again if another reason is given."""

    routing_key: ClassVar[str] = "tweet.hidden.v1"
    tweet_id: int
    author_id: int
    reason: ReportReason


class TweetRestored(Event):
    routing_key: ClassVar[str] = "tweet.restored.v1"
    tweet_id: int
    author_id: int


class ReportClosed(Event):
    routing_key: ClassVar[str] = "report.closed.v1"
    named_in_response: ClassVar[bool] = False
    report_id: int
    reporter_id: int


class ModerationActed(Event):
    """What a moderator, an administrator or an operator did to whom, for the audit log."""

    routing_key: ClassVar[str] = "moderation.acted.v1"
    named_in_response: ClassVar[bool] = False
    actor_id: int | None
    """None for the operator's console."""
    action: Literal[
        "tweet_hidden",
        "tweet_restored",
        "report_closed",
        "announcement_ended",
        "announcement_reminded",
    ]
    subject_id: int
    """The author of the tweet or announcement, or the person who was reported."""
    object_id: int
    """The tweet, or the report."""


class AnnouncementPosted(Event):
    """The tweet has an event of its own, which may arrive later."""

    routing_key: ClassVar[str] = "announcement.posted.v1"
    named_in_response: ClassVar[bool] = False
    tweet_id: int
    author_id: int


class AnnouncementReminded(Event):
    routing_key: ClassVar[str] = "announcement.reminded.v1"
    named_in_response: ClassVar[bool] = False
    tweet_id: int
    author_id: int
    user_ids: list[int]
    """A part of those who have not confirmed, `announcements.REMINDED_BATCH` at most."""


class TweetLiked(Event):
    routing_key: ClassVar[str] = "tweet.liked.v1"
    tweet_id: int
    user_id: int


class TweetUnliked(Event):
    routing_key: ClassVar[str] = "tweet.unliked.v1"
    tweet_id: int
    user_id: int


class TagFollowed(Event):
    routing_key: ClassVar[str] = "tag.followed.v1"
    user_id: int
    tag: str
    """The folded tag, as in `Entity`."""


class TagUnfollowed(Event):
    routing_key: ClassVar[str] = "tag.unfollowed.v1"
    user_id: int
    tag: str


class MediaReleased(Event):
    """This picture is not attached to a tweet and cannot be attached any more: media deletes it."""

    routing_key: ClassVar[str] = "media.released.v1"
    named_in_response: ClassVar[bool] = False
    media_id: int


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


class UserFollowed(Event):
    routing_key: ClassVar[str] = "user.followed.v1"
    follower_id: int
    followed_id: int


class UserUnfollowed(Event):
    routing_key: ClassVar[str] = "user.unfollowed.v1"
    follower_id: int
    followed_id: int


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
    colour: str | None = None
    alt: str = ""


class MediaExpired(Event):
    routing_key: ClassVar[str] = "media.expired.v1"
    media_id: int
    owner_id: int
    path: str
