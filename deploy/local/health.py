"""Asks the processes of an instance how they are."""

import http.client
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit


def answers_http(url: str) -> int:
    """The status of a GET; 0 where nothing answers. Proxies of the environment are not asked."""
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
    return answers_http(f"{url}/health/live") == 200


def is_healthy(url: str) -> bool:
    """Whether a process of ours runs and every part that it uses answers it."""
    return answers_http(f"{url}/health/status") == 200


def parts_away(url: str) -> list[str]:
    """The parts that do not answer a process; empty if the process itself does not answer."""
    try:
        checks = json.loads(_get(f"{url}/health/status")[1])["checks"]
    except (ValueError, KeyError):
        return []
    return [name for name, state in checks.items() if state != "ok"]


def wait_for(url: str, timeout: float) -> None:
    """Returns when the process at `url` is healthy. Raises TimeoutError."""
    wait_until(lambda: is_healthy(url), timeout, url)


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Raises TimeoutError, which names `what`."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} is not ready after {timeout:.0f} s")
        time.sleep(0.1)
