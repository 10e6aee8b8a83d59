"""The tables of the schema `feed`: a projection of the events of users and tweets."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.messaging import inbox
from chassis.privacy import erasure


class Table(SQLModel, registry=registry()):
    """The base class of this schema's tables, with metadata of its own."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)

_VISIBLE = text("visible")


class Person(Table, table=True):
    """A person's name. It is empty for an erased person, and for a placeholder: a person who is
    hidden before the name arrives."""

    __table_args__ = (Index("person_hidden", "id", postgresql_where=text("hidden")),)

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    hidden: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """True for a deactivated person, whose tweets are not shown to anybody. Their likes count."""


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

    A placeholder has no author. A deleted tweet stays as a tombstone, without author and text.
    """

    __table_args__ = (
        Index("tweet_popular", text("like_count desc"), text("id desc"), postgresql_where=_VISIBLE),
        Index("tweet_recent", text("id desc"), postgresql_where=_VISIBLE),
        Index(
            "tweet_popular_by_author",
            "author_id",
            text("like_count desc"),
            text("id desc"),
            postgresql_where=_VISIBLE,
        ),
        Index("tweet_recent_by_author", "author_id", text("id desc"), postgresql_where=_VISIBLE),
    )

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    author_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    card: str | None = Field(default=None, sa_column=Column(Text))
    """The members of the JSON object that are the same for every reader: see `tweet_json`."""
    like_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    deleted: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    visible: Any = Field(
        default=None,
        sa_column=Column(
            Boolean, Computed("author_id is not null and not deleted", persisted=True)
        ),
    )


class Like(Table, table=True):
    __tablename__ = "tweet_like"
    __table_args__ = (
        Index("like_earliest", "tweet_id", "version", "user_id", postgresql_where=text("active")),
        Index("like_by_user", "user_id"),
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
