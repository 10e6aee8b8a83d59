"""The events that users publishes, and those that it reads from other services."""

from typing import ClassVar, Literal

from pydantic import BaseModel

from chassis.messaging.events import Event


class UserRegistered(Event):
    routing_key: ClassVar[str] = "user.registered.v1"
    user_id: int
    name: str


class UserRenamed(Event):
    routing_key: ClassVar[str] = "user.renamed.v1"
    user_id: int
    name: str


class UserDeactivated(Event):
    routing_key: ClassVar[str] = "user.deactivated.v1"
    named_in_response: ClassVar[bool] = False
    user_id: int


class UserReactivated(Event):
    """A deactivated person has come back: consumers show the person and the tweets again."""

    routing_key: ClassVar[str] = "user.reactivated.v1"
    user_id: int


class UserErased(Event):
    """Every service deletes what it stores about this person. A service that receives this event
    drops later events about the person's names, tweets and likes."""

    routing_key: ClassVar[str] = "user.erased.v1"
    user_id: int


class KeyRevoked(Event):
    """A key or a session of this person ended or will end soon, or the person's role changed.

    Gateways delete this person's keys and sessions from their caches and look them up again. Keys
    and sessions that are still valid stay usable.
    """

    routing_key: ClassVar[str] = "key.revoked.v1"
    named_in_response: ClassVar[bool] = False
    user_id: int


class KeyCreated(Event):
    """A person who had a key before has got another one. The first key of a person is no news: they
    get it together with their account.

    `name` says what the key is for. It is empty if nobody gave it a name.
    """

    routing_key: ClassVar[str] = "key.created.v1"
    named_in_response: ClassVar[bool] = False
    user_id: int
    key_id: int
    name: str


class SessionCreated(Event):
    """A person has signed in with a browser while another session of theirs was active."""

    routing_key: ClassVar[str] = "session.created.v1"
    named_in_response: ClassVar[bool] = False
    user_id: int
    session_id: int


class UserFollowed(Event):
    routing_key: ClassVar[str] = "user.followed.v1"
    follower_id: int
    followed_id: int


class UserUnfollowed(Event):
    routing_key: ClassVar[str] = "user.unfollowed.v1"
    follower_id: int
    followed_id: int


class PicturePaths(BaseModel):
    """The URL paths of a person's picture in three sizes."""

    small: str
    medium: str
    large: str


class ModerationActed(Event):
    routing_key: ClassVar[str] = "moderation.acted.v1"
    actor_id: int | None
    action: Literal[
        "tweet_hidden",
        "tweet_restored",
        "report_closed",
        "announcement_ended",
        "announcement_reminded",
    ]
    subject_id: int
    object_id: int


class PersonPictured(Event):
    routing_key: ClassVar[str] = "person.pictured.v1"
    actor_id: int
    user_id: int
    picture: PicturePaths | None
