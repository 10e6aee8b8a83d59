"""The tables of the schema `notifications`.

Some are a projection: events of other services alone determine them. The others hold what the
service's own clients decide; no event can restore these, so a rebuild keeps them: `KEPT_TABLES`.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Index,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.messaging import inbox
from chassis.privacy import erasure


class Table(SQLModel, registry=registry()):
    """The base class of this schema's tables, with metadata of its own."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)

KEPT_TABLES = ("position", "notice", "seen", "preference", "thread_preference", "watch")
"""The tables that a rebuild leaves as they are. It locks them in this order, `position` first like
every other writer."""


def _id(**options: Any) -> Column[int]:
    return Column(BigInteger, primary_key=True, autoincrement=False, **options)


def _flag(default: str = "false") -> Column[bool]:
    return Column(Boolean, nullable=False, server_default=text(default))


def _number() -> Column[int]:
    return Column(BigInteger, nullable=False, server_default=text("0"))


def _text() -> Column[str]:
    return Column(Text, nullable=False)


def _now() -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=False, server_default=text("now()"))


class Person(Table, table=True):
    """A person's name. It is empty for an erased person, and for a placeholder: a person who is
    hidden or pictured before the name arrives."""

    id: int = Field(sa_column=_id())
    name: str = Field(sa_column=_text())
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    hidden: bool = Field(default=False, sa_column=_flag())
    """True for a deactivated person, who notifies nobody."""
    hidden_version: int = Field(default=0, sa_column=_number())
    """The version of `hidden`: a deactivated person may come back."""
    registered_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """None until the event of the registration arrives."""
    picture: str | None = Field(default=None, sa_column=Column(Text))
    """The paths of the person's picture, as JSON; null without one."""
    picture_version: int = Field(default=0, sa_column=_number())


class PersonToHide(Table, table=True):
    """A deactivated person, some of whose notifications may still be shown: one transaction hides a
    batch only, and the worker hides the rest."""

    __tablename__ = "person_to_hide"

    user_id: int = Field(sa_column=_id())


class PersonToShow(Table, table=True):
    """A person who has come back, some of whose notifications may not be shown yet."""

    __tablename__ = "person_to_show"

    user_id: int = Field(sa_column=_id())


class Follow(Table, table=True):
    __table_args__ = (
        Index("follow_followed", "followed_id", "follower_id", postgresql_include=["active"]),
    )

    follower_id: int = Field(sa_column=_id())
    followed_id: int = Field(sa_column=_id())
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class FollowedTag(Table, table=True):
    __tablename__ = "tag_follow"
    __table_args__ = (Index("tag_followers", "tag", "user_id", postgresql_where=text("active")),)

    user_id: int = Field(sa_column=_id())
    tag: str = Field(sa_column=Column(Text, primary_key=True))
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class Tweet(Table, table=True):
    """A tweet without its text, or a placeholder for one, which has no author.

    A deleted tweet stays as a tombstone. It keeps its author, who is notified of replies that
    arrive after the deletion; only the author's erasure removes the author.
    """

    __table_args__ = (Index("tweet_by_author", "author_id"),)

    id: int = Field(sa_column=_id())
    author_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    parent_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    root_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The tweet with which the thread of a reply begins; null for a tweet that is no reply."""
    like_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    reply_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """The number of direct replies that are not deleted."""
    deleted: bool = Field(default=False, sa_column=_flag())
    hidden_reason: str | None = Field(default=None, sa_column=Column(Text))
    """Why a moderator hid the tweet the last time. It may have been restored."""
    hidden_version: int = Field(default=0, sa_column=_number())
    """The version of `hidden_reason`."""


class Announcement(Table, table=True):
    """A tweet of which everybody was notified: see `announcements`."""

    __table_args__ = (Index("announcement_by_author", "author_id"),)

    tweet_id: int = Field(sa_column=_id())
    author_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class TweetToClear(Table, table=True):
    """A deleted tweet that may have notifications left, its likes among them: one transaction
    deletes a batch only, and the worker deletes the rest."""

    __tablename__ = "tweet_to_clear"

    tweet_id: int = Field(sa_column=_id())


class Notification(Table, table=True):
    """An act of one person, of which another person is notified.

    There is one row for each recipient, actor and subject in a family of kinds. The kinds
    `mention`, `reply`, `thread` and `watch` are one family, so a tweet notifies a person once, as
    the first of these kinds that applies. An act that was undone stays as a row that is not active,
    so that its version is known.
    """

    __table_args__ = (
        Index("notification_in_group", "recipient_id", "kind", "group_subject_id", "day", "seq"),
        Index("notification_by_actor", "actor_id", "shown"),
    )

    family: str = Field(sa_column=Column(Text, primary_key=True))
    """`tweet`, `like`, `follow`, `announcement`, `security`, and for the kind `moderation` what
    happened: `hidden`, `restored` or `report` (it was closed)."""
    subject_id: int = Field(sa_column=_id())
    """The tweet; 0 for a follow; for security the key's id, or the session's id with a minus; for
    moderation the version."""
    recipient_id: int = Field(sa_column=_id())
    """0 as long as it is the author of a tweet whose event has not arrived."""
    actor_id: int = Field(sa_column=_id())
    """0 for security and moderation."""
    kind: str = Field(sa_column=_text())
    """`mention`, `reply`, `thread`, `watch`, `like`, `follow`, `announcement`, `moderation` or
    `security`."""
    group_subject_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    """What the group is about. Like: the tweet that is liked; reply: the tweet that is replied to;
    mention and announcement: the tweet; thread: its root; watch: the author; follow: 0; security:
    the subject; moderation: the tweet, or the report's id with a minus."""
    root_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The root of the thread of the tweet; null if the notification is about no tweet, or about one
    whose event has not arrived."""
    active: bool
    shown: bool
    """Whether the row counts in its group: it is active, the recipient is known and is not the
    actor, and the actor is not deactivated."""
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    day: date = Field(
        default=None,
        sa_column=Column(
            Date, Computed("(occurred_at at time zone 'UTC')::date", persisted=True), nullable=True
        ),
    )
    seq: int = Field(default=0, sa_column=_number())
    """The position of the notice that announced the row. It is given when the row is shown for the
    first time, and stays, except that a reminder of an announcement gets a new one; before, it is
    0."""


class NotificationGroup(Table, table=True):
    """The notifications that a list shows as one: those of a recipient, kind, subject and UTC day.

    Triggers of `notification` keep the group: a group without rows that are shown does not exist.
    """

    __tablename__ = "notification_group"
    __table_args__ = (Index("notification_group_newest", "recipient_id", text("newest_seq desc")),)

    recipient_id: int = Field(sa_column=_id())
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    subject_id: int = Field(sa_column=_id())
    """The rows' `group_subject_id`."""
    day: date = Field(sa_column=Column(Date, primary_key=True))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The number of rows that are shown: likes of different people, but maybe several replies of
    one person."""
    newest_seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The largest `seq` of the rows that are shown."""
    read_seq: int = Field(default=0, sa_column=_number())
    """The `newest_seq` that the recipient has read, by opening the group. A group is unread if its
    `newest_seq` is larger than this and larger than the recipient's `seen.seq`. Notifications that
    were a week old when they arrived are read from the beginning."""


