"""`up`: brings the instance from any state to one in which everything runs and is healthy.

It changes only what has to change. supervisord compares the new configuration with what runs
(`reread`); a program whose section has changed is stopped, replaced and started, all others keep
running. The order matters:

1. The embedded servers start, and the database gets its roles and schemas.
2. Migrations run while the old processes still serve. If one fails, the old version keeps serving.
3. The changed services are replaced.
"""

import os
import subprocess
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from operate.terminal import CommandFailed, say, step

from . import (
    embedded_servers,
    orphans,
    port_check,
    postgres,
    services,
    supervisor_config,
    web_build,
)
from .instance import Instance, is_application
from .repository import REPOSITORY, SERVICES, python
from .supervisor_client import Supervisor
from .supervisor_config import Program

HEALTHY_TIMEOUT_SECONDS = 120
CRASH_LOOP_SECONDS, CRASH_LOOP_STARTS = 15, 4
"""A program that was started so often in that time is considered broken."""
LOG_LINES_SHOWN = 20


def bring_up(instance: Instance, *, only_infra: bool) -> None:
    """Starts the embedded servers and, unless `only_infra`, the gateway and the services.

    Raises CommandFailed, AptFailed and SupervisorUnreachable.
    """
    instance.make_folder()
    supervisor = instance.supervisor
    if not supervisor.is_running():
        orphans.stop_all(instance.root)
    port_check.check(instance, port_check.required(instance, only_infra=only_infra))
    embedded_servers.prepare(instance)
    if not only_infra and not instance.settings.get("GATEWAY_WEB_DIR"):
        web_build.build()
    servers = embedded_servers.programs(instance)
    applications = services.programs(instance)
    supervisor_config.write(instance.root, [*servers, *applications])
    if not supervisor.is_running():
        with step("supervisor"):
            supervisor.launch()
    _replace_servers(supervisor, only_infra)
    if servers:
        _start(instance, embedded_servers.description(instance), servers)
    with step("database, roles and schemas"):
        postgres.bootstrap(instance)
    if only_infra:
        return
    if any(_pending(supervisor, is_application)) or not _all_run(supervisor, applications):
        _migrate(instance)
    _replace(supervisor, *_pending(supervisor, is_application))
    _start(instance, "services and gateway", applications)
    _say_next_steps(instance)


def _say_next_steps(instance: Instance) -> None:
    key = "the value of USERS_ADMIN_KEY"
    if not instance.settings.get("USERS_ADMIN_KEY"):
        key = f"in {relative_path(instance.root / 'admin.key')}"
    say(
        f"""
Warble runs at      {instance.gateway_url}
API documentation   {instance.gateway_url}/docs
Administrator key   {key}

Next: make demo                  add example people and tweets
      make user NAME="Ann Kim"   add a person and print the key
      make status, make logs S=feed, make down"""
    )


def _pending(supervisor: Supervisor, matches: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The programs to remove and the programs to add; a changed program is in both lists."""
    added, changed, removed = supervisor.reread()
    outdated = [name for name in (*changed, *removed) if matches(name)]
    return outdated, [name for name in (*changed, *added) if matches(name)]


def _replace_servers(supervisor: Supervisor, only_infra: bool) -> None:
    outdated, new = _pending(supervisor, lambda name: not is_application(name))
    running = {process.name for process in supervisor.processes() if process.pid}
    if running & set(outdated) and not only_infra:
        # A server with another address changes the services too. They stop first: they finish their
        # work only while the server is there.
        supervisor.stop(*_pending(supervisor, is_application)[0])
    _replace(supervisor, outdated, new)


def _replace(supervisor: Supervisor, outdated: Sequence[str], new: Sequence[str]) -> None:
    """Stops and removes the outdated programs; adds the new ones without starting them."""
    if outdated:
        with step(f"stopping {len(outdated)} programs that have changed"):
            supervisor.stop(*outdated)
    for name in outdated:
        supervisor.remove(name)
    for name in new:
        supervisor.add(name)


def _all_run(supervisor: Supervisor, programs: Sequence[Program]) -> bool:
    running = {process.name for process in supervisor.processes() if process.state == "RUNNING"}
    return running >= {program.name for program in programs}


def _start(instance: Instance, title: str, programs: Sequence[Program]) -> None:
    """Starts what does not run, and waits until all of it is ready. Raises CommandFailed."""
    supervisor = instance.supervisor
    with step(title) as show_detail, ThreadPoolExecutor(len(programs) or 1) as pool:
        for program in programs:
            supervisor.start(program.name, wait=False)
        started_at = time.monotonic()
        waiting = list(programs)
        pids: dict[str, set[int]] = defaultdict(set)
        while waiting:
            readiness = list(pool.map(lambda program: program.is_ready(), waiting))
            waiting = [
                program
                for program, is_ready in zip(waiting, readiness, strict=True)
                if not is_ready
            ]
            for program in waiting:
                pids[program.name].add(supervisor.process(program.name).pid)
                waited = time.monotonic() - started_at
                if len(pids[program.name]) >= CRASH_LOOP_STARTS and waited > CRASH_LOOP_SECONDS:
                    raise _failure(instance, program.name, "keeps crashing")
                if waited > HEALTHY_TIMEOUT_SECONDS:
                    raise _failure(instance, program.name, f"is not ready after {waited:.0f} s")
            if waiting:
                show_detail("waiting for " + ", ".join(program.name for program in waiting))
                time.sleep(0.1 if time.monotonic() - started_at < 10 else 0.5)


def _failure(instance: Instance, name: str, problem: str) -> CommandFailed:
    spawn_error = instance.supervisor.process(name).spawn_error
    log = instance.root / "logs" / f"{name}.log"
    return CommandFailed(
        f"{name} {problem}. {spawn_error}\nThe end of {relative_path(log)}:\n{tail(log)}\n"
        "Correct the cause and run `make up` again. The other programs keep running; "
        "`make down` stops them."
    )


def _migrate(instance: Instance) -> None:
    with step("migrations and queues"), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: _migrate_one(instance, name), SERVICES))


def _migrate_one(instance: Instance, service: str) -> None:
    log = instance.root / "logs" / f"{service}-migrate.log"
    with log.open("w") as stream:
        result = subprocess.run(
            [python(), "-m", "chassis", "migrate", f"services.{service}"],
            cwd=REPOSITORY,
            env=services.environment(instance, service),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        raise CommandFailed(
            f"The migration of {service} failed, so no service was restarted. "
            f"The end of {relative_path(log)}:\n{tail(log)}"
        )


def tail(log: Path) -> str:
    """The last lines, indented."""
    if not log.exists():
        return "  (the log does not exist)"
    with log.open(errors="replace") as stream:
        return "".join(f"  {line}" for line in deque(stream, LOG_LINES_SHOWN)).rstrip()


def relative_path(path: Path) -> str:
    """The path relative to the working directory if it is below it, else the absolute path."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
