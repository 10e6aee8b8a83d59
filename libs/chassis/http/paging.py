"""Keyset pagination: a cursor contains the sort key of the last item on a page.

The next page starts behind that key. Unlike an offset, it stays correct when items are added or
removed between two pages, and an index finds it without reading the earlier pages.
"""

import base64
import binascii
import struct
from typing import Annotated

from fastapi import Query

from chassis.http.errors import InvalidRequest

MAX_ID = 2**53 - 1
"""The largest integer that JavaScript represents exactly."""

Limit = Annotated[int, Query(ge=1, le=100, description="Maximum number of items on a page.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=200,
        description="`next_cursor` of the previous page. Leave it out for the first page.",
    ),
]


def encode(*key: int) -> str:
    """The cursor for the page that starts behind the item with this key."""
    return base64.urlsafe_b64encode(struct.pack(f">{len(key)}q", *key)).rstrip(b"=").decode()


def decode(cursor: str, length: int) -> tuple[int, ...]:
    """The key of `length` integers that the cursor contains. Raises InvalidRequest."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        key = struct.unpack(f">{length}q", raw)
    except (binascii.Error, struct.error, ValueError) as error:
        raise _invalid_cursor() from error
    if not all(0 <= part <= MAX_ID for part in key):
        raise _invalid_cursor()
    return key


def _invalid_cursor() -> InvalidRequest:
    return InvalidRequest(reason="The cursor isn't valid. Use next_cursor of the previous page.")
