"""What a rebuild needs: functions that apply many events at once, and what no event can restore.

For tweets, likes and follows the importer finds these functions in the subscriptions. Classes of
which there are few events have none: the importer calls their handler.

Events do not restore what people have chosen and seen, so a rebuild keeps these tables. Neither do
they restore in which order events arrived, who followed a thread or watched a person at the time of
a tweet, and which groups were read: `carry_over` takes this from the projection that serves.
"""

from collections.abc import Mapping

from chassis.messaging.events import Event
from chassis.messaging.subscriptions import BulkHandler
from chassis.projections.shadow_schema import CarryOver

from .events import UserRegistered
from .handlers import set_names
from .models import KEPT_TABLES

rebuild_handlers: Mapping[type[Event], BulkHandler] = {
    UserRegistered: set_names,
}

_SAME_NOTIFICATION = """
existing.family = rebuilt.family and existing.subject_id = rebuilt.subject_id
    and existing.recipient_id = rebuilt.recipient_id and existing.actor_id = rebuilt.actor_id
"""
# `shown` may be out of date if the actor has been deactivated meanwhile.
_KEEP_CHOSEN = """
insert into {copy}.notification (
    family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id, active, shown,
    version, occurred_at
)
select
    family, subject_id, recipient_id, actor_id, kind, group_subject_id, existing.root_id, active,
    not coalesce(actor.hidden, false), existing.version, occurred_at
from {serving}.notification as existing
join {copy}.tweet on tweet.id = subject_id and not tweet.deleted
left join {copy}.person as actor on actor.id = actor_id
where kind in ('thread', 'watch')
    and not exists (select from {copy}.erasure where user_id = recipient_id)
on conflict do nothing
"""
_KEEP_SEQ = f"""
update {{copy}}.notification as rebuilt set seq = existing.seq
from {{serving}}.notification as existing
where {_SAME_NOTIFICATION} and rebuilt.seq <> existing.seq
"""  # noqa: S608  only constants are inserted
# Notifications that the serving projection lacks are new to their recipients.
_GIVE_SEQ = f"""
with missed as (
    select family, subject_id, recipient_id, actor_id,
        row_number() over (order by occurred_at, subject_id, recipient_id, actor_id) as number
    from {{copy}}.notification as rebuilt
    where shown and not exists (
        select from {{serving}}.notification as existing where {_SAME_NOTIFICATION} and seq > 0
    )
), given as (
    update {{copy}}.position set position = position + (select count(*) from missed)
    returning old.position as last
)
update {{copy}}.notification as rebuilt set seq = last + number
from missed as existing cross join given
where {_SAME_NOTIFICATION}
"""  # noqa: S608  only constants are inserted
_GROUPS = """
select recipient_id, kind, group_subject_id as subject_id, day, count(*) as size,
    max(seq) as newest_seq,
    coalesce(max(seq) filter (where occurred_at < now() - interval '7 days'), 0) as old_seq
from {copy}.notification where shown
group by recipient_id, kind, group_subject_id, day
"""
_SET_GROUPS = f"""
insert into {{copy}}.notification_group (
    recipient_id, kind, subject_id, day, size, newest_seq, read_seq
)
select recipient_id, kind, subject_id, day, derived.size, derived.newest_seq,
    coalesce(existing.read_seq, derived.old_seq)
from ({_GROUPS}) as derived
left join {{serving}}.notification_group as existing using (recipient_id, kind, subject_id, day)
on conflict (recipient_id, kind, subject_id, day) do update set
    size = excluded.size, newest_seq = excluded.newest_seq, read_seq = excluded.read_seq
where (notification_group.size, notification_group.newest_seq, notification_group.read_seq)
    <> (excluded.size, excluded.newest_seq, excluded.read_seq)
"""  # noqa: S608  only constants are inserted
_DELETE_GROUPS = """
delete from {copy}.notification_group as stored where not exists (
    select from {copy}.notification as rebuilt
    where shown and (rebuilt.recipient_id, rebuilt.kind, rebuilt.group_subject_id, rebuilt.day)
        = (stored.recipient_id, stored.kind, stored.subject_id, stored.day)
)
"""

carry_over = CarryOver(
    kept_tables=KEPT_TABLES,
    statements=(_KEEP_CHOSEN, _KEEP_SEQ, _GIVE_SEQ, _SET_GROUPS, _DELETE_GROUPS),
)
