"""`up`: from whatever is there to all of it running and healthy."""

import os
import subprocess
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import orphans, page, parts, ports, postgres, programs, services
from .instance import Instance, is_ours
from .places import REPOSITORY, SERVICES, python
from .programs import Program
from .supervisor import Supervisor
from .terminal import Refused, say, step

HEALTHY_SECONDS = 120
HOPELESS_SECONDS, HOPELESS_LIVES = 15, 4
"""A program that has died so often by then will not come up."""
LINES_SHOWN = 20


def bring_up(instance: Instance, *, only_infra: bool) -> None:
    """Raises Refused with what a person should know."""
    instance.make_folder()
    supervisor = instance.supervisor
    if not supervisor.answers():
        orphans.end(instance.root)
    ports.check(instance, ports.of(instance, only_infra=only_infra))
    parts.prepare(instance)
    if not only_infra and not instance.given.get("GATEWAY_WEB_DIR"):
        page.build()
    embedded = parts.programs(instance)
    ours = services.programs(instance)
    programs.write(instance.root, [*embedded, *ours])
    _supervise(supervisor)
    _replace_parts(supervisor, only_infra)
    if embedded:
        _run(instance, parts.named(instance), embedded)
    with step("database, roles and schemas"):
        postgres.bootstrap(instance)
    if only_infra:
        return
    if any(_pending(supervisor, is_ours)) or not _all_run(supervisor, ours):
        # What runs goes on until the migrations are through: if one fails, nothing is lost.
        _migrate(instance)
    _replace(supervisor, *_pending(supervisor, is_ours))
    _run(instance, "services and gateway", ours)
    _say_what_next(instance)


def _say_what_next(instance: Instance) -> None:
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


def _pending(
    supervisor: Supervisor, concerns: Callable[[str], bool]
) -> tuple[list[str], list[str]]:
    """The programs whose run is out of date, and those that are to be: a changed one is in both."""
    added, changed, removed = supervisor.reread()
    outdated = [name for name in (*changed, *removed) if concerns(name)]
    return outdated, [name for name in (*changed, *added) if concerns(name)]


def _replace_parts(supervisor: Supervisor, only_infra: bool) -> None:
    outdated, wanted = _pending(supervisor, lambda name: not is_ours(name))
    running = {process.name for process in supervisor.processes() if process.pid}
    if running & set(outdated) and not only_infra:
        # A part that moves takes the services along, and they stop well only while it is there.
        supervisor.stop(*_pending(supervisor, is_ours)[0])
    _replace(supervisor, outdated, wanted)


def _replace(supervisor: Supervisor, outdated: Sequence[str], wanted: Sequence[str]) -> None:
    """Takes the new configuration over. What is outdated stops; what is wanted is not started."""
    if outdated:
        with step(f"stopping what has changed ({len(outdated)} programs)"):
            supervisor.stop(*outdated)
    for name in outdated:
        supervisor.remove(name)
    for name in wanted:
        supervisor.add(name)


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
        lives: dict[str, set[int]] = defaultdict(set)
        while waiting:
            answers = list(pool.map(lambda program: program.ready(), waiting))
            waiting = [
                program for program, ready in zip(waiting, answers, strict=True) if not ready
            ]
            for program in waiting:
                lives[program.name].add(supervisor.process(program.name).pid)
                waited = time.monotonic() - begun
                if len(lives[program.name]) >= HOPELESS_LIVES and waited > HOPELESS_SECONDS:
                    raise _failure(instance, program.name, "dies again and again")
                if waited > HEALTHY_SECONDS:
                    raise _failure(instance, program.name, f"is not ready after {waited:.0f} s")
            if waiting:
                tell("waiting for " + ", ".join(program.name for program in waiting))
                time.sleep(0.1 if time.monotonic() - begun < 10 else 0.5)


def _failure(instance: Instance, name: str, what: str) -> Refused:
    trouble = instance.supervisor.process(name).trouble
    log = instance.root / "logs" / f"{name}.log"
    return Refused(
        f"{name} {what}. {trouble}\nThe end of {shown(log)}:\n{tail(log)}\n"
        "Mend what it says and run `make up` again. What runs keeps running; "
        "`make down` stops it."
    )


def _migrate(instance: Instance) -> None:
    with step("migrations and queues"), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: _migrate_one(instance, name), SERVICES))


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
            f"The migration of {service} failed, so no service was started anew. "
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
