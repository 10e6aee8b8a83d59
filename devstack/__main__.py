"""Runs the whole system on one machine without containers. The Makefile calls this."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from xmlrpc.client import Fault

from . import (
    add_user,
    backup,
    down,
    environment,
    keys,
    repository,
    status,
    stored_events,
    up,
    web_build,
)
from .apt import AptFailed
from .instance import BadSettings, Instance
from .postgres import PostgresFailed
from .supervisor import BAD_NAME, SupervisorUnreachable
from .terminal import CommandFailed, print_error, say


@contextmanager
def _locked(instance: Instance) -> Iterator[None]:
    """Only one command at a time changes what runs. The lock ends with the process."""
    instance.make_folder()
    with (instance.root / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            say("Another make up, down, reset or restore is running: waiting for it …")
            flock(lock, LOCK_EX)
        yield


def _is_confirmed() -> bool:
    return os.environ.get("YES") == "1"


def _up(instance: Instance, options: argparse.Namespace) -> int:
    with _locked(instance):
        up.bring_up(instance, only_infra=options.only == "infra")
    return 0


def _down(instance: Instance, options: argparse.Namespace) -> int:
    if not instance.root.exists():
        say(f"Nothing of this instance ({instance.root}) is running.")
        return 0
    with _locked(instance):
        down.bring_down(instance)
    return 0


def _reset(instance: Instance, options: argparse.Namespace) -> int:
    if not instance.root.exists():
        down.reset(instance, confirmed=True)
        return 0
    with _locked(instance):
        down.reset(instance, confirmed=_is_confirmed())
    return 0


def _status(instance: Instance, options: argparse.Namespace) -> int:
    return 0 if status.show(instance) else 1


def _logs(instance: Instance, options: argparse.Namespace) -> int:
    status.follow_logs(instance, options.name)
    return 0


def _user(instance: Instance, options: argparse.Namespace) -> int:
    add_user.add(instance, options.name)
    return 0


def _invite(instance: Instance, options: argparse.Namespace) -> int:
    add_user.invite(instance, options.name)
    return 0


def _env(instance: Instance, options: argparse.Namespace) -> int:
    for name, value in instance.service_environment(options.service).items():
        if not environment.is_inherited(name):
            print(f"export {name}={shlex.quote(value)}")
    return 0


def _rebuild(instance: Instance, options: argparse.Namespace) -> int:
    stored_events.rebuild(instance, options.service)
    return 0


def _backfill(instance: Instance, options: argparse.Namespace) -> int:
    stored_events.backfill(instance, options.service)
    return 0


def _keypair(instance: Instance, options: argparse.Namespace) -> int:
    private_key = keys.new_private_key()
    print(f"private  {private_key}")
    print(f"public   {keys.public_keys_of(private_key)}")
    return 0


def _backup(instance: Instance, options: argparse.Namespace) -> int:
    folder = backup.back_up(instance, Path(options.folder or instance.root / "backups"))
    say(f"The backup is in {up.relative_path(folder)}")
    return 0


def _restore(instance: Instance, options: argparse.Namespace) -> int:
    with _locked(instance):
        backup.restore(instance, Path(options.folder), confirmed=_is_confirmed())
    return 0


def _web(instance: Instance, options: argparse.Namespace) -> int:
    if options.script:
        return web_build.run(options.script)
    web_build.build()
    return 0


def _start(instance: Instance, options: argparse.Namespace) -> int:
    instance.start(options.program)
    return 0


def _stop(instance: Instance, options: argparse.Namespace) -> int:
    instance.stop(options.program)
    return 0


def _kill(instance: Instance, options: argparse.Namespace) -> int:
    instance.kill(options.program)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("up", help="start everything that does not run or has changed")
    command.add_argument("--only", choices=["infra"], help="start only the embedded servers")
    command.set_defaults(run=_up)
    for name, run, meaning in (
        ("down", _down, "stop everything, keep the data"),
        ("reset", _reset, "stop everything and delete the data; asks first, unless YES=1"),
        ("status", _status, "show which programs run and whether they are healthy"),
    ):
        commands.add_parser(name, help=meaning).set_defaults(run=run)
    command = commands.add_parser("logs", help="follow the logs of a service")
    command.add_argument("name", help="users, tweets, media, feed, gateway, postgres, …")
    command.set_defaults(run=_logs)
    for name, run, meaning in (
        ("user", _user, "add a person and print the key"),
        ("invite", _invite, "add a person and print a link that gives them their key"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("name")
        command.set_defaults(run=run)
    command = commands.add_parser("env", help="print a service's environment as export lines")
    command.add_argument("service", choices=[*repository.SERVICES, "gateway"])
    command.set_defaults(run=_env)
    for name, run, meaning in (
        ("rebuild", _rebuild, "build a service's projection again from the stored events"),
        ("backfill", _backfill, "apply stored events that a service has not received"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("service", choices=repository.SERVICES)
        command.set_defaults(run=run)
    command = commands.add_parser("keypair", help="print a new key pair for signing identities")
    command.set_defaults(run=_keypair)
    command = commands.add_parser("backup", help="save databases and pictures of one moment")
    command.add_argument("folder", nargs="?", help="the folder that holds the backups")
    command.set_defaults(run=_backup)
    command = commands.add_parser("restore", help="replace all data by a backup; asks first")
    command.add_argument("folder", help="the backup")
    command.set_defaults(run=_restore)
    command = commands.add_parser("web", help="build the web page, or run one of its scripts")
    command.add_argument("script", nargs="?", choices=["check", "format"])
    command.set_defaults(run=_web)
    for name, run, meaning in (
        ("start", _start, "start one program and wait until it is ready"),
        ("stop", _stop, "stop one program gracefully"),
        ("kill", _kill, "send SIGKILL to one program; the supervisor restarts it"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("program", help="feed-api-1, feed-worker, gateway, postgres, …")
        command.set_defaults(run=run)
    return parser


def main() -> int:
    options = _parser().parse_args()
    try:
        return int(options.run(Instance.from_environment(), options))
    except (CommandFailed, BadSettings, AptFailed, PostgresFailed, SupervisorUnreachable) as error:
        print_error(str(error))
    except TimeoutError as error:
        print_error(f"{error}.")
    except Fault as fault:
        hint = " `make status` lists the programs." if fault.faultCode == BAD_NAME else ""
        print_error(f"The supervisor reports: {fault.faultString}.{hint}")
    except KeyboardInterrupt:
        print_error("Interrupted. `make up` continues from here; `make down` stops everything.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
