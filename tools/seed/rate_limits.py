"""Switches off the gateway's rate limits while an import runs, which exceeds them by far."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from rich.console import Console

from devstack.instance import Instance
from devstack.repository import REPOSITORY, python
from tools.api_client import GatewayUnreachable


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
    headers = {"api-key": instance.admin_key}
    try:
        response = httpx.get(f"{instance.gateway_url}/api/users/me", headers=headers, timeout=15)
    except httpx.TransportError:
        return False
    return "ratelimit" in response.headers


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
