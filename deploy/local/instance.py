"""One instance of the whole system: a folder, a block of a hundred ports, and its settings.

Tests and seeders use it too: `Instance.from_environment().service_environment("feed")`.
"""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

from dotenv import dotenv_values

from . import health, keys, places
from .places import REPOSITORY, SERVICES
from .supervisor import Supervisor

_SHARED = ("SENTRY_DSN", "LOG_", "OTEL_", "FORWARDED_ALLOW_IPS")
_OURS = ("REPLICAS", "DB_PASSWORD", "HOST", "INTERNAL_ADDRESS")
"""What stands after a service's prefix and is said to us, not to the service."""


class BadSettings(Exception):
    """The settings contradict each other; the message says how."""


def is_ours(program: str) -> bool:
    """Whether it is a service's process or the gateway: not a database, a broker or a store."""
    return program.partition("-")[0] in (*SERVICES, "gateway")


class Instance:
    """`given` are the settings from outside: the calling environment and, below it, `.env`."""

    def __init__(self, root: Path, port: int, given: Mapping[str, str] | None = None) -> None:
        self.root = root.resolve()
        self.port = port
        self.given = dict(os.environ if given is None else given)

    @classmethod
    def from_environment(cls) -> Self:
        """As `WARBLE_HOME`, `WARBLE_PORT` and the settings file `WARBLE_ENV_FILE` say."""
        file = os.environ.get("WARBLE_ENV_FILE", ".env")
        written = dotenv_values(REPOSITORY / file) if file else {}
        given = {name: value for name, value in written.items() if value} | os.environ
        port = given.get("WARBLE_PORT") or "8000"
        if not port.isdecimal() or not 1024 <= int(port) <= 65436:
            raise BadSettings(f"WARBLE_PORT is {port}: give a number from 1024 to 65436.")
        return cls(REPOSITORY / (given.get("WARBLE_HOME") or ".local"), int(port), given)

    def offset(self, number: int) -> int:
        return self.port + number

    @cached_property
    def secrets(self) -> dict[str, str]:
        self.make_folder()
        return keys.load(self.root)

    @cached_property
    def admin_key(self) -> str:
        self.make_folder()
        return self.given.get("USERS_ADMIN_KEY") or keys.load_admin_key(self.root)

    def make_folder(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "run"):
            (self.root / name).mkdir(mode=0o700, exist_ok=True)

    # What is embedded, and what is somebody's own.

    @property
    def embeds_database(self) -> bool:
        return not self.given.get("DB_HOST")

    @property
    def embeds_broker(self) -> bool:
        names = [f"{name.upper()}_BROKER_URL" for name in (*SERVICES, "gateway")]
        missing = [name for name in names if not self.given.get(name)]
        if missing and len(missing) < len(names):
            raise BadSettings(
                "A broker of your own has to be named for every part; missing: "
                + ", ".join(missing)
            )
        return bool(missing)

    @property
    def embeds_store(self) -> bool:
        return not self.given.get("MEDIA_S3_ENDPOINT")

    @property
    def uploads(self) -> Path:
        """Where the embedded store keeps its files."""
        return REPOSITORY / (self.given.get("UPLOAD_DIR") or self.root / "uploads")

    @property
    def bucket(self) -> str:
        return self.given.get("MEDIA_S3_BUCKET") or "warble"

    # Addresses.

    @property
    def gateway_host(self) -> str:
        return self.given.get("GATEWAY_HOST") or "127.0.0.1"

    @property
    def gateway_url(self) -> str:
        host = self.gateway_host
        if host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
            host = "127.0.0.1"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def replicas(self, service: str) -> int:
        name = f"{service.upper()}_REPLICAS"
        count = self.given.get(name) or "1"
        if not count.isdecimal() or not 1 <= int(count) <= places.MOST_REPLICAS:
            raise BadSettings(f"{name} is {count}: give a number from 1 to {places.MOST_REPLICAS}.")
        return int(count)

    def api_urls(self, service: str) -> list[str]:
        return [
            self._local(places.api_offset(service, replica))
            for replica in range(1, self.replicas(service) + 1)
        ]

    def worker_url(self, service: str) -> str:
        return self._local(places.worker_offset(service))

    def url(self, program: str) -> str | None:
        """Where a process of ours answers probes and Prometheus; None for the embedded parts."""
        if program == "gateway":
            return self._local(places.GATEWAY_INTERNAL)
        if not is_ours(program):
            return None
        service, _, role = program.partition("-")
        if role == "worker":
            return self.worker_url(service)
        return self._local(places.api_offset(service, int(role.removeprefix("api-"))))

    def _local(self, offset: int) -> str:
        return f"http://127.0.0.1:{self.offset(offset)}"

    # Environments.

    def database(self) -> dict[str, str]:
        """Address and owner of the database, under the names that the services know."""
        if self.embeds_database:
            return {
                "DB_HOST": "127.0.0.1",
                "DB_PORT": str(self.offset(places.POSTGRES)),
                "DB_NAME": "warble",
                "DB_USER": "postgres",
                "DB_PASSWORD": self.secrets["database_owner"],
            }
        return {
            "DB_HOST": self.given["DB_HOST"],
            "DB_PORT": self.given.get("DB_PORT") or "5432",
            "DB_NAME": self.given.get("DB_NAME") or "warble",
            "DB_USER": self.given.get("DB_USER") or "postgres",
            "DB_PASSWORD": self.given.get("DB_PASSWORD") or "",
        }

    def role_password(self, service: str) -> str:
        given = self.given.get(f"{service.upper()}_DB_PASSWORD")
        return given or self.secrets[f"database_{service}"]

    @property
    def broker_url(self) -> str:
        """The embedded broker's, for an operator."""
        return self._broker("warble", self.secrets["broker_password"])

    def _broker(self, user: str, password: str) -> str:
        return f"amqp://{user}:{password}@127.0.0.1:{self.offset(places.AMQP)}/"

    def service_environment(self, service: str) -> dict[str, str]:
        """The whole environment of a process of this service, or of the gateway."""
        prefix = f"{service.upper()}_"
        own: dict[str, str] = {
            "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'libs'}",
            "PYTHONUNBUFFERED": "1",
            f"{prefix}BROKER_URL": self._broker(service, self.secrets[f"broker_{service}"]),
        }
        if service == "gateway":
            own["GATEWAY_IDENTITY_PRIVATE_KEY"] = self.secrets["identity"]
            internal = self.offset(places.GATEWAY_INTERNAL)
            own["GATEWAY_INTERNAL_ADDRESS"] = f"127.0.0.1:{internal}"
            for name in SERVICES:
                own[f"GATEWAY_{name.upper()}_URLS"] = ",".join(self.api_urls(name))
        else:
            own |= self.database()
            own |= {"DB_USER": service, "DB_PASSWORD": self.role_password(service)}
            own[f"{prefix}IDENTITY_PUBLIC_KEY"] = keys.public_half(self.secrets["identity"])
        if service == "users":
            own["USERS_ADMIN_KEY"] = self.admin_key
        if service == "tweets":
            own["TWEETS_MEDIA_URLS"] = ",".join(self.api_urls("media"))
        if service == "media":
            own |= self._store()
        passed = {
            name: value
            for name, value in self.given.items()
            if value
            and name.startswith((prefix, *_SHARED))
            and name.removeprefix(prefix) not in _OURS
        }
        return places.plain_environment() | own | passed

    def _store(self) -> dict[str, str]:
        settings = {"MEDIA_S3_BUCKET": self.bucket, "MEDIA_S3_SECURE": "false"}
        if self.embeds_store:
            settings |= {
                "MEDIA_S3_ENDPOINT": f"127.0.0.1:{self.offset(places.S3)}",
                "MEDIA_S3_ACCESS_KEY": self.secrets["store_access"],
                "MEDIA_S3_SECRET_KEY": self.secrets["store_secret"],
            }
        return settings

    # Processes, for tests that stop and kill them.

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.root)

    def start(self, program: str, *, timeout: float = 60) -> None:
        """Returns when the program answers that it is ready. Raises TimeoutError."""
        self.supervisor.start(program, wait=False)
        url = self.url(program)
        if url is not None:
            health.wait_for(url, timeout)

    def stop(self, program: str) -> None:
        """A graceful stop; returns when the program is gone."""
        self.supervisor.stop(program)

    def kill(self, program: str) -> None:
        """SIGKILL. The supervisor starts it again."""
        self.supervisor.signal(program, "KILL")

    def pid(self, program: str) -> int:
        """0 while it does not run."""
        return self.supervisor.process(program).pid
