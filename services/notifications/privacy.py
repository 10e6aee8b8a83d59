"""The personal data in the notifications: what an erasure deletes."""

from chassis.database.session import Database
from chassis.privacy.erasure import DeadLetters, Eraser

from .events import UserErased
from .handlers import subscriptions


async def _sweep(database: Database, user_id: int) -> int:
    return 0


eraser = Eraser(
    _sweep,
    dead_letters=DeadLetters(
        subscriptions, UserErased, ("user_id", "author_id", "follower_id", "followed_id")
    ),
)
