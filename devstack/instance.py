"""One instance of the whole system: a folder, a block of a hundred ports, and its settings.

It computes the addresses of all processes and the environment of each. Tests and seed tools use it
too: `Instance.from_environment().service_environment("feed")`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import cached_property
from pathlib import Path
from typing import Self

from dotenv import dotenv_values

from operate.installation import OWNER
from operate.terminal import CommandFailed, say

from . import environment, health, keys, port_numbers
from .repository import PYTHON_PATH, REPOSITORY, SERVICES
from .supervisor_client import Supervisor

_SHARED_PREFIXES = ("SENTRY_DSN", "LOG_", "OTEL_", "FORWARDED_ALLOW_IPS")
_DEVSTACK_SETTINGS = ("REPLICAS", "DB_PASSWORD", "HOST", "INTERNAL_ADDRESS")
"""Settings with a service's prefix that are meant for devstack and not passed to the service."""


class BadSettings(CommandFailed):
    """A setting is invalid or contradicts another one; the message names it."""


def is_application(program: str) -> bool:
    """Whether it is the gateway or a process of a service, not an embedded server."""
    return program.partition("-")[0] in (*SERVICES, "gateway")


class Instance:
    """`settings` are variables as in `.env`; by default those of the calling environment."""

    def __init__(self, root: Path, port: int, settings: Mapping[str, str] | None = None) -> None:
        self.root = root.resolve()
        self.port = port
        self.settings = dict(os.environ if settings is None else settings)

    @classmethod
    def from_environment(cls) -> Self:
        """The instance in `WARBLE_HOME` at `WARBLE_PORT`. Raises BadSettings.

        The settings are those of the file `WARBLE_ENV_FILE` (by default `.env`); variables of the
        environment override them.
        """
        file = os.environ.get("WARBLE_ENV_FILE", ".env")
        from_file = dotenv_values(REPOSITORY / file) if file else {}
        settings = {name: value for name, value in from_file.items() if value} | os.environ
        port = settings.get("WARBLE_PORT") or "8000"
        if not port.isdecimal() or not 1024 <= int(port) <= 65436:
            raise BadSettings(f"WARBLE_PORT is {port}, but must be a number from 1024 to 65436.")
        return cls(REPOSITORY / (settings.get("WARBLE_HOME") or ".local"), int(port), settings)

    def port_of(self, offset: int) -> int:
        """The port with this offset from the instance's first port: see `port_numbers`."""
        return self.port + offset

    @cached_property
    def secrets(self) -> dict[str, str]:
        self.make_folder()
        return keys.load(self.root)

    @cached_property
    def admin_key(self) -> str:
        self.make_folder()
        return self.settings.get("USERS_ADMIN_KEY") or keys.load_admin_key(self.root)

    def make_folder(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "run"):
            (self.root / name).mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one command at a time changes what runs. The lock ends with the process."""
        self.make_folder()
        with (self.root / "lock").open("w") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                say("Another make up, down, reset or restore is running: waiting for it …")
                flock(lock, LOCK_EX)
            yield

    # Servers: embedded, unless the settings name others.

    @property
    def embeds_database(self) -> bool:
        return not self.settings.get("DB_HOST")

    @property
    def embeds_broker(self) -> bool:
        names = [f"{name.upper()}_BROKER_URL" for name in (*SERVICES, "gateway")]
        missing = [name for name in names if not self.settings.get(name)]
        if missing and len(missing) < len(names):
            raise BadSettings(
                "To use your own broker, set its URL for the gateway and for every service. "
                f"Missing: {', '.join(missing)}."
            )
        return bool(missing)

    @property
    def embeds_store(self) -> bool:
        return not self.settings.get("MEDIA_S3_ENDPOINT")

    @property
    def uploads(self) -> Path:
        """The folder in which the embedded store keeps its files."""
        return REPOSITORY / (self.settings.get("UPLOAD_DIR") or self.root / "uploads")

    @property
    def bucket(self) -> str:
        return self.settings.get("MEDIA_S3_BUCKET") or "warble"

    # Addresses.

    @property
    def gateway_host(self) -> str:
        return self.settings.get("GATEWAY_HOST") or "127.0.0.1"

    @property
    def gateway_url(self) -> str:
        host = self.gateway_host
        if host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
            host = "127.0.0.1"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def replicas(self, service: str) -> int:
        name = f"{service.upper()}_REPLICAS"
        count = self.settings.get(name) or "1"
        if not count.isdecimal() or not 1 <= int(count) <= port_numbers.MAX_REPLICAS:
            raise BadSettings(
                f"{name} is {count}, but must be a number from 1 to {port_numbers.MAX_REPLICAS}."
            )
        return int(count)

    def api_urls(self, service: str) -> list[str]:
        return [
            self._local(port_numbers.api_offset(service, replica))
            for replica in range(1, self.replicas(service) + 1)
        ]

    def stream_urls(self) -> list[str]:
        return [
            self._local(port_numbers.stream_offset(replica))
            for replica in range(1, self.replicas("notifications") + 1)
        ]

    def worker_url(self, service: str) -> str:
        return self._local(port_numbers.worker_offset(service))

    def url(self, program: str) -> str | None:
        """The URL of a process for probes and Prometheus; None for an embedded server."""
        if program == "gateway":
            return self._local(port_numbers.GATEWAY_INTERNAL)
        if not is_application(program):
            return None
        service, _, role = program.partition("-")
        if role == "worker":
            return self.worker_url(service)
        kind, _, replica = role.partition("-")
        if kind == "stream":
            return self._local(port_numbers.stream_offset(int(replica)))
        return self._local(port_numbers.api_offset(service, int(replica)))

    def _local(self, offset: int) -> str:
        return f"http://127.0.0.1:{self.port_of(offset)}"

    # Environments.

    def database(self) -> dict[str, str]:
        """Address and owner of the database, in the variables that the services read."""
        if self.embeds_database:
            return {
                "DB_HOST": "127.0.0.1",
                "DB_PORT": str(self.port_of(port_numbers.POSTGRES)),
                "DB_NAME": "warble",
                "DB_USER": "postgres",
                "DB_PASSWORD": self.secrets["database_owner"],
            }
        return {
            "DB_HOST": self.settings["DB_HOST"],
            "DB_PORT": self.settings.get("DB_PORT") or "5432",
            "DB_NAME": self.settings.get("DB_NAME") or "warble",
            "DB_USER": self.settings.get("DB_USER") or "postgres",
            "DB_PASSWORD": self.settings.get("DB_PASSWORD") or "",
        }

    def role_password(self, service: str) -> str:
        configured = self.settings.get(f"{service.upper()}_DB_PASSWORD")
        return configured or self.secrets[f"database_{service}"]

    @property
    def broker_url(self) -> str:
        """The embedded broker, as its administrator."""
        return self._broker("warble", self.secrets["broker_password"])

    def _broker(self, user: str, password: str) -> str:
        return f"amqp://{user}:{password}@127.0.0.1:{self.port_of(port_numbers.AMQP)}/"

    def service_environment(self, service: str) -> dict[str, str]:
        """The whole environment of a process of this service, or of the gateway.

        Settings of the user (`FEED_…`, `LOG_…`, see `_SHARED_PREFIXES`) override the defaults.
        """
        prefix = f"{service.upper()}_"
        variables: dict[str, str] = {
            "PYTHONPATH": PYTHON_PATH,
            "PYTHONUNBUFFERED": "1",
            f"{prefix}BROKER_URL": self._broker(service, self.secrets[f"broker_{service}"]),
        }
        if service == "gateway":
            variables["GATEWAY_IDENTITY_PRIVATE_KEY"] = self.secrets["identity"]
            internal = self.port_of(port_numbers.GATEWAY_INTERNAL)
            variables["GATEWAY_INTERNAL_ADDRESS"] = f"127.0.0.1:{internal}"
            for name in SERVICES:
                variables[f"GATEWAY_{name.upper()}_URLS"] = ",".join(self.api_urls(name))
            variables["GATEWAY_STREAM_URLS"] = ",".join(self.stream_urls())
        else:
            variables |= self.database()
            variables |= {"DB_USER": service, "DB_PASSWORD": self.role_password(service)}
            variables[f"{prefix}IDENTITY_PUBLIC_KEY"] = keys.public_keys_of(
                self.secrets["identity"]
            )
        if service == "users":
            variables["USERS_ADMIN_KEY"] = self.admin_key
        if service == "tweets":
            variables["TWEETS_MEDIA_URLS"] = ",".join(self.api_urls("media"))
        if service == "media":
            variables |= self._store()
        overrides = {
            name: value
            for name, value in self.settings.items()
            if value
            and name.startswith((prefix, *_SHARED_PREFIXES))
            and name.removeprefix(prefix) not in _DEVSTACK_SETTINGS
        }
        return environment.inherited_environment() | variables | overrides

    def environments(self) -> dict[str, dict[str, str]]:
        """The environment of each service, and of the database's owner as `postgres`."""
        services = {name: self.service_environment(name) for name in SERVICES}
        return services | {OWNER: environment.inherited_environment() | self.database()}

    def _store(self) -> dict[str, str]:
        settings = {"MEDIA_S3_BUCKET": self.bucket, "MEDIA_S3_SECURE": "false"}
        if self.embeds_store:
            settings |= {
                "MEDIA_S3_ENDPOINT": f"127.0.0.1:{self.port_of(port_numbers.S3)}",
                "MEDIA_S3_ACCESS_KEY": self.secrets["store_access"],
                "MEDIA_S3_SECRET_KEY": self.secrets["store_secret"],
            }
        return settings

    # Processes; tests stop and kill them.

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.root)

    def start(self, program: str, *, timeout: float = 60) -> None:
        """Returns when the program is healthy. Raises TimeoutError."""
        self.supervisor.start(program, wait=False)
        url = self.url(program)
        if url is not None:
            health.wait_until_healthy(url, timeout)

    def stop(self, program: str) -> None:
        """Stops the program gracefully; returns when its process has ended."""
        self.supervisor.stop(program)

    def kill(self, program: str) -> None:
        """Sends SIGKILL. The supervisor restarts the program."""
        self.supervisor.signal(program, "KILL")

    def pid(self, program: str) -> int:
        """0 if the program does not run."""
        return self.supervisor.process(program).pid
