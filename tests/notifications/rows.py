"""Fills the tables of the projection as the handlers do, for tests of what is read from them."""

from datetime import UTC, datetime, timedelta
from itertools import count

from chassis.database.session import Database, fetch

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=123_000)
"""A time of which the tests know the day."""

_numbers = count(1)

_NOTIFICATION = """
with given as (update position set position = position + 1 returning position)
insert into notification (
    family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id, active, shown,
    version, occurred_at, seq
)
select
    case when $1 in ('like', 'follow', 'security') then $1 else 'tweet' end, $2, $3, $4, $1, $5, $6,
    true, true, 1, $7, position
from given returning seq
"""


async def person(database: Database, name: str = "Somebody") -> int:
    user_id = next(_numbers)
    async with database.transaction() as session:
        await fetch(
            session, "insert into person (id, name, version) values ($1, $2, 1)", user_id, name
        )
    return user_id


async def people(database: Database, number: int) -> list[int]:
    return [await person(database, f"Person {place}") for place in range(number)]


async def follow(database: Database, follower_id: int, followed_id: int) -> None:
    async with database.transaction() as session:
        await fetch(
            session, "insert into follow values ($1, $2, true, 1)", follower_id, followed_id
        )


async def tweet(database: Database, author_id: int, root_id: int | None = None) -> int:
    """A tweet, or a reply in the thread of `root_id`."""
    tweet_id = next(_numbers)
    async with database.transaction() as session:
        await fetch(
            session,
            "insert into tweet (id, author_id, parent_id, root_id) values ($1, $2, $3, $3)",
            tweet_id,
            author_id,
            root_id,
        )
    return tweet_id


async def notify(
    database: Database,
    recipient_id: int,
    kind: str,
    actor_id: int = 0,
    *,
    subject: int = 0,
    about: int | None = None,
    root: int | None = None,
    days_ago: int = 0,
) -> int:
    """Tells a person of an act, and returns its `seq`. `about` is the subject of the group."""
    async with database.transaction() as session:
        (row,) = await fetch(
            session,
            _NOTIFICATION,
            kind,
            subject,
            recipient_id,
            actor_id,
            subject if about is None else about,
            root,
            NOON - timedelta(days=days_ago),
        )
    seq: int = row["seq"]
    return seq


async def notices(database: Database, user_id: int) -> list[int]:
    """The positions of the notices that tell the person's devices of a changed badge."""
    async with database.transaction() as session:
        rows = await fetch(
            session,
            "select position from notice where kind = 'seen' and recipient_id = $1 order by 1",
            user_id,
        )
    return [row["position"] for row in rows]
