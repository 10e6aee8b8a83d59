"""Kept events, from the processes of their producers to one that takes them in, by a pipe."""

import subprocess

from . import places, services
from .instance import Instance
from .terminal import Refused


def rebuild(instance: Instance, service: str) -> None:
    """Makes a service's projection anew beside the one that serves. Raises Refused."""
    _run(instance, service, "chassis.rebuild", "--begin", f"services.{service}")
    _pour(instance, service, "chassis.rebuild")


def take_in_missed(instance: Instance, service: str) -> None:
    """Brings in what the service has not heard of. Raises Refused."""
    if not reacts(service):
        raise Refused(f"{service} reacts to nobody's events: there is nothing to miss.")
    _pour(instance, service, "chassis.missed")


def reacts(service: str) -> bool:
    """Whether the service hears of others' events at all."""
    return (places.REPOSITORY / "services" / service / "handlers.py").exists()


def forget(instance: Instance, service: str) -> None:
    """Brings the schema and the queues up to date, and empties the queues. Raises Refused."""
    _run(instance, service, "chassis.migrate", f"services.{service}")
    _run(instance, service, "chassis.migrate", "--empty", f"services.{service}")


def _run(instance: Instance, service: str, *arguments: str) -> None:
    command = [places.python(), "-m", *arguments]
    done = subprocess.run(
        command, cwd=places.REPOSITORY, env=services.environment(instance, service), check=False
    )
    if done.returncode:
        raise Refused(f"`{' '.join(arguments)}` ended with {done.returncode}: see above.")


def _pour(instance: Instance, service: str, module: str) -> None:
    taking = subprocess.Popen(
        [places.python(), "-m", module, f"services.{service}"],
        cwd=places.REPOSITORY,
        env=services.environment(instance, service),
        stdin=subprocess.PIPE,
    )
    assert taking.stdin is not None
    try:
        for producer in places.SERVICES:
            told = subprocess.run(
                [places.python(), "-m", "chassis.kept", f"services.{producer}"],
                cwd=places.REPOSITORY,
                env=services.environment(instance, producer),
                stdin=subprocess.DEVNULL,
                stdout=taking.stdin,
                check=False,
            )
            if told.returncode:
                # Without the end of what it tells: nothing takes the place of anything then.
                taking.kill()
                raise Refused(f"{producer} did not tell all of its events: see above.")
    finally:
        taking.stdin.close()
        taking.wait()
    if taking.returncode:
        raise Refused(f"`{module} services.{service}` ended with {taking.returncode}: see above.")
