"""The operator's console of tweets. It uses the settings of the service and needs no API key.

`python -m operate` has the same commands and runs them with the settings of an installation:

`python -m operate moderation reports`
`python -m operate moderation hide 31 confidential --note "It names a customer."`
`python -m operate moderation restore 31`
`python -m operate moderation close 5 --note "We talked to them."`
`python -m operate announcements list`
`python -m operate announcements end 31`
`python -m operate announcements remind 31`
`python -m operate announcements acknowledgements 31 > acknowledgements.csv`
"""

import argparse
import sys
from contextlib import AbstractAsyncContextManager

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.process import console

from . import announcements, moderation
from .models import ReportReason
from .settings import Settings

MAX_LISTED = 100
_NOBODY = 0
"""The operator is none of the people who confirm announcements."""


def _transaction() -> AbstractAsyncContextManager[AsyncSession]:
    return console.transaction(Settings())


async def open_reports() -> str:
    """The newest open reports, one per line."""
    async with _transaction() as session:
        rows, _ = await moderation.reports(session, closed=False, cursor=None, limit=MAX_LISTED)
    lines = []
    for row in rows:
        about = f"tweet {row['tweet_id']} of" if row["tweet_id"] else "person"
        lines.append(
            f"{row['id']}  {row['reason']}  {about} {row['user_id']} {row['user_name'] or ''}"
        )
    return "\n".join(lines) or "No report is open."


async def hide(tweet_id: int, reason: ReportReason, note: str) -> str:
    """Raises TweetNotFound."""
    async with _transaction() as session:
        await moderation.hide_tweet(session, tweet_id, reason, note, actor_id=None)
    return f"The tweet {tweet_id} is hidden."


async def restore(tweet_id: int) -> str:
    """Raises TweetNotFound."""
    async with _transaction() as session:
        await moderation.restore_tweet(session, tweet_id, actor_id=None)
    return f"The tweet {tweet_id} is not hidden."


async def close(report_id: int, note: str) -> str:
    """Raises ReportNotFound and ReportAlreadyClosed."""
    async with _transaction() as session:
        await moderation.close_report(session, report_id, note, actor_id=None)
    return f"The report {report_id} is closed."


async def announcements_in_force() -> str:
    """The newest announcements that are in force, one per line."""
    async with _transaction() as session:
        rows = await announcements.in_force(session, _NOBODY)
    lines = [
        f"{row['tweet_id']}  until {row['until']:%Y-%m-%d %H:%M} UTC"
        f"  {row['author_id']} {row['author_name'] or ''}"
        for row in rows
    ]
    return "\n".join(lines) or "No announcement is in force."


async def end_announcement(tweet_id: int) -> str:
    """Raises AnnouncementNotFound."""
    async with _transaction() as session:
        await announcements.end(session, tweet_id, None)
    return f"The announcement {tweet_id} is over."


async def remind(tweet_id: int) -> str:
    """Raises what `announcements.remind` raises."""
    async with _transaction() as session:
        people = await announcements.remind(session, tweet_id, None)
    return f"People who are reminded: {people}"


async def acknowledgements(tweet_id: int) -> str:
    """Who has confirmed an announcement and who has not, as CSV. Raises AnnouncementNotFound."""
    async with _transaction() as session:
        done, missing = await announcements.everybody(session, tweet_id, None)
    return announcements.as_csv([*done, *missing]).rstrip()


def _parser() -> argparse.ArgumentParser:
    """Each command sets `action`, a function from the arguments to a coroutine."""
    parser = argparse.ArgumentParser(prog="console", description=__doc__)
    parsers = parser.add_subparsers(dest="command", required=True)
    commands = parsers.add_parser("moderation", help="read reports, hide and restore tweets")
    changes = commands.add_subparsers(dest="change", required=True)
    command = changes.add_parser("reports", help="print the open reports, newest first")
    command.set_defaults(action=lambda given: open_reports())
    command = changes.add_parser("hide", help="hide a tweet")
    command.add_argument("tweet", type=int, help="the tweet's id")
    command.add_argument("reason", choices=list(ReportReason), type=ReportReason)
    command.add_argument("--note", default="", help="the author reads it")
    command.set_defaults(action=lambda given: hide(given.tweet, given.reason, given.note))
    command = changes.add_parser("restore", help="restore a hidden tweet")
    command.add_argument("tweet", type=int, help="the tweet's id")
    command.set_defaults(action=lambda given: restore(given.tweet))
    command = changes.add_parser("close", help="close a report")
    command.add_argument("report", type=int, help="the report's id")
    command.add_argument("--note", default="", help="moderators read it")
    command.set_defaults(action=lambda given: close(given.report, given.note))
    _add_announcements(parsers)
    return parser


_ANNOUNCEMENTS_HAVE_AUTHORS = (
    "An announcement is somebody's tweet, so a person must post it, in the page or by"
    " POST /api/announcements. The person needs the role of an announcer:"
    " `operate role give announcer NAME`."
)


def _add_announcements(parsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    commands = parsers.add_parser("announcements", help="list, end and follow up announcements")
    changes = commands.add_subparsers(dest="change", required=True)
    command = changes.add_parser("list", help="print those in force, newest first")
    command.set_defaults(action=lambda given: announcements_in_force())
    for name, action, meaning in (
        ("end", end_announcement, "end one early"),
        ("remind", remind, "remind those who have not confirmed it, once an hour"),
        ("acknowledgements", acknowledgements, "print as CSV who has confirmed it and who has not"),
    ):
        command = changes.add_parser(name, help=meaning)
        command.add_argument("tweet", type=int, help="the announcement's id")
        command.set_defaults(action=lambda given, action=action: action(given.tweet))
    command = changes.add_parser("post", help="not possible here: an announcement has an author")
    command.add_argument("words", nargs="*")
    command.set_defaults(action=lambda given: command.error(_ANNOUNCEMENTS_HAVE_AUTHORS))


def main() -> int:
    return console.run(_parser())


if __name__ == "__main__":
    sys.exit(main())
