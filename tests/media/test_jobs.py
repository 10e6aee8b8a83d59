"""Pictures are removed if their tweet is deleted or they are unattached, in any order of events."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from chassis.messaging.events import Event
from services.media import commands, jobs
from services.media.events import MediaReleased, TweetDeleted
from services.media.handlers import subscriptions
from services.media.storage import new_name

from . import samples
from .test_api import upload_record, uploaded

_numbers = count(1)


async def deliver(database: Database, event: Event, number: int | None = None) -> None:
    key = event.routing_key
    number = number or next(_numbers)
    await testing.deliver(database, subscriptions, key, event, number, source="tweets")


async def expired_media(database: Database) -> list[int]:
    """The pictures about which `media.expired.v1` was recorded, the first one first."""
    statement = text(
        "select (payload ->> 'media_id')::bigint from outbox"
        " where routing_key = 'media.expired.v1' order by id"
    )
    async with database.transaction() as session:
        return list((await execute(session, statement)).scalars())


async def test_a_deleted_tweets_picture_is_hidden_at_once_and_then_purged(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    record = await upload_record(media, samples.picture("PNG"))
    media_id, paths = record["id"], {record["path"], record["thumbnail"]}
    names = {path.rpartition("/")[2] for path in paths}
    assert {(await media.get(path)).status_code for path in paths} == {200}

    await deliver(database, TweetDeleted(media_ids=[media_id]))

    assert {(await media.get(path)).status_code for path in paths} == {404}
    assert names <= set(await app.state.storage.names_before(_far_future()))
    await jobs.purge_removed_once(database, app.state.storage)
    assert not names & set(await app.state.storage.names_before(_far_future()))


def _far_future() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def test_a_picture_expires_once_and_stays_until_tweets_releases_it(
    media: httpx.AsyncClient, database: Database
) -> None:
    media_id, path = await uploaded(media, samples.picture("PNG"))

    for _ in range(2):
        async with database.transaction() as session:
            await commands.expire_unattached(session, hours=0)

    assert (await expired_media(database)).count(media_id) == 1
    assert (await media.get(path)).status_code == 200
    await deliver(database, MediaReleased(media_id=media_id))
    assert (await media.get(path)).status_code == 404


async def test_the_sweep_removes_an_orphan_and_nothing_else(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    record = await upload_record(media, samples.picture("PNG"))
    storage = app.state.storage
    orphan, foreign = new_name("png"), "backup-of-somebody-else.png"
    for name in (orphan, foreign):
        await storage.put(name, b"x", "image/png")

    await jobs.sweep_orphans_once(database, storage, timedelta(days=1))
    assert orphan in await storage.names_before(_far_future())
    await jobs.sweep_orphans_once(database, storage, timedelta(days=-1))

    assert orphan not in await storage.names_before(_far_future())
    assert [chunk async for chunk in await storage.get(foreign, 0, 1)] == [b"x"]
    for path in (record["path"], record["thumbnail"]):
        assert (await media.get(path)).status_code == 200


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_repetition_of_events_ends_in_the_same_state(
    media: httpx.AsyncClient, database: Database, data: st.DataObject
) -> None:
    states = []
    # A released picture is not attached to a tweet, but the handlers do not rely on that.
    kinds: Sequence[str] = data.draw(
        st.sampled_from([("deleted",), ("released",), ("deleted", "released")])
    )
    arrivals = data.draw(st.permutations([*kinds, *data.draw(st.lists(st.sampled_from(kinds)))]))
    for order in (kinds, arrivals):
        media_id, path = await uploaded(media, samples.picture("PNG", 4, 4))
        events = {
            "deleted": (next(_numbers), TweetDeleted(media_ids=[media_id])),
            "released": (next(_numbers), MediaReleased(media_id=media_id)),
        }
        for kind in order:
            number, event = events[kind]
            await deliver(database, event, number)
        statement = text("select removed_at is not null from media where id = :id")
        async with database.transaction() as session:
            removed = (await execute(session, statement, {"id": media_id})).scalar_one()
        states.append((removed, (await media.get(path)).status_code))

    assert states == [(True, 404)] * 2
