"""What is a person's in users, for the job that takes it away: follows, and names in events."""

from sqlalchemy import text

from chassis.database import Database, execute
from chassis.erasure import BATCH, Eraser, Told

_EDGES = text("""
(select follower_id, followed_id from follow where follower_id = :user_id limit :batch)
union all
(select follower_id, followed_id from follow where followed_id = :user_id and active limit :batch)
union all
(select follower_id, followed_id from follow where followed_id = :user_id and not active
 limit :batch)
limit :batch
""")
# Everybody whose counts change, in the order in which commands lock people.
_LOCK = text("""
select id from person where id = any(:people) order by id for no key update
""")
_TAKE = text("""
with gone as (
    delete from follow using unnest(cast(:followers as bigint[]), cast(:followed as bigint[]))
        as edge (follower_id, followed_id)
    where follow.follower_id = edge.follower_id and follow.followed_id = edge.followed_id
    returning follow.follower_id, follow.followed_id, follow.active
), change as (
    select id, sum(following) as following, sum(followers) as followers
    from (
        select follower_id as id, 1 as following, 0 as followers from gone where active
        union all
        select followed_id, 0, 1 from gone where active
    ) as step
    group by id
), counted as (
    update person set
        following_count = following_count - change.following,
        follower_count = follower_count - change.followers
    from change where person.id = change.id
)
select count(*) from gone
""")


async def _sweep(database: Database, user_id: int) -> int:
    async with database.transaction() as session:
        edges = await execute(session, _EDGES, {"user_id": user_id, "batch": BATCH})
        pairs = [tuple(edge) for edge in edges]
        followers = [follower for follower, _ in pairs]
        followed = [followed for _, followed in pairs]
        await execute(session, _LOCK, {"people": sorted({*followers, *followed})})
        taken = await execute(session, _TAKE, {"followers": followers, "followed": followed})
        return int(taken.scalar_one())


eraser = Eraser(
    _sweep,
    {
        "user.registered.v1": Told("user_id", {"name": ""}),
        "user.renamed.v1": Told("user_id", {"name": ""}),
    },
)
