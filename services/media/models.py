"""The tables of the schema `media`."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import erasure, inbox, outbox


class Table(SQLModel, registry=registry()):
    """The tables of this schema share one metadata, apart from the other services'."""


metadata = Table.metadata
erasure.define(metadata)
inbox.define(metadata)
outbox.define(metadata)


class Media(Table, table=True):
    """An uploaded picture. A removed one stays without its object: its name is never used again."""

    __table_args__ = (
        Index("media_by_owner", "owner_id", "id"),
        Index(
            "media_unasked",
            "uploaded_at",
            postgresql_where=text("expired_at is null and removed_at is null"),
        ),
        Index(
            "media_unpurged",
            "id",
            postgresql_where=text("removed_at is not null and purged_at is null"),
        ),
    )

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    owner_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    """The object's name in the store, unguessable; below `/uploads/` it is the address."""
    content_type: str = Field(sa_column=Column(Text, nullable=False))
    size: int
    thumbnail: str | None = Field(default=None, sa_column=Column(Text, unique=True))
    """Another object's name, as unguessable. Pictures of the time before thumbnails have none."""
    thumbnail_size: int | None = None
    alt: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    """What it shows, in its owner's words, for those who cannot see it."""
    width: int
    height: int
    uploaded_at: datetime = Field(
        default=None,
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    taken_by: int | None = Field(default=None, sa_column=Column(BigInteger))
    """Read by no code any more: the column goes once no process can run that still writes it."""
    expired_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When tweets was asked whether it is on any."""
    removed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    purged_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When its object went from the store."""

    @property
    def path(self) -> str:
        return f"/uploads/{self.name}"

    @property
    def thumbnail_path(self) -> str:
        return f"/uploads/{self.thumbnail or self.name}"
