"""What a person sees: one line for each step, with how long it took; a moving one while it runs."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)
complaints = Console(highlight=False, soft_wrap=True, stderr=True)


class Refused(Exception):
    """Why a command does not go on: the message is for the person."""


@contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Gives a function that says what the step is at. The line is printed when the step is done."""
    begun = time.monotonic()
    with console.status(f"{escape(what)} …") as status:

        def tell(detail: str) -> None:
            status.update(f"{escape(what)} … [dim]{escape(detail)}[/]")

        yield tell
    console.print(f"[green]✓[/] {escape(what)} [dim]{time.monotonic() - begun:.1f} s[/]")


def say(text: str = "") -> None:
    console.print(escape(text))


def confirm(command: str) -> None:
    """Asks whether to go on. Raises Refused where nobody can be asked, or the answer is no."""
    if not sys.stdin.isatty():
        raise Refused(f"Nobody can be asked here: `YES=1 make {command}` does not ask.")
    if input("Type yes to go on: ").strip().lower() not in ("yes", "y", "да"):
        raise Refused("Nothing was touched.")


def complain(text: str) -> None:
    complaints.print(f"[red]✗[/] {escape(text)}")
