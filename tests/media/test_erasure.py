"""An erased person's pictures are gone from the store and from the records."""

from datetime import UTC, datetime, timedelta

import httpx
from fastapi import FastAPI
from sqlalchemy import text

from chassis import testing
from chassis.database import Database, execute
from services.media.erasing import eraser
from services.media.events import TweetDeleted, UserErased
from services.media.handlers import subscriptions

from . import samples
from .test_api import recorded


async def test_pictures_are_hidden_then_gone_with_their_words_and_addresses(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    records = [await recorded(media, samples.picture("PNG")) for _ in range(3)]
    owner = records[0]["owner_id"]
    paths = [record[kind] for record in records for kind in ("path", "thumbnail")]
    names = {path.rpartition("/")[2] for path in paths}
    event = UserErased(user_id=owner)
    await testing.deliver(database, subscriptions, event.routing_key, event, 900_001, "users")

    assert await eraser(app.state.storage).advance(database, None, owner, settle=timedelta(0))

    assert {(await media.get(path)).status_code for path in paths} == {404}
    assert not names & set(await app.state.storage.names_before(_tomorrow()))
    late = TweetDeleted(media_ids=[record["id"] for record in records])
    await testing.deliver(database, subscriptions, late.routing_key, late, 900_002, "tweets")
    async with database.transaction() as session:
        kept = await execute(
            session, text("select count(*) from media where owner_id = :id"), {"id": owner}
        )
        assert kept.scalar_one() == 0
        told = await execute(
            session,
            text("select payload from outbox where payload ->> 'owner_id' = :id"),
            {"id": str(owner)},
        )
        for payload in told.scalars():
            assert not names & set(str(payload).replace("/", "'").split("'"))
            assert payload["path"] == ""


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)
