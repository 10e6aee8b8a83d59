"""The operators' commands. `make` runs them; in containers, `docker compose run --rm operate …`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import backup, stored_events
from .installation import Installation, current
from .terminal import CommandFailed, print_error, say

_CONSOLE = {
    "user": "add a person and print the key",
    "invite": "add a person and print a link that gives them their key, once",
    "administrator": "list, add or remove administrators",
    "role": "give a person the role of a moderator or an announcer, or take it away",
    "deactivate": "end a person's access, and hide them and their tweets",
    "reactivate": "bring back a deactivated person",
    "grant-key": "give a person a key that you choose",
    "people": "export or import people as a CSV file",
    "erased": "print the ids of all erased people",
    "erase-again": "erase the people whose ids stdin lists, one per line",
}
"""Commands of services/users/console.py, which has their arguments."""
_TWEETS_CONSOLE = {
    "moderation": "read reports, hide and restore tweets",
    "announcements": "list and end announcements, remind people, export who has confirmed",
}
"""Commands of services/tweets/console.py."""


def _parser(installation: Installation) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    command = commands.add_parser("backup", help="save databases and pictures of one moment")
    command.add_argument("folder", nargs="?", type=Path, help="the folder that holds the backups")
    command = commands.add_parser("restore", help="replace all data by a backup; asks first")
    command.add_argument("folder", type=Path, help="the backup")
    for name, meaning in (
        ("rebuild", "build a service's projection again from the stored events"),
        ("backfill", "apply stored events that a service has not received"),
        ("replay", "move a service's dead letters back to their queues"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("service", choices=installation.services)
    for name, meaning in (_CONSOLE | _TWEETS_CONSOLE).items():
        commands.add_parser(name, help=meaning)
    return parser


def _run(installation: Installation, arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in _CONSOLE:
        return installation.call("users", "services.users.console", *arguments)
    if arguments and arguments[0] in _TWEETS_CONSOLE:
        return installation.call("tweets", "services.tweets.console", *arguments)
    options = _parser(installation).parse_args(arguments)
    if options.command == "backup":
        folder = backup.back_up(installation, options.folder or installation.backups)
        say(f"The backup is {folder}")
    elif options.command == "restore":
        backup.restore(installation, options.folder, confirmed=os.environ.get("YES") == "1")
    elif options.command == "rebuild":
        stored_events.rebuild(installation, options.service)
    elif options.command == "backfill":
        if not stored_events.has_handlers(options.service):
            raise CommandFailed(f"{options.service} handles no events of other services.")
        stored_events.apply(installation, options.service, "backfill")
    else:
        installation.run(options.service, "chassis", "replay", f"services.{options.service}")
    return 0


def main() -> int:
    try:
        return _run(current(), sys.argv[1:])
    except CommandFailed as error:
        print_error(str(error))
    except KeyboardInterrupt:
        print_error("Interrupted. Run the command again.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
