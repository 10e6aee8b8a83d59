"""The tables of the schema `media`."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Text, text
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


def path_of(name: str) -> str:
    """The path at which the object with this name is served."""
    return f"/uploads/{name}"


class Media(Table, table=True):
    """An uploaded picture. After its removal the row stays, without objects in the store."""

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
    """The random name of the object in the store, and of the path below `/uploads/`."""
    content_type: str = Field(sa_column=Column(Text, nullable=False))
    size: int
    thumbnail: str | None = Field(default=None, sa_column=Column(Text, unique=True))
    """The random name of the thumbnail's object. Pictures older than thumbnails have none."""
    thumbnail_size: int | None = None
    alt: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    """What the picture shows, written by its owner for people who cannot see it."""
    width: int
    height: int
    colour: str | None = Field(default=None, sa_column=Column(Text))
    """The average colour, as `#rrggbb`. Old and partly transparent pictures have none."""
    uploaded_at: datetime = Field(
        default=None,
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    taken_by: int | None = Field(default=None, sa_column=Column(BigInteger))
    """Unused. The column can be dropped once no running process writes it any more."""
    expired_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When `media.expired.v1` was recorded."""
    removed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """Since when nobody can see the picture."""
    purged_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When its objects were deleted from the store."""

    @property
    def path(self) -> str:
        return path_of(self.name)

    @property
    def thumbnail_path(self) -> str:
        return path_of(self.thumbnail or self.name)


class Portrait(Table, table=True):
    """A picture of a person, in three sizes. A removed one stays as a row until it is purged."""

    __table_args__ = (
        Index("portrait_by_user", "user_id"),
        Index(
            "portrait_current",
            "user_id",
            unique=True,
            postgresql_where=text("removed_at is null"),
        ),
        Index(
            "portrait_unpurged",
            "id",
            postgresql_where=text("removed_at is not null and purged_at is null"),
        ),
    )

    id: int = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    user_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    small: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    """The random name of the object in the store, as for `Media`."""
    small_size: int
    medium: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    medium_size: int
    large: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    large_size: int
    uploaded_at: datetime = Field(
        default=None,
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    removed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """Since when nobody can see the picture."""
    purged_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When its objects were deleted from the store."""

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each object, by its name."""
        return {
            self.small: self.small_size,
            self.medium: self.medium_size,
            self.large: self.large_size,
        }

    @property
    def paths(self) -> dict[str, str]:
        return {size: path_of(getattr(self, size)) for size in ("small", "medium", "large")}
