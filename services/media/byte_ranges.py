"""The `Range` header of a request for a picture (RFC 9110, 14)."""

import re

from .errors import RangeNotSatisfiable

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def parse(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and the last byte of the range. None if the response is the whole picture.

    RFC 9110 allows a server to ignore the header. This one ignores a list of several ranges and
    whatever it cannot parse. Raises RangeNotSatisfiable for a range beyond the end.
    """
    match = _SINGLE_RANGE.fullmatch(header or "")
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < start:
            return None
    if start > end:
        raise RangeNotSatisfiable
    return start, end
