"""Streams resume without a gap, and the comparison with the log finds what a stream lacks."""

import asyncio

import pytest

from devstack.instance import Instance

from .checker import check
from .harness import Bed
from .history import Outcome
from .load import Load, hired
from .streams import Client, Streams, streaming

pytestmark = pytest.mark.slow
PARTS = ("gateway", "notifications-stream-1", "notifications-worker", "notifications-api-1")


async def settled(stack: Instance, load: Load) -> None:
    assert await check(stack, load.api, load.history) == []


async def write(load: Load, count: int) -> None:
    wanted = load.history.writes[Outcome.done] + count
    while load.history.writes[Outcome.done] < wanted:
        await asyncio.sleep(0.1)


@pytest.mark.exclusive
async def test_streams_resume_after_each_part_was_killed(stack: Instance) -> None:
    bed = Bed(stack, stack, "streams")
    async with (
        hired(stack, "streams", people=3) as load,
        streaming(stack, load.history, following=2, listening=2, each=3) as streams,
    ):
        async with load.running():
            for part in PARTS:
                await write(load, 10)
                await bed.kill(part)
            await bed.ready()
            await write(load, 10)

        await settled(stack, load)
        assert await streams.findings() == []
    assert all(client.opened > 1 for client in streams.clients)


async def test_a_stream_that_lacks_a_notice_or_got_one_twice_is_found(stack: Instance) -> None:
    async with (
        hired(stack, "lacking", people=2) as load,
        streaming(stack, load.history, following=1, listening=1, each=1) as streams,
    ):
        async with load.running():
            await write(load, 20)
        await settled(stack, load)
        assert await streams.findings() == []
        follower = _follower(streams)
        lost = follower.named("tweet")[0]

        follower.events.remove(lost)
        found_lost = await streams.findings(patience=0)
        follower.events += [lost, lost]
        found_twice = await streams.findings(patience=0)

    assert [finding.partition(":")[0] for finding in found_lost] == ["lost"]
    assert [finding.partition(":")[0] for finding in found_twice] == ["doubled"]


def _follower(streams: Streams) -> Client:
    return next(client for client in streams.clients if client.author.id in streams.followers)
