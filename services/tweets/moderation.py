"""Reports of tweets and people, and hiding tweets: what changes them and what reads them.

Anybody may report. A moderator reads the reports, hides a tweet or not, and closes the report; the
two are independent. A hidden tweet stays its author's: the author alone sees it, with the reason,
and may delete it. Everybody else learns that it was hidden. Restoring it undoes all of that: see
docs/adr/0039.

Hiding and restoring lock the tweet's row, so the ids of their events are versions of its state:
consumers ignore an event that is older than the state that they have.
"""

from asyncpg import Record
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity
from chassis.database import clock
from chassis.database.session import fetch
from chassis.http import paging
from chassis.messaging import outbox

from .errors import (
    CannotReportYourself,
    NotAModerator,
    ReportAlreadyClosed,
    ReportedPersonNotFound,
    ReportNotFound,
    TweetNotFound,
    TweetNotHidden,
)
from .events import ModerationActed, ReportClosed, TweetHidden, TweetRestored
from .models import ReportReason, Tweet
from .roles import MODERATOR

_AUTHOR = "select author_id from tweet where id = $1 and deleted_at is null"
_PERSON = "select from person where id = $1 and active"
# The update of an existing row changes nothing: it makes RETURNING return the row.
_REPORT = """
insert into report (reporter_id, tweet_id, user_id, reason, note, created_at)
values ($1, $2, $3, $4, $5, $6)
on conflict (reporter_id, user_id, coalesce(tweet_id, 0)) where closed_at is null
do update set reporter_id = excluded.reporter_id
returning id
"""
_CLOSE = """
update report set closed_at = $2, closure_note = $3
where id = $1 and closed_at is null
returning reporter_id, user_id
"""
_REPORT_EXISTS = "select from report where id = $1"
_COUNT_OPEN = "select count(*) as reports from report where closed_at is null"
# $1 the id before which the page begins, $2 the limit. Moderators judge by the text, so they see
# the text of a hidden tweet too. A deleted tweet has none.
_REPORTS = """
select report.id, report.reporter_id, report.tweet_id, report.user_id, report.reason, report.note,
    report.created_at, report.closed_at, report.closure_note,
    reporter.name as reporter_name, person.name as user_name,
    tweet.content, tweet.created_at as posted_at, tweet.hidden_at,
    tweet.deleted_at is not null as deleted,
    array(select path from media where media.tweet_id = report.tweet_id order by id) as attachments
from report
left join tweet on tweet.id = report.tweet_id
left join person on person.id = report.user_id
left join person as reporter on reporter.id = report.reporter_id
where report.closed_at {is_null} and report.id < $1
order by report.id desc limit $2
"""
_OPEN = _REPORTS.format(is_null="is null")
_CLOSED = _REPORTS.format(is_null="is not null")


async def report_tweet(
    session: AsyncSession, reporter_id: int, tweet_id: int, reason: ReportReason, note: str
) -> int:
    """Returns the id of the report. Raises TweetNotFound and CannotReportYourself."""
    found = await fetch(session, _AUTHOR, tweet_id)
    if not found:
        raise TweetNotFound
    return await _report(session, reporter_id, tweet_id, found[0]["author_id"], reason, note)


async def report_person(
    session: AsyncSession, reporter_id: int, user_id: int, reason: ReportReason, note: str
) -> int:
    """Returns the id of the report. Raises ReportedPersonNotFound and CannotReportYourself."""
    if not await fetch(session, _PERSON, user_id):
        raise ReportedPersonNotFound
    return await _report(session, reporter_id, None, user_id, reason, note)


async def _report(
    session: AsyncSession,
    reporter_id: int,
    tweet_id: int | None,
    user_id: int,
    reason: ReportReason,
    note: str,
) -> int:
    """The same person's open report of the same subject counts: its id is returned again."""
    if user_id == reporter_id:
        raise CannotReportYourself
    (row,) = await fetch(
        session, _REPORT, reporter_id, tweet_id, user_id, reason, note, clock.now()
    )
    report_id: int = row["id"]
    return report_id


