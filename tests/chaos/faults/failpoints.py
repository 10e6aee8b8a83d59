"""Processes die between two steps that cannot be atomic.

Examples: a transaction is committed and the response is not sent yet, or an event is published and
not marked as published yet. `chassis.failpoints` kills the process at such a place.
"""

import asyncio
from collections import Counter
from contextlib import ExitStack

from chassis import failpoints
from tests.chaos.harness import Bed, fault
from tests.chaos.load import Load
from tests.chaos.plans import altered

PLACES = {
    "tweets-worker": "relay.selected",
    "users-worker": "relay.published",
    "feed-worker": "consumer.committed",
    "media-worker": "consumer.committed",
    "notifications-worker": "consumer.committed",
    "tweets-api-1": "request.committed",
    "users-api-1": "request.committed",
    "media-api-1": "request.committed",
}
"""One failpoint per process: with two, always the same one would be reached first."""
_PASSAGES = 12
"""Each process dies at about this passage of its failpoint; the number varies by process."""


@fault(
    "death between commit and publish, publish and mark, commit and acknowledgement or answer",
    "no event is lost, none has its effect twice",
)
async def failpoints_reached(bed: Bed, load: Load) -> int:
    wanted = bed.times(50)
    with ExitStack() as stack:
        for program, place in PLACES.items():
            passages = bed.chance.randint(_PASSAGES // 2, _PASSAGES * 2)
            variables = {failpoints.VARIABLE: f"{place}:{passages}"}
            await asyncio.to_thread(stack.enter_context, altered(bed.stack, program, **variables))
        before = _deaths(bed)
        async with asyncio.timeout(60 + 30 * wanted):
            while (reached := _deaths(bed) - before).total() < wanted:
                await asyncio.sleep(0.5)
    load.history.notes.append(f"reached: {', '.join(f'{p} {n}' for p, n in reached.items())}")
    return reached.total()


def _deaths(bed: Bed) -> Counter[str]:
    """Deaths at each failpoint, counted in the logs."""
    logs = (bed.stack.root / "logs").glob("*.log*")
    lines = (line for log in logs for line in log.read_bytes().splitlines())
    return Counter(line.decode().split()[1] for line in lines if line.startswith(b"failpoint "))
