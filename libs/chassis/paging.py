"""Paging by key: an opaque cursor says where the last page ended, whatever was added since."""

import base64
import binascii
import struct
from typing import Annotated

from fastapi import Query

from .errors import InvalidRequest

MAX_ID = 2**53 - 1
"""The largest integer that JavaScript holds exactly."""

Limit = Annotated[int, Query(ge=1, le=100, description="How many to give at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next_cursor` of the page before; missing for the first."),
]


def encode(*key: int) -> str:
    """The cursor that stands behind the item with this key."""
    return base64.urlsafe_b64encode(struct.pack(f">{len(key)}q", *key)).rstrip(b"=").decode()


def decode(cursor: str, length: int) -> tuple[int, ...]:
    """The key of `length` integers in a cursor. Raises InvalidRequest for a made-up one."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        key = struct.unpack(f">{length}q", raw)
    except (binascii.Error, struct.error, ValueError) as error:
        raise InvalidRequest(reason="The cursor is not one that was given out.") from error
    if not all(0 <= part <= MAX_ID for part in key):
        raise InvalidRequest(reason="The cursor is not one that was given out.")
    return key
