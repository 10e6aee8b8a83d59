"""A background loop continues after every error, and ends only when it is cancelled."""

import asyncio

import pytest
from aio_pika.exceptions import AMQPError

from chassis.process import background_loops


class UnexpectedError(Exception):
    pass


@pytest.fixture(autouse=True)
def restart_immediately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_loops, "RESTART_SECONDS", 0)


@pytest.mark.parametrize("kind", [UnexpectedError, AMQPError, OSError, asyncio.CancelledError])
async def test_a_loop_continues_after_any_error(kind: type[BaseException]) -> None:
    rounds = 0
    third = asyncio.Event()

    async def failing() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            third.set()
            await asyncio.Event().wait()
        raise kind

    running = asyncio.create_task(background_loops.run_forever("failing", failing))
    try:
        async with asyncio.timeout(10):
            await third.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])

    assert rounds == 3
    assert running.cancelled()
