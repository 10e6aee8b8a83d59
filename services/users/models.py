"""The tables of the schema `users`."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, LargeBinary, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import outbox


class Table(SQLModel, registry=registry()):
    """The tables of this schema share one metadata, apart from the other services'."""


metadata = Table.metadata
outbox.define(metadata)


def _now() -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=False, server_default=text("now()"))


class Person(Table, table=True):
    __table_args__ = (
        Index(
            "person_folded",
            "folded",
            postgresql_using="gin",
            postgresql_ops={"folded": "gin_trgm_ops"},
        ),
        Index(
            "person_popular",
            text("follower_count desc"),
            text("id desc"),
            postgresql_where=text("deactivated_at is null"),
        ),
    )

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    name: str
    folded: str
    """The name as it is searched for: see `names.fold`."""
    administrator: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    follower_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    following_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    created_at: datetime = Field(default=None, sa_column=_now())
    deactivated_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class ApiKey(Table, table=True):
    __tablename__ = "api_key"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    """SHA-256 of the key: the key itself is random enough to need no slow hash."""
    user_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), nullable=False, index=True)
    )
    created_at: datetime = Field(default=None, sa_column=_now())
    revoked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class Follow(Table, table=True):
    """One person's following another. An ended one stays, with the version that ended it."""

    __table_args__ = (
        Index(
            "follow_followers", "followed_id", text("version desc"), postgresql_where=text("active")
        ),
        Index(
            "follow_following", "follower_id", text("version desc"), postgresql_where=text("active")
        ),
    )

    follower_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), primary_key=True)
    )
    followed_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("person.id"), primary_key=True)
    )
    active: bool
    version: int = Field(sa_type=BigInteger)
