"""Stores on disk what the API has acknowledged, so that an interrupted import can continue.

People and tweets are stored one by one, with the ids that the API assigned. Follows and likes have
no ids: for these the journal stores a position, before which everything has been sent.

To commit after every response would be slow. So a killed import may have sent more than the journal
says, but never more than `RESERVED` ahead of it: `reserve` stores that limit before the first call
beyond it. After a restart, people between the two positions are searched by name before they are
registered again; tweets, follows and likes are simply repeated, which the API allows.
"""

import sqlite3
import time
from pathlib import Path

RESERVED = 200
"""How many calls may be ahead of the stored position."""
_MAX_UNSAVED, _MAX_UNSAVED_SECONDS = 50, 0.5

_TABLES = """
create table if not exists mark (name text primary key, value integer not null);
create table if not exists person (
    number integer primary key, id integer not null, key text not null
);
create table if not exists tweet (number integer primary key, id integer not null);
"""


class JournalLocked(Exception):
    """Another import uses this journal."""


class Journal:
    """Raises JournalLocked if another process has opened the same journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=1)
        try:
            # The lock prevents a second import of the same file, which would send everything twice.
            self._database.execute("pragma locking_mode = exclusive")
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.executescript(_TABLES)
            self._database.execute("begin immediate")
        except sqlite3.OperationalError as error:
            self._database.close()
            raise JournalLocked(
                f"Another import of this file is running and has locked {path}. "
                "Wait until it ends, or stop it."
            ) from error
        self._unsaved = 0
        self._saved_at = time.monotonic()

    def close(self) -> None:
        self._database.execute("commit")
        self._database.close()

    def wipe(self) -> None:
        for table in ("mark", "person", "tweet"):
            self._database.execute(f"delete from {table}")  # noqa: S608 (constant names)
        self.save()

    def save(self) -> None:
        self._database.execute("commit")
        self._database.execute("begin immediate")
        self._unsaved, self._saved_at = 0, time.monotonic()

    def _row_written(self) -> None:
        self._unsaved += 1
        if (
            self._unsaved >= _MAX_UNSAVED
            or time.monotonic() - self._saved_at > _MAX_UNSAVED_SECONDS
        ):
            self.save()

    # People and tweets: one row each.

    def people(self) -> dict[int, tuple[int, str]]:
        """Id and key by the person's number in the plan."""
        rows = self._database.execute("select number, id, key from person")
        return {number: (user_id, key) for number, user_id, key in rows}

    def tweets(self) -> dict[int, int]:
        """Id by the tweet's number in the plan."""
        return dict(self._database.execute("select number, id from tweet"))

    def add_person(self, number: int, user_id: int, key: str) -> None:
        row = (number, user_id, key)
        self._database.execute("insert or replace into person values (?, ?, ?)", row)
        self._row_written()

    def add_tweet(self, number: int, tweet_id: int) -> None:
        self._database.execute("insert or replace into tweet values (?, ?)", (number, tweet_id))
        self._row_written()

    # Positions.

    def position(self, name: str) -> int:
        row = self._database.execute("select value from mark where name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def set_position(self, name: str, value: int) -> None:
        statement = "insert or replace into mark values (?, ?)"
        self._database.execute(statement, (name, value))
        self._row_written()

    def reserve(self, name: str, number: int) -> None:
        """Must precede the first call for a number. On return the limit is on disk."""
        if number >= self.position(name):
            self.set_position(name, number + RESERVED)
            self.save()
