"""Background loops of a process: an error ends one round of a loop, never the loop."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from . import broker
from .errors import report_job_error

RESTART_SECONDS = 1

Loop = Callable[[], Awaitable[None]]

log = structlog.get_logger()


async def run_forever(name: str, round_: Loop) -> None:
    """Runs until it is cancelled, and starts the next round when one returns or raises.

    An asyncio task that raises ends silently, and nothing starts it again. So every error is
    logged under the loop's name, and reported unless an absent neighbour explains it.
    """
    while True:
        try:
            async with broker.reaching():
                await round_()
        except (AMQPError, ChannelInvalidStateError) as error:
            log.warning("loop.broker_away", loop=name, error=repr(error))
        except Exception as error:
            report_job_error(
                error, unavailable="loop.dependency_unavailable", failed="loop.failed", loop=name
            )
        await asyncio.sleep(RESTART_SECONDS)
