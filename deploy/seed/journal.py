"""What the API has acknowledged, on disk: an import that was killed goes on where it stopped.

People and tweets are journaled one by one, for the ids that the API gave them. Follows and likes
have none: for them it is enough to know how far everything is done.
"""

import sqlite3
import time
from pathlib import Path

RESERVED = 200
"""How far ahead it is written down what may have been sent without an answer in the journal."""
_BATCH, _SECONDS = 50, 0.5

_TABLES = """
create table if not exists mark (name text primary key, value integer not null);
create table if not exists person (
    number integer primary key, id integer not null, key text not null
);
create table if not exists tweet (number integer primary key, id integer not null);
"""


class Busy(Exception):
    """Another process writes this journal."""


class Journal:
    """Commits every so often: what a kill in between loses is sent again, or looked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=1)
        try:
            # The lock keeps a second import of the same file from sending everything again.
            self._database.execute("pragma locking_mode = exclusive")
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.executescript(_TABLES)
            self._database.execute("begin immediate")
        except sqlite3.OperationalError as error:
            self._database.close()
            raise Busy(f"Another import writes {path}: wait for it, or stop it.") from error
        self._unsaved = 0
        self._saved_at = time.monotonic()

    def close(self) -> None:
        self._database.execute("commit")
        self._database.close()

    def wipe(self) -> None:
        for table in ("mark", "person", "tweet"):
            self._database.execute(f"delete from {table}")  # noqa: S608 (names of our own)
        self.save()

    def save(self) -> None:
        self._database.execute("commit")
        self._database.execute("begin immediate")
        self._unsaved, self._saved_at = 0, time.monotonic()

    def _written(self) -> None:
        self._unsaved += 1
        if self._unsaved >= _BATCH or time.monotonic() - self._saved_at > _SECONDS:
            self.save()

    # What came back.

    def people(self) -> dict[int, tuple[int, str]]:
        """Id and key by number."""
        rows = self._database.execute("select number, id, key from person")
        return {number: (user_id, key) for number, user_id, key in rows}

    def tweets(self) -> dict[int, int]:
        """Id by number."""
        return dict(self._database.execute("select number, id from tweet"))

    def add_person(self, number: int, user_id: int, key: str) -> None:
        row = (number, user_id, key)
        self._database.execute("insert or replace into person values (?, ?, ?)", row)
        self._written()

    def add_tweet(self, number: int, tweet_id: int) -> None:
        self._database.execute("insert or replace into tweet values (?, ?)", (number, tweet_id))
        self._written()

    # How far.

    def mark(self, name: str) -> int:
        row = self._database.execute("select value from mark where name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def set_mark(self, name: str, value: int) -> None:
        statement = "insert or replace into mark values (?, ?)"
        self._database.execute(statement, (name, value))
        self._written()

    def reserve(self, what: str, number: int) -> None:
        """To be called before a number is sent for the first time: it is on disk on return."""
        if number >= self.mark(what):
            self.set_mark(what, number + RESERVED)
            self.save()
