"""Cancels asyncio tasks, including those that swallow a cancellation."""

import asyncio

_RETRY_SECONDS = 1


async def cancel_tasks(*tasks: asyncio.Task[None]) -> None:
    """Cancels the tasks and returns when all of them have ended.

    The clean-up code of a task may swallow a cancellation, so a task that is still running after a
    second is cancelled again.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_RETRY_SECONDS)
