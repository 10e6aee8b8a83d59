"""Checks of the supply chain; called by the Makefile and by tools/check.sh."""

import argparse
import sys

from operate.terminal import CommandFailed, print_error, say

from . import audit, sbom, secrets

_EXIT_ADVISORIES, _EXIT_NOT_AUDITED = 1, 2


def _audit(options: argparse.Namespace) -> int:
    audits = (
        audit.python_packages(),
        audit.npm_packages(),
        audit.npm_packages(audit.OIDC_PROVIDER),
    )
    for result in audits:
        (print_error if result.advisories or result.incomplete else say)(str(result))
    if any(result.advisories for result in audits):
        return _EXIT_ADVISORIES
    if any(result.incomplete for result in audits):
        return 0 if options.where_possible else _EXIT_NOT_AUDITED
    return 0


def _sbom(options: argparse.Namespace) -> int:
    for path in sbom.write_all():
        say(f"wrote {path}")
    return 0


def _secrets(options: argparse.Namespace) -> int:
    findings = secrets.find_all()
    for line in findings:
        print_error(line)
    if findings:
        say(
            "Replace each real secret: the history keeps it. "
            f"Add texts that only look like secrets to ALLOWED in {secrets.__file__}."
        )
    return 1 if findings else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.supply_chain", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("audit", help="look up known vulnerabilities of locked packages")
    command.add_argument(
        "--where-possible", action="store_true", help="succeed if no database can be reached"
    )
    command.set_defaults(run=_audit)
    command = commands.add_parser("sbom", help="write a bill of materials per image")
    command.set_defaults(run=_sbom)
    command = commands.add_parser("secrets", help="search the git history for secrets")
    command.set_defaults(run=_secrets)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except CommandFailed as error:
        print_error(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
