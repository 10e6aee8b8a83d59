"""Client of supervisord, which starts, watches and restarts the processes of an instance.

Each instance has its own supervisord, which listens on a Unix socket in the instance's folder.
"""

import hashlib
import http.client
import os
import subprocess
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from operate.terminal import CommandFailed

from . import environment, repository

_MAX_SOCKET_PATH_BYTES = 90
"""Linux allows 107 bytes; supervisord appends up to a dozen characters for a temporary name."""

ALREADY_STARTED, NOT_RUNNING = 60, 70
"""Fault codes of supervisord, which mean that the wanted state is reached already."""


INSTANCE_VARIABLE = "WARBLE_INSTANCE"
"""Every process of an instance has the instance's folder in this variable of its environment."""


class SupervisorUnreachable(CommandFailed):
    """No supervisord of this instance answers."""


@dataclass(frozen=True)
class Process:
    name: str
    state: str
    pid: int
    since: float
    """When the process entered its state, as a Unix timestamp."""
    spawn_error: str


def socket_path(root: Path) -> Path:
    """In the instance's folder; if that path is too long for a socket, in a private one in /tmp."""
    path = root / "run" / "supervisor.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH_BYTES:
        return path
    folder = Path(f"/tmp/warble-{os.getuid()}")  # noqa: S108 (its owner and mode are checked)
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if state.st_uid != os.getuid() or state.st_mode & 0o77 or folder.is_symlink():
        raise PermissionError(
            f"{folder} belongs to another user or others may enter it: remove it."
        )
    return folder / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.sock"


class Supervisor:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.configuration = root / "run" / "supervisord.conf"
        self.pid_file = root / "run" / "supervisord.pid"
        self.socket = socket_path(root)

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorUnreachable(
                "Nothing of this instance is running. Start it with `make up`."
            ) from error

    def _call_idempotent(self, already_done: int, method: str, *arguments: Any) -> None:
        """Ignores the fault `already_done`: the process is in the wanted state."""
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != already_done:
                raise

    def is_running(self) -> bool:
        try:
            self._call("getState")
        except SupervisorUnreachable:
            return False
        return True

    def pid(self) -> int:
        """The pid of the supervisord that runs with this configuration; 0 if there is none."""
        try:
            pid = int(self.pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if os.fsencode(self.configuration) in command else 0

    def launch(self) -> None:
        """Starts supervisord as a daemon. Raises SupervisorUnreachable."""
        result = subprocess.run(
            [repository.python(), "-m", "devstack.forking_supervisord", "-c", self.configuration],
            cwd=self._root,
            env={
                **environment.inherited_environment(),
                "PYTHONPATH": repository.PYTHON_PATH,
                INSTANCE_VARIABLE: str(self._root),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise SupervisorUnreachable(
                f"supervisord does not start: {result.stdout}{result.stderr}"
            )
        deadline = time.monotonic() + 15
        while not self.is_running():
            if time.monotonic() > deadline:
                raise SupervisorUnreachable(
                    f"supervisord was started but does not answer on {self.socket}."
                )
            time.sleep(0.05)

    def processes(self) -> list[Process]:
        return [self._process(info) for info in self._call("getAllProcessInfo")]

    def process(self, name: str) -> Process:
        return self._process(self._call("getProcessInfo", name))

    @staticmethod
    def _process(info: dict[str, Any]) -> Process:
        running = info["statename"] in ("STARTING", "RUNNING", "STOPPING")
        return Process(
            info["name"],
            info["statename"],
            info["pid"],
            float(info["start"] if running else info["stop"]),
            info["spawnerr"],
        )

    def start(self, name: str, *, wait: bool = True) -> None:
        self._call_idempotent(ALREADY_STARTED, "startProcess", name, wait)

    def stop(self, *names: str) -> None:
        """Asks all of them to stop, and returns when none of them runs."""
        for name in names:
            self._call_idempotent(NOT_RUNNING, "stopProcess", name, False)
        while any(p.pid for p in self.processes() if p.name in names):
            time.sleep(0.05)

    def signal(self, name: str, signal: str) -> None:
        self._call("signalProcess", name, signal)

    def reread(self) -> tuple[list[str], list[str], list[str]]:
        """The programs that the configuration file adds, changes and removes."""
        added, changed, removed = self._call("reloadConfig")[0]
        return added, changed, removed

    def add(self, name: str) -> None:
        self._call("addProcessGroup", name)

    def remove(self, name: str) -> None:
        """The program must be stopped."""
        self._call("removeProcessGroup", name)

    def shutdown(self) -> None:
        self._call("shutdown")
