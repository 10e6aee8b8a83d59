"""The programs of an instance, and the files from which supervisord and launch.py start them.

supervisord.conf has a section per program, but neither its command nor its environment: those are
in a plan, a private JSON file per program that `launch.py` reads. So no secret is in a command line
or in supervisord's environment. supervisord restarts a program only if its section has changed, so
each section contains a hash of the plan: a changed setting or a changed source file restarts
exactly the programs that it concerns.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import environment, keys, repository
from .supervisor_client import INSTANCE_VARIABLE, Supervisor


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    """Polled until it is true; one call may take a few seconds."""
    port: int
    host: str = "127.0.0.1"
    directory: Path = repository.REPOSITORY
    stop_signal: str = "TERM"
    launch: Mapping[str, Any] = field(default_factory=dict)
    """More of the plan: what launch.py does before it starts the program."""


def write(root: Path, programs: Sequence[Program]) -> None:
    """Writes supervisord.conf and a plan for each program."""
    supervisor = Supervisor(root)
    folder = root / "run" / "programs"
    folder.mkdir(mode=0o700, exist_ok=True)
    sections = [
        _SUPERVISORD.format(
            socket=_escaped(supervisor.socket),
            log=_escaped(root / "logs" / "supervisord.log"),
            pid_file=_escaped(supervisor.pid_file),
            logs=_escaped(root / "logs"),
        )
    ]
    for program in programs:
        plan = json.dumps(
            {
                "command": [str(word) for word in program.command],
                "environment": {**program.environment, INSTANCE_VARIABLE: str(root)},
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
                python=_escaped(repository.python()),
                launch=_escaped(Path(__file__).with_name("launch.py")),
                plan=_escaped(folder / f"{program.name}.json"),
                signal=program.stop_signal,
                plan_hash=_plan_hash(plan),
            )
        )
    keys.write_private(supervisor.configuration, "\n".join(sections))


def _plan_hash(plan: str) -> str:
    """Without the inherited variables: another shell's PATH is no reason for a restart."""
    content = json.loads(plan)
    content["environment"] = {
        name: value
        for name, value in content["environment"].items()
        if not environment.is_inherited(name)
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _escaped(path: Path | str) -> str:
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

# The path of the log is relative to supervisord's working directory, the instance's folder:
# supervisord expands percent signs twice in this value.
# supervisord restarts a program whose WARBLE_PLAN_HASH has changed.
_PROGRAM = """\
[program:{name}]
command="{python}" -I -S "{launch}" "{plan}"
environment=WARBLE_PLAN_HASH="{plan_hash}"
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
