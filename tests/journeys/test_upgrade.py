"""Migrations run while the previous version serves; no data is lost and no call fails."""

import asyncio
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.rabbitmq.definitions import definitions
from devstack import repository
from devstack.instance import Instance
from devstack.keys import write_private
from devstack.repository import REPOSITORY
from operate import postgres
from tests.chaos.faults import broker
from tests.conftest import TWO_REPLICAS

from .company import Company, company_at
from .load import crowd_of

MIGRATIONS = "services/*/migrations/versions/*.py"
TABLES = """
select relname from pg_class
where relnamespace = to_regnamespace($1) and relkind = 'r' and relname <> 'alembic_version'
  and pg_get_userbyid(relowner) = current_user
"""
ROUNDS = 5
SETTINGS = {
    "WARBLE_HOME": os.environ.get("WARBLE_TEST_HOME", ".local/test") + "-upgraded",
    "WARBLE_PORT": str(int(os.environ.get("WARBLE_TEST_PORT", "18000")) + 200),
    "WARBLE_ENV_FILE": "",
    "GATEWAY_RATE_LIMITS": "off",
    "GATEWAY_WEB_DIR": str(REPOSITORY / "web" / "public"),
    **TWO_REPLICAS,
}
"""The settings of a system that one version starts and the next version takes over."""


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _commit_before() -> str:
    """The last commit without the newest migration. Raises CalledProcessError if there is none.

    `WARBLE_TEST_UPGRADE_FROM` names an earlier commit to use.
    """
    if commit := os.environ.get("WARBLE_TEST_UPGRADE_FROM"):
        return commit
    if _git("status", "--porcelain", "--", MIGRATIONS):
        return "HEAD"
    newest = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", MIGRATIONS)
    return _git("rev-parse", "--verify", f"{newest}^")


@dataclass(frozen=True)
class Version:
    tree: Path

    def local(self, *arguments: str) -> str:
        """Runs this version's devstack; returns its output. Raises CalledProcessError."""
        home = str(REPOSITORY / SETTINGS["WARBLE_HOME"])
        environment = {**os.environ, **SETTINGS, "WARBLE_HOME": home, "YES": "1"}
        # Older versions have the same commands in the module deploy.local.
        module = "devstack" if (self.tree / "devstack").exists() else "deploy.local"
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.tree,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def services(self) -> list[str]:
        return [name for name in repository.SERVICES if (self.tree / "services" / name).exists()]

    def migrate(self, service: str, running: "Version") -> None:
        """Migrates the database that `running` uses, with its settings and this version's code."""
        variables = running.local("env", service)
        path = f"export PYTHONPATH={self.tree}:{self.tree / 'libs'}"
        command = (
            f"{variables}\n{path}\nexec {sys.executable} -m chassis migrate services.{service}"
        )
        subprocess.run(["/bin/sh", "-c", command], cwd=self.tree, check=True)


TODAY = Version(REPOSITORY)


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Version]:
    """The version before the newest migration, running as a separate system."""
    try:
        commit = _commit_before()
        _git("archive", f"--output={tmp_path / 'before.tar'}", commit)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this clone does not reach back to the version before the newest migration")
    tree = tmp_path / "before"
    with tarfile.open(tmp_path / "before.tar") as archive:
        archive.extractall(tree, filter="data")
    (tree / ".venv").symlink_to(REPOSITORY / ".venv")
    version = Version(tree)
    TODAY.local("reset")
    try:
        version.local("up")
        yield version
    finally:
        TODAY.local("reset")


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_the_version_before_serves_on_the_schema_of_this_one_until_this_one_takes_over(
    before: Version,
) -> None:
    instance = Instance(
        REPOSITORY / SETTINGS["WARBLE_HOME"], int(SETTINGS["WARBLE_PORT"]), SETTINGS
    )
    async with company_at(instance) as company:
        crowd = await crowd_of(company, 3)
        async with crowd.busy():
            await crowd.go_on(ROUNDS)
            await _allow_new_kinds_of_events(instance)
            for service in before.services():
                await asyncio.to_thread(TODAY.migrate, service, before)
                await crowd.go_on(1)
            await company.hire("Somebody new")
            await crowd.go_on(ROUNDS)
        await crowd.read_what_was_written()

        TODAY.local("up")
        await crowd.read_what_was_written()
        for member in crowd.members:
            await member.go_round()
        await crowd.read_what_was_written()


async def _allow_new_kinds_of_events(instance: Instance) -> None:
    """Gives the accounts at the broker this version's permissions: see docs/operations.md."""
    accounts = (*repository.SERVICES, "gateway")
    passwords = {name: instance.secrets[f"broker_{name}"] for name in accounts}
    file = instance.root / "definitions.json"
    write_private(file, definitions(instance.secrets["broker_password"], passwords))
    await broker.control(broker.plan_of(instance), "import_definitions", str(file))


async def _alter_every_table(stack: Instance, service: str, change: str) -> None:
    """Changes tables as migrations do: as the service's role, each table in its own transaction.

    A transaction that locks several tables could deadlock with a request.
    """
    async with postgres.connect(stack.service_environment(service)) as connection:
        tables = [row["relname"] for row in await connection.fetch(TABLES, service)]
        assert tables
        for table in tables:
            async with connection.transaction():
                await connection.execute(change.format(table=table))


@pytest.mark.exclusive
async def test_columns_and_indexes_that_a_next_version_adds_disturb_nobody(
    company: Company, stack: Instance
) -> None:
    """Applies the permitted changes to this version; works in a clone without history, too."""
    add = (
        "alter table {table} add column of_the_next text not null default 'x';"
        "create index {table}_of_the_next on {table} (of_the_next)"
    )
    take_away = "alter table {table} drop column if exists of_the_next"
    crowd = await crowd_of(company, 3)
    try:
        async with crowd.busy():
            await crowd.go_on(1)
            for service in repository.SERVICES:
                await _alter_every_table(stack, service, add)
                await crowd.go_on(1)
            await crowd.go_on(ROUNDS)
        await crowd.read_what_was_written()
    finally:
        for service in repository.SERVICES:
            await _alter_every_table(stack, service, take_away)
