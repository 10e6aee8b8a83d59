"""A commit that fails is an error answer: nobody is told of a tweet that is not there."""

import httpx
from sqlalchemy import text

from chassis import testing
from chassis.database import Database, execute

REFUSE_AT_COMMIT = (
    "create function refuse() returns trigger language plpgsql as"
    " $$ begin raise exception 'refused at commit'; end $$",
    "create constraint trigger refused after insert on tweet deferrable initially deferred"
    " for each row execute function refuse()",
)


async def test_a_commit_that_fails_is_a_500_and_leaves_neither_tweet_nor_event(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    async with database.transaction() as session:
        for statement in REFUSE_AT_COMMIT:
            await execute(session, text(statement))

    answer = await tweets.post(
        "/api/tweets", json={"tweet_data": "…"}, headers=testing.signed("tweets", 1)
    )

    assert (answer.status_code, answer.json()["error_type"]) == (500, "InternalError")
    assert "warble-events" not in answer.headers
    async with database.transaction() as session:
        for table in ("tweet", "outbox"):
            rows = await execute(session, text(f"select count(*) from {table}"))
            assert rows.scalar_one() == 0
