"""Changes how the supervisor runs one program of a running system, inside a `with` block."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from xmlrpc.client import Fault

from devstack.instance import Instance
from devstack.keys import write_private


@contextmanager
def altered(stack: Instance, program: str, **variables: str) -> Iterator[None]:
    """Restarts the program with these environment variables, and at the end without them."""
    with _planned(stack, program, lambda plan: plan["environment"].update(variables)):
        yield


@contextmanager
def replaced(stack: Instance, program: str, command: Sequence[str]) -> Iterator[None]:
    """Kills the program and runs another command in its place; restores it at the end."""
    with _planned(stack, program, lambda plan: plan.update(command=command)):
        yield


@contextmanager
def _planned(
    stack: Instance, program: str, change: Callable[[dict[str, Any]], None]
) -> Iterator[None]:
    file = stack.root / "run" / "programs" / f"{program}.json"
    written = file.read_text()
    plan = json.loads(written)
    change(plan)
    write_private(file, json.dumps(plan, indent=2, sort_keys=True))
    _restart(stack, program)
    try:
        yield
    finally:
        write_private(file, written)
        _restart(stack, program)


def _restart(stack: Instance, program: str) -> None:
    with suppress(Fault):
        # If the program does not run at the moment, its next start uses the new plan anyway.
        stack.kill(program)
