"""What users tells the others."""

from typing import ClassVar

from chassis.events import Event


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
    awaited: ClassVar[bool] = False
    user_id: int


class UserErased(Event):
    """Whatever is this person's is to be forgotten. No name, no tweet and no like comes after."""

    routing_key: ClassVar[str] = "user.erased.v1"
    user_id: int


class KeyRevoked(Event):
    """A key or a session of this person ended or will end soon, or their role changed.

    Gateways forget all that they remember of the person's keys and sessions, and ask again. Those
    that are still valid go on.
    """

    routing_key: ClassVar[str] = "key.revoked.v1"
    awaited: ClassVar[bool] = False
    user_id: int


class UserFollowed(Event):
    routing_key: ClassVar[str] = "user.followed.v1"
    follower_id: int
    followed_id: int


class UserUnfollowed(Event):
    routing_key: ClassVar[str] = "user.unfollowed.v1"
    follower_id: int
    followed_id: int
