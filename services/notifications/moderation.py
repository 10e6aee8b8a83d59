"""Stores what moderators decide as notifications of those concerned.

Each decision is a row of its own, whose `subject_id` is the version: a tweet may be hidden,
restored and hidden again. All about one tweet are in one group.
"""

from datetime import datetime

from chassis.database.session import AnySession, fetch

from . import positions
from .events import ReportClosed, TweetHidden, TweetRestored
from .shared_sql import storing

_MODERATE = storing("""
incoming as (
    select
        $1::text as family, 'moderation' as kind, $2::bigint as subject_id,
        $3::bigint as recipient_id, 0::bigint as actor_id, $4::bigint as group_subject_id,
        null::bigint as root_id, true as active, $2::bigint as version,
        $5::timestamptz as occurred_at
    where not exists (select from erasure where user_id = $3)
)
""")
# A tweet whose event has not arrived gets a placeholder.
_SET_REASON = """
insert into tweet (id, hidden_reason, hidden_version) values ($1, $2, $3)
on conflict (id) do update set
    hidden_reason = excluded.hidden_reason, hidden_version = excluded.hidden_version
where tweet.hidden_version < excluded.hidden_version
"""


async def tell_author(
    session: AnySession, event: TweetHidden | TweetRestored, version: int
) -> None:
    """Tells an author that a tweet was hidden or restored."""
    await positions.lock(session)
    family = "hidden" if isinstance(event, TweetHidden) else "restored"
    if isinstance(event, TweetHidden):
        await fetch(session, _SET_REASON, event.tweet_id, event.reason, version)
    await _moderate(session, family, version, event.author_id, event.tweet_id, event.occurred_at)


async def tell_reporter(session: AnySession, event: ReportClosed, version: int) -> None:
    """Tells a person that their report was closed."""
    await positions.lock(session)
    # Reports and tweets are numbered independently; the sign keeps their groups apart.
    subject_id = -event.report_id
    await _moderate(session, "report", version, event.reporter_id, subject_id, event.occurred_at)


async def _moderate(
    session: AnySession,
    family: str,
    version: int,
    recipient_id: int,
    group_subject_id: int,
    occurred_at: datetime,
) -> None:
    await fetch(session, _MODERATE, family, version, recipient_id, group_subject_id, occurred_at)