async def close_report(
    session: AsyncSession, report_id: int, note: str, actor_id: int | None
) -> None:
    """Raises ReportNotFound and ReportAlreadyClosed."""
    for report in await fetch(session, _CLOSE, report_id, clock.now(), note):
        event = ReportClosed(report_id=report_id, reporter_id=report["reporter_id"])
        await outbox.record(session, event)
        acted = ModerationActed(
            actor_id=actor_id,
            action="report_closed",
            subject_id=report["user_id"],
            object_id=report_id,
        )
        await outbox.record(session, acted)
        return
    if await fetch(session, _REPORT_EXISTS, report_id):
        raise ReportAlreadyClosed
    raise ReportNotFound


async def count_open_reports(session: AsyncSession) -> int:
    (row,) = await fetch(session, _COUNT_OPEN)
    return int(row["reports"])


async def reports(
    session: AsyncSession, *, closed: bool, cursor: str | None, limit: int
) -> tuple[list[Record], str | None]:
    """A page of the reports, the newest first, and the cursor of the next page.

    Raises InvalidRequest for an invalid cursor.
    """
    (before,) = paging.decode(cursor, 1) if cursor is not None else (paging.MAX_ID,)
    rows = await fetch(session, _CLOSED if closed else _OPEN, before, limit)
    return rows, paging.encode(rows[-1]["id"]) if len(rows) == limit else None


async def hide_tweet(
    session: AsyncSession, tweet_id: int, reason: ReportReason, note: str, actor_id: int | None
) -> None:
    """Idempotent; another reason or note replaces the earlier one. Raises TweetNotFound."""
    tweet = await _lock_tweet(session, tweet_id)
    is_new = tweet.hidden_at is None
    is_news = is_new or tweet.hidden_reason != reason
    if is_new:
        tweet.hidden_at = clock.now()
    tweet.hidden_reason, tweet.hidden_note = reason, note
    event = TweetHidden(tweet_id=tweet_id, author_id=tweet.author_id, reason=reason)
    await _record(session, tweet, event if is_news else None, actor_id)


async def restore_tweet(session: AsyncSession, tweet_id: int, actor_id: int | None) -> None:
    """Idempotent. Raises TweetNotFound."""
    tweet = await _lock_tweet(session, tweet_id)
    was_hidden = tweet.hidden_at is not None
    tweet.hidden_at = tweet.hidden_reason = tweet.hidden_note = None
    event = TweetRestored(tweet_id=tweet_id, author_id=tweet.author_id)
    await _record(session, tweet, event if was_hidden else None, actor_id)


async def _lock_tweet(session: AsyncSession, tweet_id: int) -> Tweet:
    tweet = await session.get(Tweet, tweet_id, with_for_update=True)
    if tweet is None or tweet.deleted_at is not None:
        raise TweetNotFound
    return tweet


async def _record(
    session: AsyncSession,
    tweet: Tweet,
    event: TweetHidden | TweetRestored | None,
    actor_id: int | None,
) -> None:
    """Records the event, or names the one that brought the tweet into this state."""
    if event is not None:
        tweet.hidden_version = await outbox.record(session, event)
        acted = ModerationActed(
            actor_id=actor_id,
            action="tweet_hidden" if isinstance(event, TweetHidden) else "tweet_restored",
            subject_id=tweet.author_id,
            object_id=tweet.id,
        )
        await outbox.record(session, acted)
    elif tweet.hidden_version is not None:
        outbox.name_in_response(session, tweet.hidden_version)


async def hidden_tweet(session: AsyncSession, tweet_id: int, caller: Identity) -> Tweet:
    """Raises TweetNotFound, NotAModerator and TweetNotHidden."""
    tweet = await session.get(Tweet, tweet_id)
    if tweet is None or tweet.deleted_at is not None:
        raise TweetNotFound
    if caller.user_id != tweet.author_id and not caller.has_role(MODERATOR):
        raise NotAModerator
    if tweet.hidden_at is None:
        raise TweetNotHidden
    return tweet
