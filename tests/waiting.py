"""How a test waits for work that goes on elsewhere: with a pause between looks, and patiently."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE_SECONDS = 120
"""Ends a wait that nothing will ever end. It is no measure of how long the work may take: a busy
machine takes many times as long as a quiet one."""

_PAUSE_SECONDS = 0.02
"""Without a pause, the test would take a processor core away from the work that it waits for."""

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    """The first result of `look` that is true. Raises AssertionError with the last one."""
    found = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await look()):
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise AssertionError(f"nothing changed in {PATIENCE_SECONDS} seconds: {found}") from None
    return found
