"""The local instance, as the operators' commands see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from operate.installation import Installation

from . import down, up
from .instance import Instance


def installation() -> Installation:
    instance = Instance.from_environment()
    return Installation(
        instance.environments(), instance.root / "backups", partial(_stopped, instance)
    )


@contextmanager
def _stopped(instance: Instance) -> Iterator[None]:
    """Stops gateway and services; starts them again unless the command fails."""
    with instance.locked():
        down.stop_services(instance)
        up.bring_up(instance, only_infra=True)
        yield
        up.bring_up(instance, only_infra=False)
