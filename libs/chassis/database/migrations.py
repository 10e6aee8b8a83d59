"""A service's Alembic migrations, run from Python: there is no alembic.ini.

A service's `migrations/env.py` calls `run_migrations`, its revisions call `run_script`. Apart from
them, only the `migrate` and `rebuild` commands import this module, so api and worker processes do
not load Alembic.
"""

import asyncio
import importlib
from pathlib import Path
from typing import Any

from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text

from chassis.database.session import Database
from chassis.settings import ServiceSettings


def alembic_config(package: str, settings: ServiceSettings, schema: str | None = None) -> Config:
    """Alembic's configuration for the service in `package`, such as `services.feed`.

    `schema` is the schema to migrate, as for `Database`: by default the service's own.
    """
    config = Config()
    folder = Path(importlib.import_module(package).__path__[0])
    config.set_main_option("script_location", str(folder / "migrations"))
    config.attributes["settings"] = settings
    config.attributes["schema"] = schema
    config.attributes["metadata"] = importlib.import_module(f"{package}.models").metadata
    return config


def upgrade(package: str, settings: ServiceSettings, schema: str | None = None) -> None:
    """Migrates the service's schema to the newest revision. Idempotent, and safe to run twice at
    the same time."""
    command.upgrade(alembic_config(package, settings, schema), "head")


def run_migrations() -> None:
    """Runs what Alembic's command asks for; a `migrations/env.py` consists of this call."""
    settings: ServiceSettings = context.config.attributes["settings"]
    metadata: MetaData = context.config.attributes["metadata"]

    def migrate(connection: Connection) -> None:
        context.configure(
            connection=connection, target_metadata=metadata, compare_server_default=True
        )
        with context.begin_transaction():
            # Without the lock, two concurrent migrations would both create the version table.
            connection.execute(
                text("select pg_advisory_xact_lock(hashtext(:name))"),
                {"name": f"warble-migrate-{settings.service}"},
            )
            context.run_migrations()

    async def connect_and_migrate() -> None:
        database = Database(settings, context.config.attributes["schema"])
        try:
            async with database.engine.connect() as connection:
                await connection.run_sync(migrate)
                await connection.commit()
        finally:
            await database.close()

    asyncio.run(connect_and_migrate())


def run_script(script: str) -> None:
    """Runs several SQL statements within the migration's transaction.

    The statements go to asyncpg's connection, because a prepared statement, which SQLAlchemy uses,
    cannot hold more than one.
    """
    adapted: Any = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda connection: connection.execute(script))
