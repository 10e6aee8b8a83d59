"""Asks the processes of an instance how they are."""

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit


def answers_http(url: str, timeout: float = 4) -> int:
    """The status of a GET; 0 where nothing answers. Proxies of the environment are not asked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def is_healthy(url: str) -> bool:
    """Whether a process of ours runs and every part that it uses answers it."""
    return answers_http(f"{url}/health/status") == 200


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
