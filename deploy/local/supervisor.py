"""The way to supervisord: one per instance, asked over a Unix socket in the instance's folder."""

import hashlib
import http.client
import os
import socket
import subprocess
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import places

_LONGEST_SOCKET_PATH = 90
"""The system allows 107 characters, of which supervisord adds up to a dozen for a moment."""

BAD_NAME, ALREADY_STARTED, NOT_RUNNING = 10, 60, 70
"""supervisord's faults. The last two say that the wish is fulfilled already."""


MARK = "WARBLE_INSTANCE"
"""Every process of an instance has its folder in this variable, so that it is known as ours."""


class Unreachable(Exception):
    """No supervisord of this instance answers."""


@dataclass(frozen=True)
class Process:
    name: str
    state: str
    pid: int
    since: float
    """When the process entered its state, in seconds of the epoch."""
    trouble: str


def socket_path(root: Path) -> Path:
    """In the instance's folder; where that path is too long for a socket, in one of one's own."""
    path = root / "run" / "supervisor.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    folder = Path(f"/tmp/warble-{os.getuid()}")  # noqa: S108 (its owner and mode are checked)
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if state.st_uid != os.getuid() or state.st_mode & 0o77 or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to somebody else: remove it.")
    return folder / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.sock"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        # Kept where the base class looks for it when it closes.
        self._connection = host, _Connection(self._path)
        return self._connection[1]


class Supervisor:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.configuration = root / "run" / "supervisord.conf"
        self.pid_file = root / "run" / "supervisord.pid"
        self.socket = socket_path(root)

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = _Transport(self.socket)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable("Nothing of this instance runs: `make up` starts it.") from error

    def _wish(self, fulfilled: int, method: str, *arguments: Any) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != fulfilled:
                raise

    def answers(self) -> bool:
        try:
            self._call("getState")
        except Unreachable:
            return False
        return True

    def pid(self) -> int:
        """Of a supervisord that runs on this configuration; 0 where there is none."""
        try:
            pid = int(self.pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if os.fsencode(self.configuration) in command else 0

    def launch(self) -> None:
        """Starts supervisord, which leaves this terminal and outlives it."""
        done = subprocess.run(
            [places.python(), "-m", "supervisor.supervisord", "-c", self.configuration],
            cwd=self._root,
            env={**places.plain_environment(), MARK: str(self._root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unreachable(f"supervisord does not start: {done.stdout}{done.stderr}")
        deadline = time.monotonic() + 15
        while not self.answers():
            if time.monotonic() > deadline:
                raise Unreachable("supervisord does not answer.")
            time.sleep(0.05)

    def processes(self) -> list[Process]:
        return [self._process(told) for told in self._call("getAllProcessInfo")]

    def process(self, name: str) -> Process:
        return self._process(self._call("getProcessInfo", name))

    @staticmethod
    def _process(told: dict[str, Any]) -> Process:
        running = told["statename"] in ("STARTING", "RUNNING", "STOPPING")
        return Process(
            told["name"],
            told["statename"],
            told["pid"],
            float(told["start"] if running else told["stop"]),
            told["spawnerr"],
        )

    def start(self, name: str, *, wait: bool = True) -> None:
        self._wish(ALREADY_STARTED, "startProcess", name, wait)

    def stop(self, *names: str) -> None:
        """Asks all of them to stop, and returns when none of them runs."""
        for name in names:
            self._wish(NOT_RUNNING, "stopProcess", name, False)
        while any(p.pid for p in self.processes() if p.name in names):
            time.sleep(0.05)

    def signal(self, name: str, signal: str) -> None:
        self._call("signalProcess", name, signal)

    def reread(self) -> tuple[list[str], list[str], list[str]]:
        """What the configuration adds, changes and removes, compared with what runs."""
        added, changed, removed = self._call("reloadConfig")[0]
        return added, changed, removed

    def add(self, name: str) -> None:
        self._call("addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Of a stopped program."""
        self._call("removeProcessGroup", name)

    def shutdown(self) -> None:
        self._call("shutdown")
