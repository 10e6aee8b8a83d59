"""The tables of the schema `feed`: a copy of what the others told, shaped for reading."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import erasure, inbox


class Table(SQLModel, registry=registry()):
    """The tables of this schema share one metadata, apart from the other services'."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)

_VISIBLE = text("visible")


class Person(Table, table=True):
    """Somebody's name, or the place kept for it; of an erased person the number alone."""

    __table_args__ = (Index("person_hidden", "id", postgresql_where=text("hidden")),)

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    hidden: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Deactivated: what they wrote is shown to nobody. Their likes of others' tweets count on."""


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
    """A tweet, or the place kept for one: its likes and its end may be heard of before it is."""

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
    """The members of the tweet's JSON object that are the same for every reader."""
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
    """A deleted tweet with more likes than one transaction takes: the worker deletes the rest."""

    __tablename__ = "likes_to_delete"

    tweet_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
