"""Another environment for one program of a running system, until it is left."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from xmlrpc.client import Fault

from deploy.local.instance import Instance
from deploy.local.keys import write_private


@contextmanager
def altered(stack: Instance, program: str, **variables: str) -> Iterator[None]:
    """The program starts anew with these variables, and once more without them."""
    plan = stack.root / "run" / "programs" / f"{program}.json"
    written = plan.read_text()
    changed = json.loads(written)
    changed["environment"] |= variables
    write_private(plan, json.dumps(changed, indent=2, sort_keys=True))
    _restart(stack, program)
    try:
        yield
    finally:
        write_private(plan, written)
        _restart(stack, program)


def _restart(stack: Instance, program: str) -> None:
    with suppress(Fault):
        # Where it does not run just now, it comes back with its new plan all the same.
        stack.kill(program)
