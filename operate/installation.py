"""What a command needs to know of an installation: the environment of each service.

Every command runs the code of a service in a process that has the environment of that service and
nothing of the others, just like the service's own processes.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from .terminal import CommandFailed

OWNER = "postgres"
"""Stands for the owner of the database beside the services."""


@dataclass(frozen=True)
class Installation:
    """`environments` has the variables of each service, and `DB_…` of the database's owner."""

    environments: Mapping[str, Mapping[str, str]]
    backups: Path
    stopped: Callable[[], AbstractContextManager[None]] = nullcontext
    """Stops the services while it is entered. In containers the operator does that."""

    @property
    def services(self) -> list[str]:
        return [name for name in self.environments if name != OWNER]

    def run(self, service: str, *arguments: str) -> None:
        """Runs `python -m` with the environment of a service. Raises CommandFailed."""
        if code := self.call(service, *arguments):
            raise CommandFailed(
                f"`python -m {' '.join(arguments)}` failed with exit code {code}; "
                "its error is printed above."
            )

    def call(self, service: str, *arguments: str) -> int:
        """Like `run`, but returns the exit code."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, env=self.environments[service], check=False).returncode


def current() -> Installation:
    """The installation of this environment. Raises CommandFailed and devstack's BadSettings.

    In containers `WARBLE_SECRETS` names a folder with a folder for each service, and `postgres`.
    Each contains one file per variable that this service alone has, as Kubernetes mounts a Secret.
    """
    if not (folder := os.environ.get("WARBLE_SECRETS")):
        # The image for containers does not contain devstack.
        local: Installation = importlib.import_module("devstack.installation").installation()
        return local
    if not (Path(folder) / OWNER).is_dir():
        raise CommandFailed(f"WARBLE_SECRETS is {folder}, which has no folder {OWNER}.")
    environments = {
        own.name: {**os.environ, "DB_USER": own.name, **_variables(own)}
        for own in sorted(Path(folder).iterdir())
        if own.is_dir()
    }
    return Installation(environments, Path(os.environ.get("WARBLE_BACKUPS", "/backups")))


def _variables(folder: Path) -> dict[str, str]:
    # Kubernetes adds hidden folders, to which its files are links.
    return {file.name: file.read_text().rstrip("\n") for file in folder.iterdir() if file.is_file()}
