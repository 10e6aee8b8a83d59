"""Each service's migrations lead from an empty schema to the models, and keep existing data."""

import asyncio
import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command

from chassis.database import migrations
from devstack.instance import Instance
from operate import postgres

ROWS = {
    "users": "insert into person (name, folded) values ('Ann', 'ann')",
    "tweets": "insert into tweet (author_id, content, created_at) values (1, 'x', now())",
    "media": (
        "insert into media (owner_id, name, content_type, size, width, height)"
        " values (1, 'x', 'image/png', 1, 1, 1)"
    ),
    "feed": "insert into tweet (id, author_id, card) values (1, 1, '')",
    "notifications": "insert into tweet (id, author_id) values (1, 1)",
}


@pytest.mark.parametrize(
    "service",
    ["users", *(pytest.param(name, marks=pytest.mark.slow) for name in ROWS if name != "users")],
)
async def test_two_migrations_at_once_lead_to_the_newest_revision_and_keep_what_is_there(
    apart: Instance, service: str
) -> None:
    await _migrate_twice_at_once(apart, service)
    async with postgres.connect(apart.service_environment(service)) as connection:
        await connection.execute(ROWS[service])
        await _migrate_twice_at_once(apart, service)

        table = ROWS[service].split()[2]
        assert await connection.fetchval(f"select count(*) from {table}") == 1


@pytest.mark.parametrize("service", ROWS)
async def test_a_chain_ends_where_the_models_are(
    as_service: Callable[[str], None], service: str
) -> None:
    as_service(service)
    settings = importlib.import_module(f"services.{service}.settings").Settings()
    config = migrations.alembic_config(f"services.{service}", settings)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(command.check, config).result()


async def _migrate_twice_at_once(apart: Instance, service: str) -> None:
    """Runs two migrations at once, as two replicas do that are rolled out together."""
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chassis", "migrate", f"services.{service}",
            env=apart.service_environment(service),
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [await process.wait() for process in running] == [0, 0]
