"""Where things stand in the repository, and which number each port of an instance has."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("users", "tweets", "media", "feed")
MOST_REPLICAS = 5

POSTGRES, AMQP, DISTRIBUTION, EPMD, PROMETHEUS, S3 = range(60, 66)
GATEWAY_INTERNAL = 1
_BASES = {"users": 10, "tweets": 20, "media": 30, "feed": 40}


def api_offset(service: str, replica: int) -> int:
    """Replicas count from 1."""
    return _BASES[service] + replica - 1


def worker_offset(service: str) -> int:
    return _BASES[service] + MOST_REPLICAS


def python() -> str:
    """The interpreter that everything runs with: the one of `.venv`, not what its link leads to."""
    return str(tool("python"))


def tool(name: str) -> Path:
    return REPOSITORY / ".venv" / "bin" / name


_PLAIN = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME")
_PLAIN_PREFIXES = ("LC_", "SSL_", "REQUESTS_CA_")


def is_plain(variable: str) -> bool:
    """Whether a process needs it to run at all: it configures nothing of ours, nor is it secret."""
    return variable in _PLAIN or variable.startswith(_PLAIN_PREFIXES)


def plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if is_plain(name)}


def digest(paths: Iterable[Path]) -> str:
    """Of the names and contents of these files of the repository, in whatever order they come."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(path.relative_to(REPOSITORY).as_posix().encode() + b"\0")
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
