"""The events that media publishes, and those that it reads from other services."""

from typing import ClassVar

from pydantic import BaseModel

from chassis.messaging.events import Event


class MediaUploaded(Event):
    routing_key: ClassVar[str] = "media.uploaded.v1"
    named_in_response: ClassVar[bool] = False
    media_id: int
    owner_id: int
    path: str
    width: int
    height: int
    colour: str | None
    """The average colour, as `#rrggbb`. Null if a part of the picture is transparent."""
    content_type: str
    size: int
    thumbnail: str
    """The path of the thumbnail."""
    alt: str


class MediaExpired(Event):
    """The time to attach this picture to a tweet is over. Tweets responds with MediaReleased if the
    picture is not attached; from then on it cannot be attached any more."""

    routing_key: ClassVar[str] = "media.expired.v1"
    named_in_response: ClassVar[bool] = False
    media_id: int
    owner_id: int
    path: str


class PicturePaths(BaseModel):
    """The URL paths of a person's picture in three sizes."""

    small: str
    medium: str
    large: str


class PersonPictured(Event):
    """A person has another picture, or none any more."""

    routing_key: ClassVar[str] = "person.pictured.v1"
    named_in_response: ClassVar[bool] = False
    actor_id: int
    """Who changed the picture: the person, or an administrator."""
    user_id: int
    picture: PicturePaths | None


class UserErased(Event):
    routing_key: ClassVar[str] = "user.erased.v1"
    user_id: int


class TweetDeleted(Event):
    routing_key: ClassVar[str] = "tweet.deleted.v1"
    media_ids: list[int]


class MediaReleased(Event):
    routing_key: ClassVar[str] = "media.released.v1"
    media_id: int
