"""Writes the main figures into the README, between two markers."""

from devstack.repository import REPOSITORY

from .sections import targets_table
from .targets import Results

PAGE = REPOSITORY / "README.md"
BEGIN, END = "<!-- bench: what follows is written by `make bench` -->", "<!-- bench: end -->"


def with_figures(page: str, results: Results | None) -> str:
    """Returns the page with these figures; `results` is None if nothing was measured yet."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the markers for the figures of `make bench`.")
    return f"{before}{begin}\n\n{_figures(results)}\n{end}{after}"


def _figures(results: Results | None) -> str:
    if results is None:
        return "Not measured yet: `make bench` writes the figures here.\n"
    machine = results["machine"]
    return (
        f"{machine['date']}, {machine['processors']}, Python {machine['python']}, "
        f"commit {machine['commit']}:\n\n" + targets_table(results)
    )
