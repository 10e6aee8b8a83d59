"""The personal data in users: what an export contains, and what an erasure deletes.

A change that adds a table or a column with a person's data changes both halves of this module.

*Export.* Each statement of EXPORT_LISTS reads one list for the archive that a person can download;
`chassis.privacy.export` explains the parameters.

*Erasure.* `commands.erase_user` overwrites name, profile and picture, and deletes the keys,
sessions, invitations and linked accounts at once. The sweep below deletes the follows afterwards,
in batches, and corrects the counts of everybody on the other side. The row in `person` stays with
its id only, because other rows refer to it.
"""

from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.privacy.erasure import BATCH, DeadLetters, Eraser, Redaction

from .events import UserErased
from .handlers import subscriptions

_PROFILE = """
select id as key, json_build_object(
    'id', id, 'name', name, 'created_at', created_at, 'about', about, 'title', title,
    'department', department, 'external_id', external_id,
    'picture', picture, 'follower_count', follower_count, 'following_count', following_count
)::text as line
from person where id = $1 and id > $2 and deactivated_at is null limit $3
"""
_FOLLOWING = """
select followed_id as key, json_build_object('id', person.id, 'name', person.name)::text as line
from follow join person on person.id = followed_id and deactivated_at is null
where follower_id = $1 and followed_id > $2 and active
order by followed_id limit $3
"""
_FOLLOWERS = """
select version as key, json_build_object('id', person.id, 'name', person.name)::text as line
from follow join person on person.id = follower_id and deactivated_at is null
where followed_id = $1 and version > $2 and active
order by version limit $3
"""
_KEYS = """
select id as key, json_build_object(
    'id', id, 'name', name, 'scope', scope, 'begins_with', hint, 'created_at', created_at,
    'expires_at', expires_at, 'revoked_at', revoked_at, 'used_at', used_at
)::text as line
from api_key where user_id = $1 and id > $2 order by id limit $3
"""

_SESSIONS = """
select id as key, json_build_object(
    'id', id, 'client', client, 'created_at', created_at, 'used_at', used_at,
    'expires_at', expires_at, 'ended_at', ended_at
)::text as line
from user_session where user_id = $1 and id > $2 order by id limit $3
"""

_INVITATIONS = """
select id as key, json_build_object(
    'id', id, 'created_at', created_at, 'expires_at', expires_at, 'used_at', used_at,
    'revoked_at', revoked_at
)::text as line
from invitation where user_id = $1 and id > $2 order by id limit $3
"""

_IDENTITIES = """
select id as key, json_build_object(
    'id', id, 'issuer', issuer, 'subject', subject, 'created_at', created_at,
    'signed_on_at', signed_on_at
)::text as line
from identity where user_id = $1 and id > $2 order by id limit $3
"""

EXPORT_LISTS = {
    "profile": _PROFILE,
    "following": _FOLLOWING,
    "followers": _FOLLOWERS,
    "keys": _KEYS,
    "sessions": _SESSIONS,
    "invitations": _INVITATIONS,
    "identities": _IDENTITIES,
}
_SELECT_FOLLOWS = text("""
(select follower_id, followed_id from follow where follower_id = :user_id limit :batch)
union all
(select follower_id, followed_id from follow where followed_id = :user_id and active limit :batch)
union all
(select follower_id, followed_id from follow where followed_id = :user_id and not active
 limit :batch)
limit :batch
""")
# Locks everybody whose counts change, in the order in which commands lock people, so that a
# command and this job cannot deadlock.
_LOCK_PEOPLE = text("""
select id from person where id = any(:people) order by id for no key update
""")
_DELETE_FOLLOWS = text("""
with deleted as (
    delete from follow using unnest(cast(:followers as bigint[]), cast(:followed as bigint[]))
        as edge (follower_id, followed_id)
    where follow.follower_id = edge.follower_id and follow.followed_id = edge.followed_id
    returning follow.follower_id, follow.followed_id, follow.active
), change as (
    select id, sum(following) as following, sum(followers) as followers
    from (
        select follower_id as id, 1 as following, 0 as followers from deleted where active
        union all
        select followed_id, 0, 1 from deleted where active
    ) as step
    group by id
), counted as (
    update person set
        following_count = following_count - change.following,
        follower_count = follower_count - change.followers
    from change where person.id = change.id
)
select count(*) from deleted
""")


async def _sweep(database: Database, user_id: int) -> int:
    """Deletes a batch of the person's follows in both directions; returns how many."""
    async with database.transaction() as session:
        rows = await execute(session, _SELECT_FOLLOWS, {"user_id": user_id, "batch": BATCH})
        pairs = [tuple(row) for row in rows]
        followers = [follower for follower, _ in pairs]
        followed = [followed for _, followed in pairs]
        await execute(session, _LOCK_PEOPLE, {"people": sorted({*followers, *followed})})
        deleted = await execute(
            session, _DELETE_FOLLOWS, {"followers": followers, "followed": followed}
        )
        return int(deleted.scalar_one())


eraser = Eraser(
    _sweep,
    {
        "user.registered.v1": Redaction("user_id", {"name": ""}),
        "user.renamed.v1": Redaction("user_id", {"name": ""}),
        "key.created.v1": Redaction("user_id", {"name": ""}),
    },
    # Users publishes the event that starts an erasure, so it is never among its own dead letters.
    DeadLetters(subscriptions, UserErased, ("user_id",)),
)
