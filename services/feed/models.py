"""The tables of the schema `feed`: a projection of the events of users, tweets and media."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Index,
    Integer,
    Text,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import registry
from sqlalchemy.sql.elements import TextClause
from sqlmodel import Field, SQLModel

from chassis.messaging import inbox
from chassis.privacy import erasure


class Table(SQLModel, registry=registry()):
    """The base class of this schema's tables, with metadata of its own."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)

_NO_REPLY = text("visible and parent_id is null")
_REPLY = text("visible and parent_id is not null")


def _orders(prefix: str, where: TextClause) -> tuple[Index, ...]:
    """The indexes for each order and scope of a list."""
    popular, recent = text("like_count desc"), text("id desc")
    return (
        Index(f"{prefix}_popular", popular, recent, postgresql_where=where),
        Index(f"{prefix}_recent", recent, postgresql_where=where),
        Index(f"{prefix}_popular_by_author", "author_id", popular, recent, postgresql_where=where),
        Index(f"{prefix}_recent_by_author", "author_id", recent, postgresql_where=where),
    )


class Person(Table, table=True):
    """A person's name. It is empty for an erased person, and for a placeholder: a person who is
    hidden before the name arrives."""

    __table_args__ = (
        Index("person_hidden", "id", postgresql_where=text("hidden")),
        Index(
            "person_name",
            literal_column("searchable_name(name)").label("searchable"),
            postgresql_using="gin",
            postgresql_ops={"searchable": "gin_trgm_ops"},
        ),
    )

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    hidden: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """True for a deactivated person, whose tweets are not shown to anybody. Their likes count."""
    hidden_version: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0"))
    )
    """The version of `hidden`: a deactivated person may come back."""
    picture: str | None = Field(default=None, sa_column=Column(Text))
    """The paths of the person's picture, as a JSON object."""
    picture_version: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0"))
    )


class Follow(Table, table=True):
    __table_args__ = (
        Index("follow_active", "follower_id", "followed_id", postgresql_where=text("active")),
        Index("follow_followed", "followed_id"),
    )

    follower_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    followed_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class Tweet(Table, table=True):
    """A tweet, or a placeholder for one: its likes and its deletion may arrive before it.

    A placeholder has no author. A deleted tweet stays as a tombstone, without author and text, and
    keeps its place in the thread: see `replies`.
    """

    __table_args__ = (
        *_orders("tweet", _NO_REPLY),
        *_orders("reply", _REPLY),
        Index("reply_in_thread", "root_id", "id", postgresql_where=_REPLY),
        Index(
            "picture_by_author",
            "author_id",
            text("id desc"),
            postgresql_where=text("visible and has_media"),
        ),
    )

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    author_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    card: str | None = Field(default=None, sa_column=Column(Text))
    """The members of the JSON object that are the same for every reader: see `tweet_json`."""
    entities: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    """Only if the text mentions people: its entities, each as JSON, those of people without their
    names, which may change. See `tweet_json`."""
    mentioned: list[int] | None = Field(default=None, sa_column=Column(ARRAY(BigInteger)))
    """The person of each entity; null for hashtags and links."""
    has_media: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    parent_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The tweet to which this one replies."""
    root_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The tweet with which the thread of a reply begins."""
    depth: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default=text("0"))
    )
    """How many tweets are above a reply."""
    ancestors: list[int] = Field(
        default=[],
        sa_column=Column(ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    )
    """The nearest tweets above a reply, the parent first."""
    self_replies: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default=text("0"))
    )
    """How many of the tweets above a reply, from the parent on, are by the same author."""
    reply_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """The number of direct replies that are not deleted."""
    like_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    deleted: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    hidden: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """True if a moderator has hidden the tweet."""
    hidden_version: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0"))
    )
    """The version of `hidden`. A tweet may be hidden before it arrives."""
    visible: Any = Field(
        default=None,
        sa_column=Column(
            Boolean,
            Computed("author_id is not null and not deleted and not hidden", persisted=True),
        ),
    )


class Reply(Table, table=True):
    """A reply, listed below a tweet: see `replies`."""

    ancestor_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    aside: bool = Field(primary_key=True)
    """False if the reply continues the tweet: it and all tweets between are by the same author."""
    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True))


class TaggedTweet(Table, table=True):
    """A tweet that is not deleted, and a hashtag in it."""

    __tablename__ = "tweet_tag"
    __table_args__ = (Index("tag_of_tweet", "tweet_id"),)

    tag: str = Field(sa_column=Column(Text, primary_key=True))
    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    spelling: str = Field(sa_column=Column(Text, nullable=False))
    """The tag as the author wrote it."""


class TweetWords(Table, table=True):
    """The words of a tweet that is not deleted, and what else a search can ask for: see
    `search_index`. It is a table of its own, because PostgreSQL adds a row to all indexes of its
    table again whenever the number of likes changes."""

    __tablename__ = "tweet_words"
    __table_args__ = (
        Index(
            "tweet_words_words",
            "words",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        ),
    )

    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    words: Any = Field(sa_column=Column(TSVECTOR, nullable=False))


class WordsToIndex(Table, table=True):
    """One row: tweets with lower ids may lack their words. The worker adds them, and lowers the
    id."""

    __tablename__ = "words_to_index"

    below: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class FollowedTag(Table, table=True):
    __tablename__ = "tag_follow"

    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    tag: str = Field(sa_column=Column(Text, primary_key=True))
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class Like(Table, table=True):
    __tablename__ = "tweet_like"
    __table_args__ = (
        Index("like_earliest", "tweet_id", "version", "user_id", postgresql_where=text("active")),
        Index("like_by_user", "user_id"),
        Index(
            "like_latest_by_user", "user_id", text("version desc"), postgresql_where=text("active")
        ),
    )

    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class LikesToDelete(Table, table=True):
    """A deleted tweet that may have likes left, because one transaction deletes a batch only. The
    worker deletes the rest."""

    __tablename__ = "likes_to_delete"

    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
