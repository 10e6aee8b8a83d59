"""Pictures go when their tweet goes or nobody took them, and never because an event is late."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis import testing
from chassis.database import Database, execute
from chassis.events import Event
from services.media import commands, upkeep
from services.media.events import MediaReleased, TweetDeleted
from services.media.handlers import subscriptions
from services.media.storage import new_name

from . import samples
from .test_api import recorded, uploaded

_numbers = count(1)


async def tell(database: Database, event: Event, number: int | None = None) -> None:
    key = event.routing_key
    number = number or next(_numbers)
    await testing.deliver(database, subscriptions, key, event, number, source="tweets")


async def asked_about(database: Database) -> list[int]:
    """The pictures that tweets was asked about, from the first on."""
    statement = text(
        "select (payload ->> 'media_id')::bigint from outbox"
        " where routing_key = 'media.expired.v1' order by id"
    )
    async with database.transaction() as session:
        return list((await execute(session, statement)).scalars())


async def test_a_deleted_tweets_picture_is_gone_at_once_and_from_the_store(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    record = await recorded(media, samples.picture("PNG"))
    media_id, paths = record["id"], {record["path"], record["thumbnail"]}
    names = {path.rpartition("/")[2] for path in paths}
    assert {(await media.get(path)).status_code for path in paths} == {200}

    await tell(database, TweetDeleted(media_ids=[media_id]))

    assert {(await media.get(path)).status_code for path in paths} == {404}
    assert names <= set(await app.state.storage.names_before(_far_future()))
    await upkeep.purge_once(database, app.state.storage)
    assert not names & set(await app.state.storage.names_before(_far_future()))


def _far_future() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def test_a_picture_is_asked_about_once_and_stays_until_tweets_has_released_it(
    media: httpx.AsyncClient, database: Database
) -> None:
    media_id, path = await uploaded(media, samples.picture("PNG"))

    for _ in range(2):
        async with database.transaction() as session:
            await commands.expire(session, hours=0)

    assert (await asked_about(database)).count(media_id) == 1
    assert (await media.get(path)).status_code == 200
    await tell(database, MediaReleased(media_id=media_id))
    assert (await media.get(path)).status_code == 404


async def test_an_object_that_no_record_names_is_swept_and_no_other(
    media: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    record = await recorded(media, samples.picture("PNG"))
    storage = app.state.storage
    orphan, foreign = new_name("png"), "backup-of-somebody-else.png"
    for name in (orphan, foreign):
        await storage.put(name, b"x", "image/png")

    await upkeep.sweep_once(database, storage, timedelta(days=1))
    assert orphan in await storage.names_before(_far_future())
    await upkeep.sweep_once(database, storage, timedelta(days=-1))

    assert orphan not in await storage.names_before(_far_future())
    assert [chunk async for chunk in await storage.get(foreign, 0, 1)] == [b"x"]
    for path in (record["path"], record["thumbnail"]):
        assert (await media.get(path)).status_code == 200


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_any_order_and_repetition_of_events_ends_in_the_same_state(
    media: httpx.AsyncClient, database: Database, data: st.DataObject
) -> None:
    states = []
    # A picture that tweets released is on no tweet, but the handlers do not rest on it.
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
            await tell(database, event, number)
        statement = text("select removed_at is not null from media where id = :id")
        async with database.transaction() as session:
            removed = (await execute(session, statement, {"id": media_id})).scalar_one()
        states.append((removed, (await media.get(path)).status_code))

    assert states == [(True, 404)] * 2
