"""Another plan for one program of a running system, until it is left."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from xmlrpc.client import Fault

from deploy.local.instance import Instance
from deploy.local.keys import write_private


@contextmanager
def altered(stack: Instance, program: str, **variables: str) -> Iterator[None]:
    """The program starts anew with these variables, and once more without them."""
    with _planned(stack, program, lambda plan: plan["environment"].update(variables)):
        yield


@contextmanager
def replaced(stack: Instance, program: str, command: Sequence[str]) -> Iterator[None]:
    """Something else runs in the program's place; what ran there is killed."""
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
        # Where it does not run just now, it comes back with its new plan all the same.
        stack.kill(program)
