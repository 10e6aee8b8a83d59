"""`python -m chassis COMMAND`: runs a process of Warble, and operators' commands on a service."""

import argparse
import importlib
import sys
from collections.abc import Callable

_OPERATOR_COMMANDS = "chassis.process.operator_commands"
_SERVICE_COMMANDS = {
    "migrate": (f"{_OPERATOR_COMMANDS}:migrate", "bring the schema and the queues up to date"),
    "replay": (f"{_OPERATOR_COMMANDS}:replay", "move dead letters back to their queues"),
    "purge": (f"{_OPERATOR_COMMANDS}:purge", "delete all messages in the service's queues"),
    "dump": (
        "chassis.projections.event_dump:main",
        "print the events of the outbox as lines of JSON",
    ),
    "backfill": (
        "chassis.projections.backfill:main",
        "apply the events of a dump (standard input) that the service has not handled",
    ),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chassis", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run an application until it is stopped")
    serve.add_argument(
        "factory", help="the function that creates the application, as module:function"
    )
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    for name, (_, text) in _SERVICE_COMMANDS.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("package", help="the service, such as services.feed")
    rebuild = commands.add_parser(
        "rebuild",
        help="rebuild a projection from dumps (standard input) while the current one serves",
    )
    rebuild.add_argument("--begin", action="store_true", help="create the empty copy and its queue")
    rebuild.add_argument("package", help="the service, such as services.feed")
    return parser


def main(arguments: list[str]) -> int:
    # Each command imports only what it needs: a process that serves does not need Alembic.
    chosen = _parser().parse_args(arguments)
    if chosen.command == "serve":
        serve = importlib.import_module("chassis.process.server").serve
        return int(serve(chosen.factory, chosen.host, chosen.port) or 0)
    if chosen.command == "rebuild":
        rebuild = importlib.import_module("chassis.projections.rebuild").main
        return int(rebuild(chosen.package, begin=chosen.begin) or 0)
    module, _, function = _SERVICE_COMMANDS[chosen.command][0].partition(":")
    command: Callable[[str], int | None] = getattr(importlib.import_module(module), function)
    return command(chosen.package) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
