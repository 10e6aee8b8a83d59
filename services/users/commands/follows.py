"""Following and unfollowing: one statement each, which needs no transaction (docs/adr/0044).

The statement locks both people's rows before it draws the version. So changes to one follow are
made one after another, and the ids of their events, which are the follow's versions, grow in the
same order. The rows are locked in the order of their ids: two people who follow each other at the
same moment would otherwise deadlock.
"""

from chassis.database.session import AnySession, fetch
from chassis.messaging import outbox

from ..errors import CannotFollowYourself, UserNotFound
from ..events import UserFollowed, UserUnfollowed

# $3 to $6 are the event, see `outbox.values`. Returns the version of the follow, null if there is
# none, and which of the two people exist and are active.
_SET_FOLLOW = """
with people as materialized (
    select id, deactivated_at is null as active from person
    where id in ($1, $2) order by id for no key update
), set_follow as ({change}
    returning new.version, new.active::int - coalesce(old.active, false)::int as step
), counted as (
    update person set
        following_count = following_count + case when id = $1 then step else 0 end,
        follower_count = follower_count + case when id = $2 then step else 0 end
    from set_follow where id in ($1, $2) and step <> 0
), event as (
    insert into outbox (id, routing_key, payload, request_id, traceparent)
    overriding system value
    select version, $3, $4::text::jsonb, $5, $6 from set_follow where step <> 0
)
select (select version from set_follow) as version, array(select id from people) as existing,
    array(select id from people where active) as active
"""
_FOLLOW = _SET_FOLLOW.format(
    change="""
    insert into follow (follower_id, followed_id, active, version)
    select $1, $2, true, nextval('outbox_id_seq') from people
    having count(*) filter (where active) = 2
    on conflict (follower_id, followed_id) do update set active = true, version =
        case when follow.active then follow.version else nextval('outbox_id_seq') end"""
)
_UNFOLLOW = _SET_FOLLOW.format(
    change="""
    update follow set active = false, version =
        case when follow.active then nextval('outbox_id_seq') else version end
    from (select from people having bool_or(id = $1 and active)) as follower
    where follower_id = $1 and followed_id = $2"""
)


async def follow(session: AnySession, follower_id: int, followed_id: int) -> None:
    """Idempotent. Raises CannotFollowYourself, and UserNotFound about either person."""
    if follower_id == followed_id:
        raise CannotFollowYourself
    event = UserFollowed(follower_id=follower_id, followed_id=followed_id)
    _, active = await _set_follow(session, _FOLLOW, event)
    for user_id in (follower_id, followed_id):
        if user_id not in active:
            raise UserNotFound(user_id)


async def unfollow(session: AnySession, follower_id: int, followed_id: int) -> None:
    """Idempotent, also for a followed person who is deactivated. Raises UserNotFound."""
    event = UserUnfollowed(follower_id=follower_id, followed_id=followed_id)
    existing, active = await _set_follow(session, _UNFOLLOW, event)
    if follower_id not in active:
        raise UserNotFound(follower_id)
    if followed_id not in existing:
        raise UserNotFound(followed_id)


async def _set_follow(
    session: AnySession, statement: str, event: UserFollowed | UserUnfollowed
) -> tuple[list[int], list[int]]:
    """Which of the two people exist, and which are active. Nothing is changed unless the follower,
    and for a follow both people, are active."""
    ((version, existing, active),) = await fetch(
        session, statement, event.follower_id, event.followed_id, *outbox.values(event)
    )
    if version is not None:
        outbox.name_in_response(session, version)
    return existing, active
