"""Reads an edge list: two integers per line, separated by white space or a comma."""

import re
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"(\d{1,18})(?:\s*,\s*|\s+)(\d{1,18})")


class BadGraph(Exception):
    """The file is not an edge list. The message names the line."""


@dataclass(frozen=True)
class Graph:
    """`follows` are distinct pairs (follower, followed) in the file's order, without self-loops."""

    nodes: list[int]
    follows: list[tuple[int, int]]


def read(path: Path, *, undirected: bool = False) -> Graph:
    """Lines that begin with `#` or `%` are comments. Raises BadGraph and OSError.

    A node that is only in a self-loop becomes a person who follows nobody.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadGraph(f"{path.name} is not a text file in UTF-8.") from error
    nodes: set[int] = set()
    follows: dict[tuple[int, int], None] = {}
    # Not splitlines(), which would end a line at a form feed inside a comment.
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith(("#", "%")):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            shown = line if len(line) <= 60 else f"{line[:60]}…"
            raise BadGraph(f"{path.name}, line {number}: not two whole numbers: {shown!r}")
        one, other = int(match[1]), int(match[2])
        nodes |= {one, other}
        if one != other:
            follows[one, other] = None
            if undirected:
                follows[other, one] = None
    if not nodes:
        raise BadGraph(f"{path.name} contains no edge.")
    return Graph(sorted(nodes), list(follows))
