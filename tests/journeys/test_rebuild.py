"""A projection that is made anew takes the place of the one that serves, while people use it."""

import asyncio
import subprocess
import sys

from deploy.local.instance import Instance
from tests.conftest import REPOSITORY, SETTINGS

from .company import Company, Person


async def _rebuild(stack: Instance) -> tuple[int, str]:
    """What `make rebuild SERVICE=feed` ends with, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.local", "rebuild", "feed",
        cwd=REPOSITORY,
        env={**stack.given, **SETTINGS, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_rebuilt_feed_is_the_same_and_nobody_who_reads_or_writes_is_disturbed(
    company: Company, stack: Instance
) -> None:
    people = [await company.hire(f"Person {number}") for number in range(4)]
    for person in people:
        for other in people:
            if other is not person:
                await person.follow(other)
    done = asyncio.Event()

    async def live(person: Person) -> list[int]:
        written: list[int] = []
        while not done.is_set():
            written.append(await person.post(f"number {len(written)}"))
            read = await person.ask("GET", "/api/tweets?order=recent&limit=100")
            shown = [tweet["id"] for tweet in read.json()["tweets"]]
            assert written[-1] in shown or read.headers["warble-stale"] == "true"
            # Its author may have deleted it by now.
            liking = await person.ask("POST", f"/api/tweets/{shown[0]}/likes")
            assert liking.status_code in (200, 404), liking.text
            if len(written) % 5 == 0:
                await person.done("DELETE", f"/api/tweets/{written.pop()}")
        return written

    async with asyncio.TaskGroup() as group:
        living = [group.create_task(live(person)) for person in people]
        code, said = await _rebuild(stack)
        done.set()
    written = sorted(tweet_id for task in living for tweet_id in task.result())

    assert code == 0, said
    assert "the copy serves" in said
    assert "the two were the same in every row" in said
    for person in people:
        while sorted(await person.feed_ids()) != written:
            assert (await person.ask("GET", "/api/users/me")).is_success
