"""Asks the processes of an instance for their health, over HTTP."""

import http.client
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit


def http_status(url: str) -> int:
    """The status of a GET; 0 if nothing answers. Ignores the proxies of the environment."""
    return _get(url)[0]


def _get(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=4)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def is_alive(url: str) -> bool:
    return http_status(f"{url}/health/live") == 200


def is_healthy(url: str) -> bool:
    """Whether the process runs and all its dependencies answer it."""
    return http_status(f"{url}/health/status") == 200


def failing_checks(url: str) -> list[str]:
    """The dependencies that do not answer a process; empty if the process itself is silent."""
    try:
        checks = json.loads(_get(f"{url}/health/status")[1])["checks"]
    except (ValueError, KeyError):
        return []
    return [name for name, state in checks.items() if state != "ok"]


def wait_until_healthy(url: str, timeout: float) -> None:
    """Returns when the process at `url` is healthy. Raises TimeoutError."""
    wait_until(lambda: is_healthy(url), timeout, url)


def wait_until(condition: Callable[[], bool], timeout: float, subject: str) -> None:
    """Returns when `condition` is true. Raises TimeoutError, whose message names `subject`."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{subject} is not ready after {timeout:.0f} s")
        time.sleep(0.1)
