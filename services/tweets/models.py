"""The tables of the schema `tweets`."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.messaging import inbox, outbox
from chassis.privacy import erasure


class Table(SQLModel, registry=registry()):
    """The base of this schema's tables: their metadata is separate from the other services'."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)
outbox.define(metadata)


class WhoMayReply(StrEnum):
    everyone = "everyone"
    following = "following"
    nobody = "nobody"


class ReportReason(StrEnum):
    """Why somebody reports a tweet or a person, and why a moderator hides a tweet."""

    harassment = "harassment"
    spam = "spam"
    confidential = "confidential"
    other = "other"


class Tweet(Table, table=True):
    """A tweet. The row of a deleted tweet stays, without the text."""

    __table_args__ = (Index("tweet_by_author", "author_id", "id"),)

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    author_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    replies: str = Field(
        default=WhoMayReply.everyone,
        sa_column=Column(Text, nullable=False, server_default=text("'everyone'")),
    )
    """Who may reply: a `WhoMayReply`."""
    parent_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The tweet that this one replies to. It may have been erased."""
    root_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The tweet with which the thread of a reply begins."""
    depth: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default=text("0"))
    )
    ancestors: list[int] = Field(
        default=[],
        sa_column=Column(ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    )
    self_replies: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default=text("0"))
    )
    """For `depth`, `ancestors` and `self_replies` see `events.ThreadPlace`."""
    hidden_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When a moderator hid the tweet. None if it is not hidden."""
    hidden_reason: str | None = Field(default=None, sa_column=Column(Text))
    """A `ReportReason`."""
    hidden_note: str | None = Field(default=None, sa_column=Column(Text))
    hidden_version: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The id of the last event that hid or restored the tweet."""


class Report(Table, table=True):
    """Somebody reports a tweet, or a person: see `moderation`."""

    __table_args__ = (
        Index(
            "report_open_once",
            "reporter_id",
            "user_id",
            text("coalesce(tweet_id, 0)"),
            unique=True,
            postgresql_where=text("closed_at is null"),
        ),
        Index("report_open", "id", postgresql_where=text("closed_at is null")),
        Index("report_closed", "id", postgresql_where=text("closed_at is not null")),
        Index("report_by_reporter", "reporter_id", "id"),
        Index("report_by_person", "user_id"),
    )

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    reporter_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    tweet_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """None if the person is reported and not one of their tweets."""
    user_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The person who is reported: of a tweet, its author."""
    reason: str = Field(sa_column=Column(Text, nullable=False))
    """A `ReportReason`."""
    note: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    closed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    closure_note: str | None = Field(default=None, sa_column=Column(Text))


class Announcement(Table, table=True):
    """A tweet that is shown above every feed until a time: see `announcements`."""

    __table_args__ = (
        Index("announcement_in_force", "until", postgresql_where=text("ended_at is null")),
        Index("announcement_by_author", "author_id"),
    )

    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    author_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    until: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    acknowledge: bool
    """Whether people are asked to confirm that they have read it."""
    ended_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When it was ended early."""
    reminded_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When the people who had not confirmed were last reminded."""


class Acknowledgement(Table, table=True):
    """A person has read an announcement."""

    __table_args__ = (Index("acknowledgement_by_person", "user_id", "tweet_id"),)

    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    acknowledged_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Pin(Table, table=True):
    """A person shows one of their own tweets at the top of their profile: see `pins`."""

    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    pinned_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Person(Table, table=True):
    """The copy of a person's name from users, to find mentions in a text: see `entities`."""

    __table_args__ = (Index("person_by_name", "folded", "id", postgresql_where=text("active")),)

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    folded: str = Field(sa_column=Column(Text, nullable=False))
    """`plain_text.fold` of the name."""
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    active_version: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0"))
    )
    """The id of the event that deactivated the person or brought them back."""
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The id of the event that announced the name."""


class Follow(Table, table=True):
    """The copy of a follow from users: an author may open a tweet to the people they follow."""

    __table_args__ = (Index("follow_by_followed", "followed_id"),)

    follower_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    followed_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class Draft(Table, table=True):
    """A draft to which its author gave an id, and the tweet that it became: see `commands`."""

    __table_args__ = (Index("draft_of_tweet", "tweet_id"),)

    author_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    tweet_id: int | None = Field(default=None, sa_column=Column(BigInteger, ForeignKey("tweet.id")))
    version: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The id of the event that announced the tweet."""
    digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    """SHA-256 of the text and the pictures. Drafts from before this column have none."""


class Like(Table, table=True):
    """One person likes a tweet. After an unlike the row stays, inactive, with the version of the
    event that ended it."""

    __tablename__ = "tweet_like"
    __table_args__ = (Index("like_by_user", "user_id", "tweet_id"),)

    tweet_id: int = Field(sa_column=Column(BigInteger, ForeignKey("tweet.id"), primary_key=True))
    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class TagFollow(Table, table=True):
    """One person follows a hashtag. After an unfollow the row stays, inactive, like a `Like`."""

    __tablename__ = "tag_follow"

    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    tag: str = Field(sa_column=Column(Text, primary_key=True))
    """The folded tag: see `entities`."""
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class Media(Table, table=True):
    """The copy of media's record of an uploaded picture: see `attachments`."""

    __table_args__ = (
        Index("media_of_tweet", "tweet_id", postgresql_where=text("tweet_id is not null")),
        Index("media_by_owner", "owner_id"),
    )

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    owner_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    path: str = Field(sa_column=Column(Text, nullable=False))
    thumbnail: str | None = Field(default=None, sa_column=Column(Text))
    """The path of the thumbnail. Pictures older than thumbnails have none."""
    width: int | None = None
    height: int | None = None
    colour: str | None = Field(default=None, sa_column=Column(Text))
    alt: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    tweet_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    closed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Whether no tweet may have the picture any more, because it was not attached in time or its
    tweet was deleted."""
