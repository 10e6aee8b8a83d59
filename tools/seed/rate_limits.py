"""Switches off the gateway's rate limits while an import runs, which exceeds them by far."""

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from rich.console import Console

from devstack.instance import Instance
from devstack.repository import REPOSITORY, python

from .client import GatewayUnreachable


@contextmanager
def switched_off(instance: Instance, console: Console) -> Iterator[None]:
    """Restarts the gateway without limits, and afterwards with them. Raises GatewayUnreachable.

    A gateway that does not run on this machine or has no limits is left alone.
    """
    if not instance.supervisor.is_running() or not _is_limited(instance):
        yield
        return
    console.print("Restarting the gateway without rate limits for the import.")
    _up(GATEWAY_RATE_LIMITS="off")
    try:
        yield
    finally:
        _up()


def _is_limited(instance: Instance) -> bool:
    url = urlsplit(instance.gateway_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=15)
    try:
        connection.request("GET", "/api/users/me", headers={"api-key": instance.admin_key})
        return connection.getresponse().getheader("ratelimit") is not None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _up(**settings: str) -> None:
    result = subprocess.run(
        [python(), "-m", "devstack", "up"],
        cwd=REPOSITORY,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise GatewayUnreachable(result.stdout + result.stderr)
