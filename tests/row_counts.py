"""How many rows each statement changes in PostgreSQL, counted by triggers."""

from collections.abc import Sequence

from sqlalchemy import text

from chassis.database.session import Database, execute

_COUNT = """
create table if not exists changed_rows (name text, operation text, rows bigint);
create or replace function count_changed_rows() returns trigger language plpgsql as
$$ begin
    insert into changed_rows select tg_table_name, tg_op, count(*) from changed;
    return null;
end $$;
truncate changed_rows;
"""
_TRIGGERS = """
create or replace trigger count_deleted after delete on {table}
    referencing old table as changed for each statement execute function count_changed_rows();
create or replace trigger count_updated after update on {table}
    referencing new table as changed for each statement execute function count_changed_rows();
"""


async def count_rows(database: Database, tables: Sequence[str]) -> None:
    """Starts to count the rows that each DELETE and UPDATE of these tables changes."""
    script = _COUNT + "".join(_TRIGGERS.format(table=table) for table in tables)
    connection = await database.connect()
    await connection.execute(script)
    await connection.close()


async def largest(database: Database) -> dict[str, int]:
    """By table, the largest number of rows that one statement changed."""
    statement = text("select name, max(rows) from changed_rows where rows > 0 group by name")
    async with database.transaction() as session:
        return {row.name: row.max for row in await execute(session, statement)}
