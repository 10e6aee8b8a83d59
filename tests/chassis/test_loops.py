"""A background loop outlives every error but its own cancellation."""

import asyncio

import pytest
from aio_pika.exceptions import AMQPError

from chassis import loops


class Unforeseen(Exception):
    pass


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "RESTART_SECONDS", 0)


@pytest.mark.parametrize("kind", [Unforeseen, AMQPError, OSError, asyncio.CancelledError])
async def test_a_loop_goes_on_after_any_error(kind: type[BaseException]) -> None:
    rounds = 0
    third = asyncio.Event()

    async def failing() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            third.set()
            await asyncio.Event().wait()
        raise kind

    running = asyncio.create_task(loops.run_forever("failing", failing))
    try:
        async with asyncio.timeout(10):
            await third.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])

    assert rounds == 3
    assert running.cancelled()
