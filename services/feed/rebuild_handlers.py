"""The bulk handlers of a rebuild: each applies many events of one class, in a few statements.

A rebuild of the feed applies all events that were ever published. One statement for each would take
too long, so the rebuild uses these twins of the handlers in `handlers`. They may be simpler in two
ways. Handlers commute, so a bulk handler need not keep the order of its events; of several events
about the same thing it applies only the one with the highest version. And only the rebuild writes
to the copy that it fills, so no row needs a lock. A test compares the tables that both modules
produce.

Tweets, likes and follows are handled many at once by the consumer too: the importer finds their
bulk handlers in the subscriptions. Classes of which there are few events have none.
"""

from collections.abc import Mapping, Sequence

from chassis.database.session import AnySession, fetch
from chassis.messaging.events import Event
from chassis.messaging.subscriptions import BulkHandler

from .events import UserRegistered

# `distinct on`: one insert cannot change the same row twice.
_SET_NAMES = """
insert into person (id, name, version)
select distinct on (id) id, name, version
from unnest($1::bigint[], $2::text[], $3::bigint[]) as event (id, name, version)
order by id, version desc
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
"""


async def _set_names(session: AnySession, events: Sequence[tuple[UserRegistered, int]]) -> None:
    columns = zip(*((event.user_id, event.name, version) for event, version in events), strict=True)
    await fetch(session, _SET_NAMES, *columns)


rebuild_handlers: Mapping[type[Event], BulkHandler] = {
    UserRegistered: _set_names,
}
