"""A backup that runs while people write contains every write acknowledged before it started."""

import asyncio
from pathlib import Path

import pytest

from devstack.instance import Instance
from tests.waiting import eventually

from .company import Company, Person, company_at, until
from .operate import as_in_a_container, as_make, operate

pytestmark = pytest.mark.exclusive


def the_backup(folder: Path) -> Path:
    (backup,) = folder.glob("*Z")
    return backup


# A restore starts forty programs one after another.
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_what_was_acknowledged_before_a_backup_comes_back_whole_and_nothing_dangles(
    company: Company, stack: Instance, tmp_path: Path
) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    await boris.follow(ann)
    done = asyncio.Event()
    acknowledged: list[int] = []

    async def keep_writing() -> None:
        while not done.is_set():
            for _ in range(4):
                acknowledged.append(await ann.post("with a picture", [await ann.upload()]))
            await ann.done("DELETE", f"/api/tweets/{acknowledged.pop()}")

    async def enough() -> bool:
        return len(acknowledged) >= 7

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(keep_writing())
        await eventually(enough)
        before = acknowledged[:6]
        code, output = await operate(as_make(stack), "backup", str(tmp_path))
        done.set()
        await writing
    assert code == 0, output
    backup = the_backup(tmp_path)
    await ann.done("DELETE", f"/api/tweets/{before[0]}")
    await ann.post("of a time that did not happen")

    code, output = await operate(as_make(stack), "restore", str(backup))

    assert code == 0, output
    async with company_at(stack) as again:
        reader = Person(boris.id, boris.name, boris.key, again.http)
        feed = await reader.feed()
        shown = {tweet["id"] for tweet in feed}
        assert shown >= set(before)
        assert "of a time that did not happen" not in {tweet["content"] for tweet in feed}
        for tweet in feed:
            for media in tweet["media"]:
                for path in (media["url"], media["thumbnail"]):
                    assert (await again.http.get(path)).status_code == 200, tweet
        # Ids of events after the backup are assigned again. No inbox may skip the new events as
        # duplicates of the lost ones: see docs/adr/0025.
        writer = Person(ann.id, ann.name, ann.key, again.http)
        tweet_ids = [await writer.post(f"afterwards {number}") for number in range(20)]
        await until(reader, lambda feed: {tweet["id"] for tweet in feed} >= set(tweet_ids))


async def test_a_restore_is_refused_before_anything_is_touched(
    company: Company, stack: Instance, tmp_path: Path
) -> None:
    ann = await company.hire("Ann")
    tweet_id = await ann.post("here", [await ann.upload()])
    (tmp_path / "secrets").mkdir()
    container = as_in_a_container(stack, tmp_path / "secrets")
    code, output = await operate(container, "backup", str(tmp_path))
    assert code == 0, output
    backup = the_backup(tmp_path)

    # In containers the operator stops the services, and has not.
    code, output = await operate(container, "restore", str(backup))
    assert code == 1
    assert "still use the database: feed, media, notifications, tweets, users" in output
    with (backup / "database.dump").open("ab") as dump:
        dump.write(b"\0")

    for folder, why in ((backup, "damaged"), (tmp_path, "not a complete backup")):
        code, output = await operate(as_make(stack), "restore", str(folder))
        assert code == 1
        assert why in output
    assert await ann.feed_ids() == [tweet_id]
