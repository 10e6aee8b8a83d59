"""Which part of a picture a request asks for (RFC 9110, 14)."""

import re

from .errors import RangeNotSatisfiable

_SINGLE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def part(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and the last byte, or None for the whole: so for several parts, and for rubbish.

    Raises RangeNotSatisfiable for a part that lies beyond the end.
    """
    found = _SINGLE.fullmatch(header or "")
    if found is None or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < start:
            return None
    if start > end:
        raise RangeNotSatisfiable
    return start, end
