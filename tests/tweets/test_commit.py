"""If the commit fails, the response is an error without the id of a tweet."""

import httpx
import pytest
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute


async def refuse_at_commit(database: Database, code: str) -> None:
    statements = (
        "create or replace function refuse() returns trigger language plpgsql as"
        f" $$ begin raise exception 'refused at commit' using errcode = '{code}'; end $$",
        "drop trigger if exists refused on tweet",
        "create constraint trigger refused after insert on tweet deferrable initially deferred"
        " for each row execute function refuse()",
    )
    async with database.transaction() as session:
        for statement in statements:
            await execute(session, text(statement))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise_exception", (500, "InternalError")),
        ("disk_full", (503, "ServiceUnavailable")),
        ("too_many_connections", (503, "ServiceUnavailable")),
        ("crash_shutdown", (503, "ServiceUnavailable")),
        ("read_only_sql_transaction", (503, "ServiceUnavailable")),
    ],
)
async def test_a_commit_that_fails_leaves_neither_tweet_nor_event(
    tweets: httpx.AsyncClient, database: Database, code: str, expected: tuple[int, str]
) -> None:
    await refuse_at_commit(database, code)

    response = await tweets.post(
        "/api/tweets", json={"tweet_data": "…"}, headers=testing.identity_headers("tweets", 1)
    )

    assert (response.status_code, response.json()["error_type"]) == expected
    assert "warble-events" not in response.headers
    async with database.transaction() as session:
        for table in ("tweet", "outbox"):
            rows = await execute(session, text(f"select count(*) from {table}"))
            assert rows.scalar_one() == 0
