"""A service that is slow, and a system that is asked for more than it can do."""

import asyncio
import os
import signal
import time
from random import Random
from statistics import median

from bench import load as bench
from bench.wire import request
from deploy.local.instance import Instance
from tests.chaos.bed import Bed, fault
from tests.chaos.door import ANSWER_SECONDS
from tests.chaos.history import Author
from tests.chaos.load import Load

_SLACK_SECONDS = 3.0
"""What a loaded machine may take on top."""
_FAST_SECONDS = 2.0
_OVERLOADED = 2.0
_WORTH = 0.8
"""The part of its best that is done of what is asked, while too much is asked."""
_TURNS = 3
"""The middle one counts: others use the machine too."""
_MEASURED_SECONDS = 10
_CLIENTS = 64
_CLIENTS_TOO_MANY = 1_500
"""More than the requests that the gateway lets wait for all the replicas together."""


@fault(
    "both replicas of feed hang for 15 s (SIGSTOP)",
    "504 in time, other paths fast; what was acknowledged is there once",
)
async def service_hung(bed: Bed, load: Load) -> int:
    times = bed.times(3)
    for _ in range(times):
        hung = [bed.stack.pid(f"feed-api-{replica}") for replica in (1, 2)]
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        try:
            await _other_paths_are_fast(load)
        finally:
            for pid in hung:
                os.kill(pid, signal.SIGCONT)
        await bed.pause(3)
    return times


async def _other_paths_are_fast(load: Load) -> None:
    """Asks feed once, and meanwhile everybody else again and again."""
    reader = load.history.people[0]
    begun = time.monotonic()
    slow = asyncio.create_task(load.door.read(reader, "/api/tweets?limit=7"))
    longest = 0.0
    while not slow.done():
        asked = time.monotonic()
        for path in (f"/api/users/{reader.id}", "/api/users?query=a"):
            told = await load.door.read(reader, path)
            if told.status != 200:
                load.history.wrong.append(f"{path} answers {told.status} while feed hangs")
        longest = max(longest, (time.monotonic() - asked) / 2)
        await asyncio.sleep(0.1)
    waited = time.monotonic() - begun
    if (await slow).status != 504 or waited > ANSWER_SECONDS + _SLACK_SECONDS:
        load.history.wrong.append(f"feed hangs: {(await slow).status} after {waited:.1f} s")
    if longest > _FAST_SECONDS:
        load.history.wrong.append(f"another path took {longest:.1f} s while feed hung")


@fault(
    "twice as much asked as can be done",
    "80 % of the best is done, the rest refused at once: 503 and Retry-After",
)
async def overload(bed: Bed, load: Load) -> int:
    """Likes and reads by the load's own people, beside its own calls."""
    url = bed.stack.gateway_url
    mixed = _mixed(bed.stack, load.history.people[0], bed.chance)
    seconds = max(4.0, _MEASURED_SECONDS * bed.share)
    # How much can be done is found out by those who wait for their answers.
    guess = await bench.closed([url], mixed, count=1_000, connections=_CLIENTS)
    shares = []
    for _ in range(_TURNS):
        count = int(guess.rate * seconds)
        best = await bench.closed([url], mixed, count=count, connections=_CLIENTS)
        rate = best.done * _OVERLOADED
        asked = await bench.opened([url], mixed, rate, seconds, connections=_CLIENTS_TOO_MANY)
        shares.append(asked.done / best.done * _left_by(best) / _left_by(asked))
        refused = sorted(asked.unexpected.items())
        load.history.notes.append(
            f"best {best.done:.0f}/s; asked {rate:.0f}/s, done {asked.done:.0f}/s"
            f" ({asked.done / best.done:.0%}; {shares[-1]:.0%} without what asking took),"
            f" 99 % of {asked.answered} answered in {_most(asked.all())}"
            + "".join(f", {len(late)} with {status} in {_most(late)}" for status, late in refused)
        )
        if bench.percentile(asked.unexpected.get(503, []), 0.99) > _FAST_SECONDS:
            load.history.wrong.append("overloaded: a refusal took long")
    if median(shares) < _WORTH:
        load.history.wrong.append(f"overloaded: {median(shares):.0%} of the best was done")
    return _TURNS


def _left_by(measured: bench.Measured) -> float:
    """Processors that asking has left to the system: both run on this machine, and to ask for more
    takes more."""
    return (os.cpu_count() or 1) - measured.generator


def _most(late: list[float]) -> str:
    return f"{bench.percentile(late, 0.99):.2f} s"


def _mixed(stack: Instance, reader: Author, chance: Random) -> bench.Choose:
    """Reads of the first page, of a profile and of people, as everybody's page makes them."""
    paths = ("/api/tweets?limit=20", "/api/users/me", f"/api/users/{reader.id}/tweets?limit=20")
    key = {"api-key": reader.key}
    asks = [bench.Ask(request(stack.gateway_url, path, headers=key)) for path in paths]
    return lambda: chance.choice(asks)
