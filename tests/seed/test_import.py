"""Imports into the real system that are killed, repeated and verified."""

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

from devstack.instance import Instance
from tests.waiting import eventually
from tools.api_client import ATTEMPTS, api_of
from tools.seed import edge_list, graph, plan, verify
from tools.seed.journal import Journal
from tools.seed.plan import Options, Plan
from tools.seed.sender import Sender

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
    return plan.make(file, edge_list.read(file), OPTIONS)


def journal_of(stack: Instance, file: Path) -> Path:
    (path,) = stack.root.glob(f"import-{file.stem}-*.sqlite")
    return path


async def load(stack: Instance, file: Path) -> tuple[bool, str]:
    out = io.StringIO()
    right = await graph.load(file, OPTIONS, Console(file=out, width=1000), stack)
    return right, out.getvalue()


async def everything(stack: Instance, plan_: Plan) -> tuple[list[str], list[tuple[str, str]]]:
    """The names of the people on the server, and (name, text) of their tweets."""
    async with api_of(stack) as api:
        tag = plan_.names[0].split()[-1].rpartition("-")[0]
        query = {"query": tag, "limit": 100}
        found = (await api.administrator.done("GET", "/api/users", params=query))["users"]
        people = [person for person in found if tag in person["name"]]
        texts = [
            (person["name"], tweet["content"])
            for person in people
            async for tweet in api.administrator.tweets_of(person["id"], replies="all")
        ]
        return sorted(person["name"] for person in people), sorted(texts)


def all_of(plan_: Plan) -> tuple[list[str], list[tuple[str, str]]]:
    return sorted(plan_.names), sorted((plan_.names[n], text) for n, text in plan_.tweets)


@pytest.mark.slow
async def test_a_killed_import_continues_without_duplicates(stack: Instance, file: Path) -> None:
    environment = os.environ | {
        "WARBLE_HOME": str(stack.root),
        "WARBLE_PORT": str(stack.port),
        "WARBLE_ENV_FILE": "",
    }
    for enough in (3, 15, 40):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tools.seed.graph", str(file), *ARGUMENTS),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        waiting = asyncio.ensure_future(process.wait())

        async def has_sent_enough(
            enough: int = enough, waiting: asyncio.Future[int] = waiting
        ) -> bool:
            people, texts = await everything(stack, planned(file))
            return waiting.done() or len(people) + len(texts) >= enough

        await eventually(has_sent_enough)
        if not waiting.done():
            process.kill()
            await waiting

    right, output = await load(stack, file)

    assert right, output
    assert await everything(stack, planned(file)) == all_of(planned(file))


@pytest.mark.slow
async def test_people_and_tweets_that_are_missing_in_the_journal_are_found_again(
    stack: Instance, file: Path
) -> None:
    assert (await load(stack, file))[0]
    with sqlite3.connect(journal_of(stack, file)) as journal:
        journal.execute("delete from person where number in (0, 4, 11)")
        journal.execute("delete from tweet where number in (0, 7, 30, 59)")
    journal.close()

    right, output = await load(stack, file)

    assert right, output
    assert await everything(stack, planned(file)) == all_of(planned(file))


@pytest.mark.slow
@pytest.mark.exclusive
async def test_tweets_that_no_reader_sees_yet_are_not_posted_twice(
    stack: Instance, file: Path, tmp_path: Path
) -> None:
    async def ship() -> dict[int, int]:
        journal = Journal(tmp_path / "journal.sqlite")
        try:
            sender = Sender(api, planned(file), journal, Console(quiet=True))
            await sender.send()
            return sender.tweets
        finally:
            journal.close()

    async with api_of(stack, ATTEMPTS) as api:
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


@pytest.mark.slow
async def test_an_import_into_a_reset_system_starts_again(stack: Instance, file: Path) -> None:
    assert (await load(stack, file))[0]
    with sqlite3.connect(journal_of(stack, file)) as journal:
        journal.execute("update person set id = id + 1000000000")
    journal.close()

    right, output = await load(stack, file)

    assert right, output
    assert len((await everything(stack, planned(file)))[0]) == 24


async def test_a_feed_that_differs_from_the_plan_is_reported(stack: Instance, file: Path) -> None:
    assert (await load(stack, file))[0]
    reader = verify.readers(planned(file), OPTIONS.seed)[0]
    with sqlite3.connect(journal_of(stack, file)) as journal:
        statement = "select key from person where number = ?"
        (key,) = journal.execute(statement, (reader,)).fetchone()
    journal.close()
    async with api_of(stack) as api:
        await api.person(0, "", key).post("Nobody planned this.")

    right, output = await load(stack, file)

    assert not right
    assert f"The feed of {planned(file).names[reader]} " in output
    assert "(id " in output and " instead of " in output
