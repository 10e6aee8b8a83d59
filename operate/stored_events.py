"""Rebuilds and backfills a service from the events that the producers keep in their outbox tables.

One `chassis dump` process per producer writes events to a pipe; one process of the consuming
service (`chassis rebuild` or `chassis backfill`) reads it. If a producer fails, the consumer is
killed before it sees the end of its input: a truncated dump must not be applied as a complete one.
"""

import subprocess
import sys
from importlib.util import find_spec

from .installation import Installation
from .terminal import CommandFailed


def rebuild(installation: Installation, service: str) -> None:
    """Builds a new copy of a service's projection and swaps it in. Raises CommandFailed."""
    installation.run(service, "chassis", "rebuild", "--begin", f"services.{service}")
    apply(installation, service, "rebuild")


def apply(installation: Installation, service: str, command: str) -> None:
    """Pipes the events of all producers into `chassis rebuild` or `backfill`.

    Raises CommandFailed."""
    consumer = subprocess.Popen(
        [sys.executable, "-m", "chassis", command, f"services.{service}"],
        env=installation.environments[service],
        stdin=subprocess.PIPE,
    )
    assert consumer.stdin is not None
    try:
        for producer in installation.services:
            dump = subprocess.run(
                [sys.executable, "-m", "chassis", "dump", f"services.{producer}"],
                env=installation.environments[producer],
                stdin=subprocess.DEVNULL,
                stdout=consumer.stdin,
                check=False,
            )
            if dump.returncode:
                # Killed before its input ends: it must not take these events for all of them.
                consumer.kill()
                raise CommandFailed(
                    f"The events of {producer} could not be read completely; the error is printed "
                    "above. Correct its cause and run the command again."
                )
    finally:
        consumer.stdin.close()
        consumer.wait()
    if consumer.returncode:
        raise CommandFailed(
            f"`chassis {command} services.{service}` failed with exit code "
            f"{consumer.returncode}; its error is printed above."
        )


def has_handlers(service: str) -> bool:
    """Whether the service handles events of other services."""
    return find_spec(f"services.{service}.handlers") is not None
