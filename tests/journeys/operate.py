"""Runs `python -m operate`, as `make` does or as it runs in a container."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from devstack.environment import inherited_environment
from devstack.instance import Instance
from devstack.repository import REPOSITORY


def as_in_a_container(stack: Instance, secrets: Path) -> dict[str, str]:
    """An environment that names a folder with the secrets, and contains none itself."""
    inherited = inherited_environment()
    for name, variables in stack.environments().items():
        (secrets / name).mkdir()
        for variable in variables.keys() - inherited.keys():
            (secrets / name / variable).write_text(variables[variable])
    return {**inherited, "WARBLE_SECRETS": str(secrets)}


def as_make(stack: Instance) -> dict[str, str]:
    return {**os.environ, **stack.settings}


async def operate(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The exit code and the output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "operate", *arguments,
        cwd=REPOSITORY,
        env={**environment, "YES": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
