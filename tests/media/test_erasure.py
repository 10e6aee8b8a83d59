"""An erasure deletes a person's pictures from the store and their records."""

from datetime import UTC, datetime, timedelta

import httpx
from fastapi import FastAPI
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.media.events import TweetDeleted, UserErased
from services.media.handlers import subscriptions
from services.media.privacy import eraser

from . import samples
from .test_api import upload_record


async def test_an_erased_persons_pictures_are_hidden_and_then_deleted(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    records = [await upload_record(media, samples.picture("PNG")) for _ in range(3)]
    owner = records[0]["owner_id"]
    paths = [record[kind] for record in records for kind in ("path", "thumbnail")]
    names = {path.rpartition("/")[2] for path in paths}
    event = UserErased(user_id=owner)
    await testing.deliver(database, subscriptions, event.routing_key, event, 900_001, "users")

    assert await eraser(app.state.storage).run_pass(
        database, None, owner, grace_period=timedelta(0)
    )

    assert {(await media.get(path)).status_code for path in paths} == {404}
    assert not names & set(await app.state.storage.names_before(_tomorrow()))
    late = TweetDeleted(media_ids=[record["id"] for record in records])
    await testing.deliver(database, subscriptions, late.routing_key, late, 900_002, "tweets")
    async with database.transaction() as session:
        remaining = await execute(
            session, text("select count(*) from media where owner_id = :id"), {"id": owner}
        )
        assert remaining.scalar_one() == 0
        payloads = await execute(
            session,
            text("select payload from outbox where payload ->> 'owner_id' = :id"),
            {"id": str(owner)},
        )
        for payload in payloads.scalars():
            assert not names & set(str(payload).replace("/", "'").split("'"))
            assert payload["path"] == ""


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)
