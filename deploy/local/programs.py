"""What a program of an instance is, and how supervisord is told of it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import keys, places
from .supervisor import MARK, Supervisor


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    """Asked again and again until it says yes; a no costs a few seconds at most."""
    port: int
    host: str = "127.0.0.1"
    directory: Path = places.REPOSITORY
    stop_signal: str = "TERM"
    launch: Mapping[str, Any] = field(default_factory=dict)
    """What launch.py does beside becoming the program."""


def write(root: Path, programs: Sequence[Program]) -> None:
    """Writes what supervisord and launch.py read. A program whose plan changes gets a new stamp."""
    supervisor = Supervisor(root)
    folder = root / "run" / "programs"
    folder.mkdir(mode=0o700, exist_ok=True)
    sections = [
        _SUPERVISORD.format(
            socket=_plain(supervisor.socket),
            log=_plain(root / "logs" / "supervisord.log"),
            pid_file=_plain(supervisor.pid_file),
            logs=_plain(root / "logs"),
        )
    ]
    for program in programs:
        plan = json.dumps(
            {
                "command": [str(word) for word in program.command],
                "environment": {**program.environment, MARK: str(root)},
                "directory": str(program.directory),
                **program.launch,
            },
            indent=2,
            sort_keys=True,
        )
        keys.write_private(folder / f"{program.name}.json", plan)
        sections.append(
            _PROGRAM.format(
                name=program.name,
                python=_plain(places.python()),
                launch=_plain(Path(__file__).with_name("launch.py")),
                plan=_plain(folder / f"{program.name}.json"),
                signal=program.stop_signal,
                stamp=_stamp(plan),
            )
        )
    keys.write_private(supervisor.configuration, "\n".join(sections))


def _stamp(plan: str) -> str:
    """Of all but the terminal's own environment: another shell's PATH is no reason to restart."""
    told = json.loads(plan)
    told["environment"] = {
        name: value for name, value in told["environment"].items() if not places.is_plain(name)
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _plain(path: Path | str) -> str:
    """supervisord expands %(...)s in every value."""
    return str(path).replace("%", "%%")


_SUPERVISORD = """\
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={log}
logfile_maxbytes=5MB
logfile_backups=2
pidfile={pid_file}
childlogdir={logs}
umask=077
nodaemon=false
silent=true

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# supervisord works in the instance's folder, so that the log needs no path in front of it: there it
# would expand percent signs twice.
# The stamp is there to change when the plan does: it makes supervisord see a changed program.
_PROGRAM = """\
[program:{name}]
command="{python}" -I -S "{launch}" "{plan}"
environment=WARBLE_STAMP="{stamp}"
autostart=false
autorestart=true
startsecs=3
startretries=1000000
stopsignal={signal}
stopwaitsecs=15
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""
