"""Output for a person: one line per finished step with its duration, a spinner while it runs."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)
error_console = Console(highlight=False, soft_wrap=True, stderr=True)


class CommandFailed(Exception):
    """Ends a command. The message is shown to the person: what happened and what to do."""


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Shows a spinner; gives a function that shows a detail beside it.

    The line with the duration is printed only if the step succeeds.
    """
    started_at = time.monotonic()
    with console.status(f"{escape(title)} …") as status:

        def show_detail(detail: str) -> None:
            status.update(f"{escape(title)} … [dim]{escape(detail)}[/]")

        yield show_detail
    console.print(f"[green]✓[/] {escape(title)} [dim]{time.monotonic() - started_at:.1f} s[/]")


def say(text: str = "") -> None:
    console.print(escape(text))


def confirm(command: str) -> None:
    """Asks whether to continue. Raises CommandFailed on a no, or without a terminal to ask on."""
    if not sys.stdin.isatty():
        raise CommandFailed(
            "This needs a confirmation, but there is no terminal to ask on. "
            f"To run {command} without a confirmation, set YES=1."
        )
    if input("Type yes to continue: ").strip().lower() not in ("yes", "y", "да"):
        raise CommandFailed("Cancelled. Nothing was changed.")


def print_error(text: str) -> None:
    error_console.print(f"[red]✗[/] {escape(text)}")
