"""`python -m deploy.supply <command>`: what the Makefile and `make check` call."""

import argparse
import sys

from deploy.local.terminal import Refused, complain, say

from . import audit, bill, secrets

_NOT_AUDITED = 2


def _audit(chosen: argparse.Namespace) -> int:
    audits = (audit.python_packages(), audit.page_packages())
    for one in audits:
        (complain if one.known or one.missing else say)(str(one))
    if any(one.known for one in audits):
        return 1
    if any(one.missing for one in audits):
        return 0 if chosen.where_possible else _NOT_AUDITED
    return 0


def _sbom(chosen: argparse.Namespace) -> int:
    for path in bill.write():
        say(f"wrote {path}")
    return 0


def _secrets(chosen: argparse.Namespace) -> int:
    found = secrets.found()
    for line in found:
        complain(line)
    if found:
        say(f"A secret is to be replaced; what is none is named in {secrets.__file__}.")
    return 1 if found else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.supply", description=__doc__)
    commands = parser.add_subparsers(required=True)
    audited = commands.add_parser("audit", help="ask what is known against the locked packages")
    audited.add_argument(
        "--where-possible", action="store_true", help="no failure where there is no data"
    )
    audited.set_defaults(run=_audit)
    commands.add_parser("sbom", help="write a bill of each image").set_defaults(run=_sbom)
    commands.add_parser("secrets", help="look through the history").set_defaults(run=_secrets)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except Refused as refusal:
        complain(str(refusal))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
