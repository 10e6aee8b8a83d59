"""Where things stand in the repository, and which number each port of an instance has."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("users", "tweets", "media", "feed")
MOST_REPLICAS = 5

POSTGRES, AMQP, DISTRIBUTION, EPMD, PROMETHEUS, S3 = range(60, 66)
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


def plain_environment() -> dict[str, str]:
    """What a process needs to run at all, and nothing that configures ours or holds a secret."""
    names = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME")
    prefixes = ("LC_", "SSL_", "REQUESTS_CA_")
    return {
        name: value
        for name, value in os.environ.items()
        if name in names or name.startswith(prefixes)
    }
