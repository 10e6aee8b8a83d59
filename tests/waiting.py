"""Waiting for asynchronous work: tests poll with a pause and a generous timeout."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE_SECONDS = 120
"""The timeout of a wait. It only ends a wait that would never succeed, and does not measure the
work: a busy machine takes many times as long as an idle one."""

_PAUSE_SECONDS = 0.02
"""The pause between two checks. Without it, a test would use CPU time that the work needs."""

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    """Calls `look` until its result is true and returns it. Raises AssertionError with the last
    result."""
    found = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await look()):
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise AssertionError(f"nothing changed in {PATIENCE_SECONDS} seconds: {found}") from None
    return found
