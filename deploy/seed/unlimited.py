"""A gateway without limits while an import runs: it does in minutes what its people do in years."""

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from rich.console import Console

from deploy.local.instance import Instance
from deploy.local.places import REPOSITORY, python

from .client import NotUp


@contextmanager
def gateway(instance: Instance, console: Console) -> Iterator[None]:
    """Starts the gateway anew without limits, and afterwards with them.

    One that we do not run stays as it is, and so does one that has no limits. Raises NotUp.
    """
    if not instance.supervisor.answers() or not _is_limited(instance):
        yield
        return
    console.print("The gateway lifts its limits for the import.")
    _up(GATEWAY_RATE_LIMITS="off")
    try:
        yield
    finally:
        _up()


def _is_limited(instance: Instance) -> bool:
    address = urlsplit(instance.gateway_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=15)
    try:
        connection.request("GET", "/api/users/me", headers={"api-key": instance.admin_key})
        return connection.getresponse().getheader("ratelimit") is not None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _up(**settings: str) -> None:
    done = subprocess.run(
        [python(), "-m", "deploy.local", "up"],
        cwd=REPOSITORY,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotUp(done.stdout + done.stderr)
