"""`python -m deploy.local <command>`: what the Makefile calls."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from xmlrpc.client import Fault

from . import backup, down, events, keys, page, people, places, status, up
from .apt import AptFailed
from .instance import BadSettings, Instance
from .postgres import PostgresFailed
from .supervisor import BAD_NAME, Unreachable
from .terminal import Refused, complain, say


@contextmanager
def _alone(instance: Instance) -> Iterator[None]:
    """One at a time changes what runs. The lock ends with the process, however that ends."""
    instance.make_folder()
    with (instance.root / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            say("Another make up, down or reset is at work here: waiting for it …")
            flock(lock, LOCK_EX)
        yield


def _up(instance: Instance, chosen: argparse.Namespace) -> int:
    with _alone(instance):
        up.bring_up(instance, only_infra=chosen.only == "infra")
    return 0


def _down(instance: Instance, chosen: argparse.Namespace) -> int:
    if not instance.root.exists():
        say(f"Nothing of this instance ({instance.root}) runs.")
        return 0
    with _alone(instance):
        down.bring_down(instance)
    return 0


def _reset(instance: Instance, chosen: argparse.Namespace) -> int:
    if not instance.root.exists():
        down.reset(instance, sure=True)
        return 0
    with _alone(instance):
        down.reset(instance, sure=os.environ.get("YES") == "1")
    return 0


def _status(instance: Instance, chosen: argparse.Namespace) -> int:
    return 0 if status.show(instance) else 1


def _logs(instance: Instance, chosen: argparse.Namespace) -> int:
    status.follow_logs(instance, chosen.name)
    return 0


def _user(instance: Instance, chosen: argparse.Namespace) -> int:
    people.add(instance, chosen.name)
    return 0


def _env(instance: Instance, chosen: argparse.Namespace) -> int:
    for name, value in instance.service_environment(chosen.service).items():
        if not places.is_plain(name):
            print(f"export {name}={shlex.quote(value)}")
    return 0


def _rebuild(instance: Instance, chosen: argparse.Namespace) -> int:
    events.rebuild(instance, chosen.service)
    return 0


def _missed(instance: Instance, chosen: argparse.Namespace) -> int:
    events.take_in_missed(instance, chosen.service)
    return 0


def _pair(instance: Instance, chosen: argparse.Namespace) -> int:
    private_key = keys.new_private_key()
    print(f"private  {private_key}")
    print(f"public   {keys.public_half(private_key)}")
    return 0


def _back_up(instance: Instance, chosen: argparse.Namespace) -> int:
    made = backup.back_up(instance, Path(chosen.folder or instance.root / "backups"))
    say(f"The backup is {up.shown(made)}")
    return 0


def _restore(instance: Instance, chosen: argparse.Namespace) -> int:
    with _alone(instance):
        backup.restore(instance, Path(chosen.folder), sure=os.environ.get("YES") == "1")
    return 0


def _page(instance: Instance, chosen: argparse.Namespace) -> int:
    if chosen.script:
        return page.run(chosen.script)
    page.build()
    return 0


def _start(instance: Instance, chosen: argparse.Namespace) -> int:
    instance.start(chosen.program)
    return 0


def _stop(instance: Instance, chosen: argparse.Namespace) -> int:
    instance.stop(chosen.program)
    return 0


def _kill(instance: Instance, chosen: argparse.Namespace) -> int:
    instance.kill(chosen.program)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("up", help="start everything, or what is missing")
    command.add_argument("--only", choices=["infra"], help="the embedded parts, no service")
    command.set_defaults(run=_up)
    for name, run, meaning in (
        ("down", _down, "stop everything"),
        ("reset", _reset, "stop everything and wipe the data; asks, unless YES=1"),
        ("status", _status, "what runs, and whether it is healthy"),
    ):
        commands.add_parser(name, help=meaning).set_defaults(run=run)
    command = commands.add_parser("logs", help="follow the logs of a service")
    command.add_argument("name", help="users, tweets, media, feed, gateway, postgres, …")
    command.set_defaults(run=_logs)
    command = commands.add_parser("user", help="add a person, print the key")
    command.add_argument("name")
    command.set_defaults(run=_user)
    command = commands.add_parser("env", help="the environment of a service, as export lines")
    command.add_argument("service", choices=[*places.SERVICES, "gateway"])
    command.set_defaults(run=_env)
    for name, run, meaning in (
        ("rebuild", _rebuild, "make a projection anew of what the others' events say"),
        ("missed", _missed, "bring in events that a service has not heard of"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("service", choices=places.SERVICES)
        command.set_defaults(run=run)
    command = commands.add_parser("pair", help="a new pair of keys for identities")
    command.set_defaults(run=_pair)
    command = commands.add_parser("backup", help="databases and pictures, as of one moment")
    command.add_argument("folder", nargs="?", help="where backups lie")
    command.set_defaults(run=_back_up)
    command = commands.add_parser("restore", help="replace everything by a backup; asks")
    command.add_argument("folder", help="the backup")
    command.set_defaults(run=_restore)
    command = commands.add_parser("page", help="build the web page, or run one of its scripts")
    command.add_argument("script", nargs="?", choices=["check", "format"])
    command.set_defaults(run=_page)
    for name, run, meaning in (
        ("start", _start, "start one program, and wait until it is ready"),
        ("stop", _stop, "stop one program, gently"),
        ("kill", _kill, "SIGKILL one program: the supervisor starts it again"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("program", help="feed-api-1, feed-worker, gateway, postgres, …")
        command.set_defaults(run=run)
    return parser


def main() -> int:
    chosen = _parser().parse_args()
    try:
        return int(chosen.run(Instance.from_environment(), chosen))
    except (Refused, BadSettings, AptFailed, PostgresFailed, Unreachable) as refusal:
        complain(str(refusal))
    except TimeoutError as error:
        complain(f"{error}.")
    except Fault as fault:
        hint = " `make status` lists the programs." if fault.faultCode == BAD_NAME else ""
        complain(f"The supervisor says: {fault.faultString}.{hint}")
    except KeyboardInterrupt:
        complain("Interrupted. `make up` takes up where this ended; `make down` stops all.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
