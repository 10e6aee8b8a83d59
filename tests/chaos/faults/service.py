"""A service hangs, or the system gets more requests than it can serve."""

import asyncio
import os
import signal
import time
from random import Random
from statistics import median

from bench import load as load_generator
from bench.raw_http import encode_request
from devstack.instance import Instance
from tests.chaos.harness import Bed, fault
from tests.chaos.history import Author
from tests.chaos.load import Load
from tests.chaos.load_client import ANSWER_SECONDS

_SLACK_SECONDS = 3.0
"""Added to the time limit, because the machine is busy."""
_FAST_SECONDS = 2.0
_OVERLOADED = 2.0
_WORTH = 0.5
"""Minimum throughput under overload, as a share of the best throughput. The gateway, which is one
process, needs a good part of its processor for the refusals."""
_TURNS = 3
"""Rounds, of which the median counts, because other programs use the machine too."""
_MEASURED_SECONDS = 10
_CLIENTS = 64
_CLIENTS_TOO_MANY = 1_500
"""More than the requests that wait in a lasting overload, and that the replicas have."""


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
    """Sends one request to feed, and requests to other services until it is answered."""
    reader = load.history.people[0]
    started_at = time.monotonic()
    slow = asyncio.create_task(load.api.read(reader, "/api/tweets?limit=7"))
    longest = 0.0
    while not slow.done():
        asked = time.monotonic()
        for path in (f"/api/users/{reader.id}", "/api/users?query=a"):
            response = await load.api.read(reader, path)
            if response.status != 200:
                load.history.wrong.append(f"{path} returned {response.status} while feed hung")
        longest = max(longest, (time.monotonic() - asked) / 2)
        await asyncio.sleep(0.1)
    waited = time.monotonic() - started_at
    if (await slow).status != 504 or waited > ANSWER_SECONDS + _SLACK_SECONDS:
        load.history.wrong.append(f"feed hangs: {(await slow).status} after {waited:.1f} s")
    if longest > _FAST_SECONDS:
        load.history.wrong.append(f"another path took {longest:.1f} s while feed hung")


@fault(
    "twice as many requests as the system can serve",
    "half of the best throughput; the rest is refused soon with 503 and Retry-After",
)
async def overload(bed: Bed, load: Load) -> int:
    """Sends reads as a person of the load, in addition to the load itself."""
    url = bed.stack.gateway_url
    mixed = _mixed(bed.stack, load.history.people[0], bed.chance)
    seconds = max(4.0, _MEASURED_SECONDS * bed.share)
    # Clients that wait for each response (a closed loop) find the best throughput.
    guess = await load_generator.closed_loop([url], mixed, count=1_000, connections=_CLIENTS)
    shares = []
    for _ in range(_TURNS):
        count = int(guess.rate * seconds)
        best = await load_generator.closed_loop([url], mixed, count=count, connections=_CLIENTS)
        rate = best.done * _OVERLOADED
        asked = await load_generator.open_loop(
            [url], mixed, rate, seconds, connections=_CLIENTS_TOO_MANY
        )
        shares.append(asked.done / best.done * _left_by(best) / _left_by(asked))
        refused = sorted(asked.unexpected.items())
        load.history.notes.append(
            f"best {best.done:.0f}/s; asked {rate:.0f}/s, done {asked.done:.0f}/s"
            f" ({asked.done / best.done:.0%}; {shares[-1]:.0%} corrected for the generator's CPU,"
            f" which was {best.generator:.0%} and {asked.generator:.0%} of a processor),"
            f" 99 % of {asked.answered} answered in {_most(asked.all())}"
            + "".join(f", {len(late)} with {status} in {_most(late)}" for status, late in refused)
        )
        if load_generator.percentile(asked.unexpected.get(503, []), 0.99) > _FAST_SECONDS:
            load.history.wrong.append("overloaded: a refusal took long")
    if median(shares) < _WORTH:
        load.history.wrong.append(f"overloaded: {median(shares):.0%} of the best was done")
    return _TURNS


def _left_by(measured: load_generator.Measurement) -> float:
    """Processors that the load generator leaves to the system on the same machine.

    A higher request rate costs the generator more CPU time, which the comparison must not count.
    """
    return (os.cpu_count() or 1) - measured.generator


def _most(late: list[float]) -> str:
    return f"{load_generator.percentile(late, 0.99):.2f} s"


def _mixed(stack: Instance, reader: Author, chance: Random) -> load_generator.RequestSource:
    """Reads of the feed, of the reader's own profile and of the reader's tweets, at random."""
    paths = ("/api/tweets?limit=20", "/api/users/me", f"/api/users/{reader.id}/tweets?limit=20")
    key = {"api-key": reader.key}
    asks = [
        load_generator.Request(encode_request(stack.gateway_url, path, headers=key))
        for path in paths
    ]
    return lambda: chance.choice(asks)