class Seen(Table, table=True):
    """The `seq` up to which a person has seen the list. It only grows."""

    user_id: int = Field(sa_column=_id())
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class Preference(Table, table=True):
    """How a person is notified of a kind. Without a row, the default of the kind applies."""

    user_id: int = Field(sa_column=_id())
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    delivery: str = Field(sa_column=_text())
    """`off`, `list` or `badge`."""
    source: str = Field(sa_column=_text())
    """`everyone` or `following`."""


class ThreadPreference(Table, table=True):
    """A thread that a person has followed or muted."""

    __tablename__ = "thread_preference"
    __table_args__ = (
        Index(
            "thread_followers", "root_id", "user_id", postgresql_where=text("state = 'followed'")
        ),
    )

    user_id: int = Field(sa_column=_id())
    root_id: int = Field(sa_column=_id())
    state: str = Field(sa_column=_text())
    """`followed` or `muted`."""
    mute_mentions: bool = Field(default=False, sa_column=_flag())
    since: datetime = Field(default=None, sa_column=_now())


class Watch(Table, table=True):
    """A person, of whose new tweets another person is notified."""

    __table_args__ = (Index("watchers", "watched_id"),)

    user_id: int = Field(sa_column=_id())
    watched_id: int = Field(sa_column=_id())
    since: datetime = Field(default=None, sa_column=_now())


class Position(Table, table=True):
    """One row: the last position that a notice has. See `positions`."""

    __table_args__ = (CheckConstraint("single", name="position_is_single"),)

    single: bool = Field(
        default=True, sa_column=Column(Boolean, primary_key=True, server_default=text("true"))
    )
    position: int = Field(default=0, sa_column=_number())


class Notice(Table, table=True):
    """A line of the log from which streams are served. The stream process reads it by position.

    | kind | columns |
    |---|---|
    | `tweet` | `tweet_id`, `author_id`, `root_id`, `parent_id`, `tags`, `event` |
    | `deleted` | `tweet_id`, `author_id`, `root_id`, `event` |
    | `counts` | `tweet_id`: its likes or replies changed |
    | `notification` | `recipient_id` and the group: `group_kind`, `group_subject_id`, `group_day` |
    | `seen` | `recipient_id`: the person's unread notifications or marker changed |
    """

    __table_args__ = (
        Index("notice_by_author", "author_id", postgresql_where=text("author_id is not null")),
        Index(
            "notice_by_recipient",
            "recipient_id",
            postgresql_where=text("recipient_id is not null"),
        ),
        Index(
            "notice_by_watched",
            "group_subject_id",
            postgresql_where=text("group_kind = 'watch'"),
        ),
    )

    position: int = Field(sa_column=_id())
    kind: str = Field(sa_column=_text())
    tweet_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    author_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    root_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    parent_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    tags: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    event: str | None = Field(default=None, sa_column=Column(Text))
    """The id of the event, such as `tweets:31`."""
    recipient_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    group_kind: str | None = Field(default=None, sa_column=Column(Text))
    group_subject_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    group_day: date | None = Field(default=None, sa_column=Column(Date))
    created_at: datetime = Field(default=None, sa_column=_now())
