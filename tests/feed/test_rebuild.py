"""The feed made anew from kept events: the same, whatever is stopped, or not at all."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis import missed, testing
from chassis.database import Database, execute
from chassis.kept import CutShort
from chassis.rebuild import Rebuild, Refused
from deploy.local.instance import Instance
from services.feed import events
from tests.waiting import eventually

from .histories import Company, Told, delete, erase, post, toggle_follow, toggle_like
from .test_handlers import deliver_one, empty

# A rebuild has one queue at the broker, whatever the database.
pytestmark = pytest.mark.exclusive

ANN, BORIS = 1, 2


def company() -> Company:
    """Two people who write, like and delete."""
    company = Company()
    for user_id, name in ((ANN, "Ann"), (BORIS, "Boris")):
        company.names[user_id] = name
        company.tell("users", events.UserRegistered(user_id=user_id, name=name))
    toggle_follow(company, ANN, BORIS)
    for number in range(20):
        post(company, BORIS, f"number {number}")
        toggle_like(company, number + 1, ANN)
    for tweet_id in (3, 9):
        delete(company, tweet_id)
    toggle_like(company, 5, ANN)
    return company


def told(history: Sequence[Told], sources: Sequence[str] = ("users", "tweets")) -> io.BytesIO:
    """The events as their producers keep them."""
    lines: list[Any] = []
    for source in sources:
        own = [one for one in history if one.source == source]
        lines += [{"source": source, "events": len(own)}]
        lines += [[one.number, one.event.routing_key, one.event.model_dump_json()] for one in own]
        lines += [{"end": source}]
    return io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


@pytest.fixture
async def rebuild(
    stack: Instance, feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rebuild]:
    """On the broker alone with this test: others' events would come to the copy as well."""
    monkeypatch.setattr("chassis.rebuild.PATIENCE_SECONDS", 0)
    monkeypatch.setattr("chassis.rebuild.LEVEL_SECONDS", 0)
    await empty(database)
    async with database.transaction() as session:
        await execute(session, text("comment on schema feed_fresh is null"))
    yield Rebuild("services.feed")


async def begin(rebuild: Rebuild) -> None:
    await asyncio.to_thread(rebuild.begin)


async def read(feed: httpx.AsyncClient, reader: int) -> list[tuple[int, str, int]]:
    answer = await feed.get("/api/tweets?limit=20", headers=testing.signed("feed", reader))
    return [
        (tweet["id"], tweet["content"], tweet["like_count"]) for tweet in answer.json()["tweets"]
    ]


def expected(history: Company, reader: int) -> list[tuple[int, str, int]]:
    return [(tweet["id"], tweet["content"], tweet["like_count"]) for tweet in history.feed(reader)]


async def until_read(feed: httpx.AsyncClient, history: Company) -> None:
    async def is_read() -> bool:
        return await read(feed, ANN) == expected(history, ANN)

    await eventually(is_read)


async def test_a_damaged_feed_is_mended_and_pages_at_hand_are_dropped(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = company()
    for one in history.told:
        await deliver_one(database, one)
    async with database.transaction() as session:
        await execute(session, text("update tweet set like_count = like_count + 1 where id < 15"))
    damaged = await read(feed, ANN)

    await begin(rebuild)
    await rebuild.finish(told(history.told))

    assert damaged != expected(history, ANN)
    await until_read(feed, history)
    # Its triggers tell of changes as before.
    post(history, BORIS, "after it")
    await deliver_one(database, history.told[-1])
    await until_read(feed, history)


async def test_whoever_was_erased_does_not_come_back_with_a_feed_made_anew(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = company()
    post(history, ANN, "liked by both")
    for user_id in (ANN, BORIS):
        toggle_like(history, history.posted, user_id)
    erase(history, BORIS)

    await begin(rebuild)
    await rebuild.finish(told(history.told))
    await until_read(feed, history)

    assert await read(feed, ANN) == expected(history, ANN) == [(21, "liked by both", 1)]
    async with database.transaction() as session:
        for statement in (
            "select count(*) from follow",
            f"select count(*) from tweet where author_id = {BORIS}",
            f"select count(*) from tweet_like where user_id = {BORIS}",
            "select count(*) from person where name = 'Boris'",
        ):
            assert (await execute(session, text(statement))).scalar_one() == 0, statement


async def test_a_feed_that_was_lost_whole_comes_back(
    rebuild: Rebuild, feed: httpx.AsyncClient
) -> None:
    history = company()

    await begin(rebuild)
    await rebuild.finish(told(history.told))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_what_is_cut_short_goes_on_and_changes_nothing_until_it_is_whole(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = company()
    for one in history.told[:4]:
        await deliver_one(database, one)
    before = await read(feed, ANN)
    whole = told(history.told).getvalue().splitlines(keepends=True)

    await begin(rebuild)
    for end in (len(whole) // 2, len(whole) - 1):
        with pytest.raises(CutShort):
            await rebuild.finish(io.BytesIO(b"".join(whole[:end])))
        assert await read(feed, ANN) == before
    await begin(rebuild)
    await rebuild.finish(told(history.told))

    await until_read(feed, history)


async def test_a_producer_that_told_nothing_is_missed_also_where_the_inbox_was_lost(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = company()
    for one in history.told:
        await deliver_one(database, one)
    async with database.transaction() as session:
        await execute(session, text("truncate inbox"))

    await begin(rebuild)
    for sources in (["tweets"], ["users"], []):
        with pytest.raises(CutShort, match="tweets" if "tweets" not in sources else "users"):
            await rebuild.finish(told(history.told, sources))
        with pytest.raises(CutShort):
            await missed.take_in("services.feed", told(history.told, sources))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_a_feed_is_not_replaced_by_one_that_lacks_what_is_kept_no_more(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = company()
    for one in history.told:
        await deliver_one(database, one)

    await begin(rebuild)
    with pytest.raises(Refused, match=r"lacks 5 events .*RETENTION"):
        await rebuild.finish(told(history.told[5:]))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_a_handler_that_fails_on_an_event_stops_the_exchange_and_says_on_which(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = company()
    for one in history.told:
        await deliver_one(database, one)
    await begin(rebuild)
    async with database.transaction() as session:
        await execute(
            session,
            text(
                "alter table feed_fresh.tweet add constraint bug check (card not like '%number 7%')"
            ),
        )

    with pytest.raises(Refused, match=r"(?s)lacks 1 events.*tweets:\d+: CheckViolationError"):
        await rebuild.finish(told(history.told))
    async with database.transaction() as session:
        await execute(session, text("alter table feed_fresh.tweet drop constraint bug"))
    await rebuild.finish(told(history.told))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_a_copy_that_other_code_began_is_made_anew(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = company()
    await begin(rebuild)
    async with database.transaction() as session:
        await execute(session, text("comment on schema feed_fresh is 'another version'"))
        await execute(session, text("insert into feed_fresh.tweet (id, author_id) values (1, 9)"))

    with pytest.raises(Refused, match="--begin"):
        await rebuild.finish(told(history.told))
    await begin(rebuild)
    await rebuild.finish(told(history.told))

    assert await read(feed, ANN) == expected(history, ANN)


@pytest.mark.parametrize("service", ["users", "tweets"])
def test_a_service_with_facts_of_its_own_is_not_rebuilt(service: str) -> None:
    with pytest.raises(Refused, match="facts of its own"):
        Rebuild(f"services.{service}").begin()


def test_a_service_that_reacts_to_nothing_has_missed_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert missed.main(["services.users"]) == 1
    assert "reacts to no event" in capsys.readouterr().err
