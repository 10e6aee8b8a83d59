"""`up`: from whatever is there to all of it running and healthy."""

import os
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import orphans, parts, ports, postgres, programs, services
from .instance import Instance, is_ours
from .places import REPOSITORY, python
from .programs import Program
from .supervisor import Supervisor
from .terminal import Refused, say, step

HEALTHY_SECONDS = 120
HOPELESS_SECONDS = 20
"""How long a program may be between its deaths before its start counts as failed."""
LINES_SHOWN = 20


def bring_up(instance: Instance, *, only_infra: bool) -> None:
    """Raises Refused with what a person should know."""
    instance.make_folder()
    supervisor = instance.supervisor
    if not supervisor.answers():
        orphans.end(instance.root)
    ports.check(instance, ports.of(instance, only_infra=only_infra))
    parts.prepare(instance)
    embedded = parts.programs(instance)
    ours = services.programs(instance)
    programs.write(instance.root, [*embedded, *ours])
    _supervise(supervisor)
    wanted = embedded if only_infra else [*embedded, *ours]
    changed = _stop_what_changed(supervisor, {program.name for program in wanted}, only_infra)
    if embedded:
        _run(instance, parts.named(instance), embedded)
    with step("database, roles and schemas"):
        postgres.bootstrap(instance)
    if only_infra:
        return
    if changed or not _all_run(supervisor, ours):
        _migrate(instance)
    if ours:
        _run(instance, "services and gateway" if services.gateway_exists() else "services", ours)
    _say_what_next(instance)


def _say_what_next(instance: Instance) -> None:
    if not services.gateway_exists():
        say("There is no gateway/main.py yet, so no gateway is started.")
        return
    key = "USERS_ADMIN_KEY, as you have set it"
    if not instance.given.get("USERS_ADMIN_KEY"):
        key = shown(instance.root / "admin.key")
    say(
        f"""
Warble runs at     {instance.gateway_url}
The API's page     {instance.gateway_url}/docs
The admin's key    {key}

Next: make demo                  a small company to look at
      make user NAME="Ann Kim"   add a person, print the key
      make status, make logs S=feed, make down"""
    )


def _supervise(supervisor: Supervisor) -> None:
    if not supervisor.answers():
        with step("supervisor"):
            supervisor.launch()


def _stop_what_changed(supervisor: Supervisor, wanted: set[str], only_infra: bool) -> bool:
    """Takes a changed configuration over; what has changed is stopped and not yet started."""
    added, changed, removed = supervisor.reread()
    if only_infra:
        added, changed, removed = (
            [name for name in names if name in wanted] for names in (added, changed, removed)
        )
    if changed or removed:
        with step(f"stopping what has changed ({len(changed) + len(removed)} programs)"):
            names = [*changed, *removed]
            # Those that need the database and the broker go before these.
            supervisor.stop(*(name for name in names if is_ours(name)))
            supervisor.stop(*names)
    for name in (*changed, *removed):
        supervisor.remove(name)
    for name in (*changed, *added):
        supervisor.add(name)
    return bool(added or changed or removed)


def _all_run(supervisor: Supervisor, wanted: Sequence[Program]) -> bool:
    running = {process.name for process in supervisor.processes() if process.state == "RUNNING"}
    return running >= {program.name for program in wanted}


def _run(instance: Instance, what: str, wanted: Sequence[Program]) -> None:
    """Starts what does not run, and waits until all of it is ready. Raises Refused."""
    supervisor = instance.supervisor
    with step(what) as tell, ThreadPoolExecutor(len(wanted) or 1) as pool:
        for program in wanted:
            supervisor.start(program.name, wait=False)
        begun = time.monotonic()
        waiting = list(wanted)
        while waiting:
            answers = list(pool.map(lambda program: program.ready(), waiting))
            waiting = [
                program for program, ready in zip(waiting, answers, strict=True) if not ready
            ]
            for program in waiting:
                _give_up_if_hopeless(instance, program, time.monotonic() - begun)
            if waiting:
                tell("waiting for " + ", ".join(program.name for program in waiting))
                time.sleep(0.1 if time.monotonic() - begun < 10 else 0.5)


def _give_up_if_hopeless(instance: Instance, program: Program, waited: float) -> None:
    process = instance.supervisor.process(program.name)
    fallen = process.state in ("BACKOFF", "EXITED", "FATAL") and waited > HOPELESS_SECONDS
    if process.state == "FATAL" or fallen or waited > HEALTHY_SECONDS:
        reason = "dies as soon as it starts" if fallen else f"is not ready after {waited:.0f} s"
        log = instance.root / "logs" / f"{program.name}.log"
        raise Refused(
            f"{program.name} {reason}. {process.trouble}\nThe end of {shown(log)}:\n{tail(log)}\n"
            "Mend what it says and run `make up` again; what runs already keeps running, "
            "`make down` stops it."
        )


def _migrate(instance: Instance) -> None:
    with step("migrations and queues"), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: _migrate_one(instance, name), services.names()))


def _migrate_one(instance: Instance, service: str) -> None:
    log = instance.root / "logs" / f"{service}-migrate.log"
    with log.open("w") as stream:
        done = subprocess.run(
            [python(), "-m", "chassis.migrate", f"services.{service}"],
            cwd=REPOSITORY,
            env=services.environment(instance, service),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise Refused(
            f"The migration of {service} failed, so no service was started. "
            f"The end of {shown(log)}:\n{tail(log)}"
        )


def tail(log: Path) -> str:
    if not log.exists():
        return "  (there is no log)"
    with log.open(errors="replace") as stream:
        return "".join(f"  {line}" for line in deque(stream, LINES_SHOWN)).rstrip()


def shown(path: Path) -> str:
    """The path as short as it can be said from here."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
