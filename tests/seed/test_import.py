"""Imports into the real system: killed, forgetful, and looked through afterwards."""

import asyncio
import io
import os
import secrets
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.instance import Instance
from deploy.seed import edges, graph, plan, verify
from deploy.seed.client import Client
from deploy.seed.journal import Journal
from deploy.seed.plan import Options, Plan
from deploy.seed.progress import Progression
from deploy.seed.shipment import Shipment
from tests.waiting import eventually

OPTIONS = Options(tweets=5, likes=150)
ARGUMENTS = ("--tweets", "5", "--likes", "150")


@pytest.fixture
def file(stack: Instance, tmp_path: Path) -> Iterator[Path]:
    """A graph of twelve people that no other test has loaded."""
    path = tmp_path / f"{secrets.token_hex(6)}.txt"
    lines = [f"{one} {(one * step + 1) % 12}\n" for one in range(12) for step in (1, 5)]
    path.write_text("".join(lines))
    yield path
    for journal in stack.root.glob(f"import-{path.stem}-*"):
        journal.unlink()


def planned(file: Path) -> Plan:
    return plan.make(file, edges.read(file), OPTIONS)


def journal_of(stack: Instance, file: Path) -> Path:
    (path,) = stack.root.glob(f"import-{file.stem}-*.sqlite")
    return path


async def load(stack: Instance, file: Path) -> tuple[bool, str]:
    out = io.StringIO()
    right = await graph.load(file, OPTIONS, Console(file=out, width=1000), stack)
    return right, out.getvalue()


async def everything(stack: Instance, wanted: Plan) -> tuple[list[str], list[tuple[str, str]]]:
    """The names of the people on the server, and (name, text) of what they said."""
    async with Client(stack) as client:
        tag = wanted.names[0].split()[-1].rpartition("-")[0]
        query: dict[str, str | int] = {"query": tag, "limit": 100}
        found = (await client.get("/api/users", client.admin_key, query))["users"]
        people = [person for person in found if tag in person["name"]]
        said = [
            (person["name"], tweet["content"])
            for person in people
            async for tweet in client.tweets_of(client.admin_key, person["id"])
        ]
        return sorted(person["name"] for person in people), sorted(said)


def all_of(wanted: Plan) -> tuple[list[str], list[tuple[str, str]]]:
    return sorted(wanted.names), sorted((wanted.names[n], text) for n, text in wanted.tweets)


async def test_a_killed_import_goes_on_and_doubles_nothing(stack: Instance, file: Path) -> None:
    environment = os.environ | {
        "WARBLE_HOME": str(stack.root),
        "WARBLE_PORT": str(stack.port),
        "WARBLE_ENV_FILE": "",
    }
    for enough in (3, 15, 40):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "deploy.seed.graph", str(file), *ARGUMENTS),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        waiting = asyncio.ensure_future(process.wait())

        async def has_sent_enough(
            enough: int = enough, waiting: asyncio.Future[int] = waiting
        ) -> bool:
            people, said = await everything(stack, planned(file))
            return waiting.done() or len(people) + len(said) >= enough

        await eventually(has_sent_enough)
        if not waiting.done():
            process.kill()
            await waiting

    right, said = await load(stack, file)

    assert right, said
    assert await everything(stack, planned(file)) == all_of(planned(file))


async def test_what_was_sent_but_not_journaled_is_found_again(stack: Instance, file: Path) -> None:
    assert (await load(stack, file))[0]
    with sqlite3.connect(journal_of(stack, file)) as journal:
        journal.execute("delete from person where number in (0, 4, 11)")
        journal.execute("delete from tweet where number in (0, 7, 30, 59)")
    journal.close()

    right, said = await load(stack, file)

    assert right, said
    assert await everything(stack, planned(file)) == all_of(planned(file))


@pytest.mark.exclusive
async def test_tweets_that_no_reader_sees_yet_are_not_posted_twice(
    stack: Instance, file: Path, tmp_path: Path
) -> None:
    async def ship() -> dict[int, int]:
        journal = Journal(tmp_path / "journal.sqlite")
        try:
            shipment = Shipment(client, planned(file), journal, Progression(Console(quiet=True)))
            await shipment.send()
            return shipment.tweets
        finally:
            journal.close()

    async with Client(stack) as client:
        stack.stop("feed-worker")
        try:
            sent = await ship()
            with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
                journal.execute("delete from tweet")
            journal.close()

            again = await ship()
        finally:
            stack.start("feed-worker")

    assert again == sent
    assert len(set(sent.values())) == len(planned(file).tweets)


async def test_a_journal_of_a_wiped_system_is_begun_anew(stack: Instance, file: Path) -> None:
    assert (await load(stack, file))[0]
    with sqlite3.connect(journal_of(stack, file)) as journal:
        journal.execute("update person set id = id + 1000000000")
    journal.close()

    right, said = await load(stack, file)

    assert right, said
    assert len((await everything(stack, planned(file)))[0]) == 24


async def test_a_feed_that_is_not_as_sent_is_noticed(stack: Instance, file: Path) -> None:
    assert (await load(stack, file))[0]
    reader = verify.readers(planned(file), OPTIONS.seed)[0]
    with sqlite3.connect(journal_of(stack, file)) as journal:
        statement = "select key from person where number = ?"
        (key,) = journal.execute(statement, (reader,)).fetchone()
    journal.close()
    async with Client(stack) as client:
        await client.post(key, "Nobody planned this.")

    right, said = await load(stack, file)

    assert not right
    assert f"The feed of {planned(file).names[reader]} " in said
    assert "(id " in said and " instead of " in said
