"""Background loops of a process.

An asyncio task that raises ends silently, and nothing starts it again. `run_forever` makes a loop
out of such work: an error ends one round, never the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from chassis.http.errors import report_job_error
from chassis.messaging import broker

RESTART_SECONDS = 1

Loop = Callable[[], Awaitable[None]]

log = structlog.get_logger()


async def run_forever(name: str, run_round: Loop) -> None:
    """Runs until it is cancelled. When a round returns or raises, the next one starts a second
    later.

    Every error is logged with the loop's name, and reported to Sentry unless an unavailable
    dependency explains it. The AMQP client cancels the tasks that wait for a broker that has died:
    `broker.deadline` turns such a cancellation into an error, so that it does not end the loop.
    """
    while True:
        try:
            async with broker.deadline():
                await run_round()
        except (AMQPError, ChannelInvalidStateError) as error:
            log.warning("loop.broker_unavailable", loop=name, error=repr(error))
        except Exception as error:
            report_job_error(
                error, unavailable="loop.dependency_unavailable", failed="loop.failed", loop=name
            )
        await asyncio.sleep(RESTART_SECONDS)
