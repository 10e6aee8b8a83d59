"""The tables of the schema `tweets`."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import erasure, inbox, outbox


class Table(SQLModel, registry=registry()):
    """The tables of this schema share one metadata, apart from the other services'."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)
outbox.define(metadata)


class Tweet(Table, table=True):
    """A tweet. A deleted one stays without its text, so that it cannot be liked again."""

    __table_args__ = (Index("tweet_by_author", "author_id", "id"),)

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    author_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class Draft(Table, table=True):
    """What an author's draft became, where the author gave it an id. It stays with the tweet."""

    __table_args__ = (Index("draft_of_tweet", "tweet_id"),)

    author_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    tweet_id: int | None = Field(default=None, sa_column=Column(BigInteger, ForeignKey("tweet.id")))
    version: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The number of the event that told of the tweet."""
    digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    """SHA-256 of what was posted, to know it again. A draft from before there were any has none."""


class Like(Table, table=True):
    """One person's liking a tweet. An ended one stays, with the version that ended it."""

    __tablename__ = "tweet_like"
    __table_args__ = (Index("like_by_user", "user_id", "tweet_id"),)

    tweet_id: int = Field(sa_column=Column(BigInteger, ForeignKey("tweet.id"), primary_key=True))
    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    active: bool
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class Media(Table, table=True):
    """What tweets knows of an uploaded picture: its copy of media's record."""

    __table_args__ = (
        Index("media_of_tweet", "tweet_id", postgresql_where=text("tweet_id is not null")),
        Index("media_by_owner", "owner_id"),
    )

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    owner_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    path: str = Field(sa_column=Column(Text, nullable=False))
    thumbnail: str | None = Field(default=None, sa_column=Column(Text))
    """The path of a small copy. Of a picture from before there were any, there is none."""
    width: int | None = None
    height: int | None = None
    alt: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    tweet_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    closed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """No tweet may take it any more: it was not taken in time, or its tweet was deleted."""
