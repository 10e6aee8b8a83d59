"""Rebuilds and backfills a service from the events that the producers keep in their outbox tables.

One `chassis dump` process per producer writes events to a pipe; one process of the consuming
service (`chassis rebuild` or `chassis backfill`) reads it. If a producer fails, the consumer is
killed before it sees the end of its input: a truncated dump must not be applied as a complete one.
"""

import subprocess

from . import repository, services
from .instance import Instance
from .terminal import CommandFailed


def rebuild(instance: Instance, service: str) -> None:
    """Builds a new copy of a service's projection and swaps it in. Raises CommandFailed."""
    _run(instance, service, "rebuild", "--begin", f"services.{service}")
    _apply_stored_events(instance, service, "rebuild")


def backfill(instance: Instance, service: str) -> None:
    """Applies the stored events that the service has not received. Raises CommandFailed."""
    if not has_handlers(service):
        raise CommandFailed(
            f"{service} handles no events of other services, so there is nothing to backfill."
        )
    _apply_stored_events(instance, service, "backfill")


def has_handlers(service: str) -> bool:
    """Whether the service handles events of other services."""
    return (repository.REPOSITORY / "services" / service / "handlers.py").exists()


def migrate_and_purge(instance: Instance, service: str) -> None:
    """Migrates the schema, declares the queues, then empties them. Raises CommandFailed."""
    _run(instance, service, "migrate", f"services.{service}")
    _run(instance, service, "purge", f"services.{service}")


def _run(instance: Instance, service: str, *arguments: str) -> None:
    command = [repository.python(), "-m", "chassis", *arguments]
    result = subprocess.run(
        command, cwd=repository.REPOSITORY, env=services.environment(instance, service), check=False
    )
    if result.returncode:
        raise CommandFailed(
            f"`chassis {' '.join(arguments)}` failed with exit code {result.returncode}; "
            "its error is printed above."
        )


def _apply_stored_events(instance: Instance, service: str, command: str) -> None:
    consumer = subprocess.Popen(
        [repository.python(), "-m", "chassis", command, f"services.{service}"],
        cwd=repository.REPOSITORY,
        env=services.environment(instance, service),
        stdin=subprocess.PIPE,
    )
    assert consumer.stdin is not None
    try:
        for producer in repository.SERVICES:
            dump = subprocess.run(
                [repository.python(), "-m", "chassis", "dump", f"services.{producer}"],
                cwd=repository.REPOSITORY,
                env=services.environment(instance, producer),
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
