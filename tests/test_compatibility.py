"""A migration keeps everything that the statements of the previous version rely on."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from chassis.database import migrations
from devstack import repository
from devstack.instance import Instance
from operate import postgres

_COLUMNS = """
select relname || '.' || attname as name, format_type(atttypid, atttypmod) as type,
    attnotnull and not atthasdef and attidentity = '' as required
from pg_attribute join pg_class on pg_class.oid = attrelid
where relnamespace = to_regnamespace($1) and relkind = 'r' and attnum > 0 and not attisdropped
"""
# A unique index counts as a constraint. An index over an expression has no columns.
_RULES = """
select relname || ' ' || rule as name,
    array(
        select relname || '.' || attname from pg_attribute
        where attrelid = pg_class.oid and attnum = any(numbers)
    ) as columns
from (
    select conrelid as holder, conname::text as rule, conkey::int[] as numbers
    from pg_constraint where contype in ('c', 'f', 'x')
    union all
    select indrelid, indexrelid::regclass::text, indkey::int[] from pg_index where indisunique
) as rules join pg_class on pg_class.oid = holder
where relnamespace = to_regnamespace($1)
"""


@dataclass(frozen=True)
class Shape:
    """The part of a schema that the statements of a version rely on."""

    columns: dict[str, str]
    required: set[str]
    """Columns that an INSERT must contain: not null and without a default."""
    rules: dict[str, set[str]]
    """The columns of each constraint and unique index."""

    def lost_in(self, after: "Shape") -> list[str]:
        """What is missing for those statements, or what would now reject them."""
        tables = {name.partition(".")[0] for name in self.columns}
        gone = {name for name, kind in self.columns.items() if after.columns.get(name) != kind}
        required = after.required - self.required
        demanded = {name for name in required if name.partition(".")[0] in tables}
        stricter = {
            name
            for name, columns in after.rules.items()
            if name not in self.rules
            and name.partition(" ")[0] in tables
            and columns <= self.columns.keys()
        }
        return sorted(gone | demanded | stricter)


async def _shape(connection: asyncpg.Connection, service: str) -> Shape:
    columns = await connection.fetch(_COLUMNS, service)
    return Shape(
        {row["name"]: row["type"] for row in columns},
        {row["name"] for row in columns if row["required"]},
        {row["name"]: set(row["columns"]) for row in await connection.fetch(_RULES, service)},
    )


@pytest.mark.parametrize("service", repository.SERVICES)
async def test_no_revision_takes_what_the_version_before_uses(
    apart: Instance, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    """A removal is allowed if the migration names an earlier revision since which no code uses it.

    See CONTRIBUTING.
    """
    for name, value in apart.service_environment(service).items():
        monkeypatch.setenv(name, value)
    settings = importlib.import_module(f"services.{service}.settings").Settings()
    config = migrations.alembic_config(f"services.{service}", settings)
    first, *later = reversed([*ScriptDirectory.from_config(config).walk_revisions()])

    lost: dict[str, list[str]] = {}
    # Alembic starts an event loop of its own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(command.upgrade, config, first.revision).result()
        async with postgres.connect(apart.service_environment(service)) as connection:
            before = await _shape(connection, service)
            for script in later:
                thread.submit(command.upgrade, config, script.revision).result()
                after = await _shape(connection, service)
                unused_since = getattr(script.module, "unused_since", script.revision)
                if unused_since >= script.revision and (found := before.lost_in(after)):
                    lost[script.revision] = found
                before = after

    assert before.columns
    assert lost == {}


async def _left(apart: Instance, change: str) -> list[str]:
    owner = apart.database()
    async with postgres.connect(owner) as connection, connection.transaction():
        await connection.execute("create schema tried; set local search_path to tried")
        await connection.execute("create table tweet (id bigint primary key, content text)")
        before = await _shape(connection, "tried")
        await connection.execute(change)
        lost = before.lost_in(await _shape(connection, "tried"))
        await connection.execute("drop schema tried cascade")
    return lost


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ("alter table tweet drop column content", ["tweet.content"]),
        ("alter table tweet rename column content to words", ["tweet.content"]),
        ("alter table tweet rename to saying", ["tweet.content", "tweet.id"]),
        ("alter table tweet alter column content type varchar(9)", ["tweet.content"]),
        ("alter table tweet alter column content set not null", ["tweet.content"]),
        ("alter table tweet add column mood text not null", ["tweet.mood"]),
        ("alter table tweet add check (content <> '')", ["tweet tweet_content_check"]),
        ("create unique index same on tweet (content)", ["tweet same"]),
        ("alter table tweet add column mood text not null default ''", []),
        ("alter table tweet add column mood text; create unique index m on tweet (mood)", []),
        ("create table mood (id bigint primary key, of_whom bigint not null unique)", []),
        ("create index by_content on tweet (content)", []),
    ],
)
async def test_what_counts_as_taken(apart: Instance, change: str, lost: list[str]) -> None:
    assert await _left(apart, change) == lost
