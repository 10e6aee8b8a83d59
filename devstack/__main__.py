"""Runs the whole system on one machine without containers. The Makefile calls this."""

import argparse
import os
import shlex
import sys
from xmlrpc.client import Fault

from operate.terminal import CommandFailed, print_error, say

from . import down, environment, keys, repository, status, up, web_build
from .instance import Instance


def _is_confirmed() -> bool:
    return os.environ.get("YES") == "1"


def _up(instance: Instance, options: argparse.Namespace) -> int:
    with instance.locked():
        up.bring_up(instance, only_infra=options.only == "infra")
    return 0


def _down(instance: Instance, options: argparse.Namespace) -> int:
    if not instance.root.exists():
        say(f"Nothing of this instance ({instance.root}) is running.")
        return 0
    with instance.locked():
        down.bring_down(instance)
    return 0


def _reset(instance: Instance, options: argparse.Namespace) -> int:
    if not instance.root.exists():
        down.reset(instance, confirmed=True)
        return 0
    with instance.locked():
        down.reset(instance, confirmed=_is_confirmed())
    return 0


def _status(instance: Instance, options: argparse.Namespace) -> int:
    return 0 if status.show(instance) else 1


def _logs(instance: Instance, options: argparse.Namespace) -> int:
    status.follow_logs(instance, options.name)
    return 0


def _env(instance: Instance, options: argparse.Namespace) -> int:
    for name, value in instance.service_environment(options.service).items():
        if not environment.is_inherited(name):
            print(f"export {name}={shlex.quote(value)}")
    return 0


def _keypair(instance: Instance, options: argparse.Namespace) -> int:
    private_key = keys.new_private_key()
    print(f"private  {private_key}")
    print(f"public   {keys.public_keys_of(private_key)}")
    return 0


def _web(instance: Instance, options: argparse.Namespace) -> int:
    if options.script:
        return web_build.run(options.script)
    web_build.build()
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
    command.add_argument("name", help="a service, gateway, postgres, …")
    command.set_defaults(run=_logs)
    command = commands.add_parser("env", help="print a service's environment as export lines")
    command.add_argument("service", choices=[*repository.SERVICES, "gateway"])
    command.set_defaults(run=_env)
    command = commands.add_parser("keypair", help="print a new key pair for signing identities")
    command.set_defaults(run=_keypair)
    command = commands.add_parser("web", help="build the web page, or run one of its scripts")
    command.add_argument("script", nargs="?", choices=["check", "format"])
    command.set_defaults(run=_web)
    return parser


def main() -> int:
    options = _parser().parse_args()
    try:
        return int(options.run(Instance.from_environment(), options))
    except CommandFailed as error:
        print_error(str(error))
    except TimeoutError as error:
        print_error(f"{error}.")
    except Fault as fault:
        print_error(f"The supervisor reports: {fault.faultString}.")
    except KeyboardInterrupt:
        print_error("Interrupted. `make up` continues from here; `make down` stops everything.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
