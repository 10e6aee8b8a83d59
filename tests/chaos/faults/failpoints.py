"""Processes die just where it hurts: what is done is not told yet, or told and not noted."""

import asyncio
from contextlib import ExitStack

from chassis import failpoints
from tests.chaos.bed import Bed, fault
from tests.chaos.load import Load
from tests.chaos.plans import altered

PLACES = {
    "tweets-worker": "relay.taken:{},relay.published:{}",
    "users-worker": "relay.published:{}",
    "feed-worker": "consumer.committed:{}",
    "tweets-api-1": "request.committed:{}",
}
_PASSAGES = 12
"""On average before a process dies; each of them has its own number."""


@fault(
    "death between commit and publish, publish and mark, commit and acknowledgement or answer",
    "no event is lost, none has its effect twice",
)
async def failpoints_reached(bed: Bed, load: Load) -> int:
    wanted = bed.times(50)
    with ExitStack() as stack:
        for program, places in PLACES.items():
            count = places.count("{}")
            numbers = [bed.chance.randint(_PASSAGES // 2, _PASSAGES * 2) for _ in range(count)]
            variables = {failpoints.VARIABLE: places.format(*numbers)}
            await asyncio.to_thread(stack.enter_context, altered(bed.stack, program, **variables))
        before = _deaths(bed)
        async with asyncio.timeout(60 + 30 * wanted):
            while _deaths(bed) - before < wanted:
                await asyncio.sleep(0.5)
    return _deaths(bed) - before


def _deaths(bed: Bed) -> int:
    logs = (bed.stack.root / "logs").glob("*.log*")
    return sum(
        line.startswith(b"failpoint ") for log in logs for line in log.read_bytes().splitlines()
    )
