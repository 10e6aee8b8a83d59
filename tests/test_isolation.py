"""The database role of each service can access its own schema and no other."""

import asyncpg
import pytest

from devstack.instance import Instance
from devstack.repository import SERVICES
from operate import postgres


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_is_refused_every_schema_but_its_own(stack: Instance, service: str) -> None:
    async with postgres.connect(stack.service_environment(service)) as connection:
        for schema in SERVICES:
            statement = f"select * from {schema}.alembic_version"
            if schema == service:
                assert await connection.fetchval(statement)
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                    await connection.fetchval(statement)
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                    await connection.execute(f"create table {schema}.planted (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("create table public.planted (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("create schema planted")
