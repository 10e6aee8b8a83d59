"""Removes values of rows and parameters from PostgreSQL's errors before anything can log them.

SQLAlchemy's `hide_parameters` hides only the parameters that SQLAlchemy sent. The server's DETAIL
("Failing row contains …") and asyncpg's own errors quote the values nevertheless.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg

_DATA_EXCEPTION = "22"
"""SQLSTATE class "data exception": the error's primary message quotes the value."""

_DETAIL, _CONTEXT, _SQLSTATE, _MESSAGE = "D", "W", "C", "M"
"""Fields of an ErrorResponse, by the codes of PostgreSQL's protocol."""

_REDACTED = "(the message quotes a value and is removed)"


def install() -> None:
    """Patches asyncpg, so that its errors carry no values. The class and the SQLSTATE stay."""
    new_error = asyncpg.PostgresError.new

    def new(fields: Mapping[str, str], query: str | None = None) -> Any:
        redacted = {code: text for code, text in fields.items() if code not in (_DETAIL, _CONTEXT)}
        if redacted.get(_SQLSTATE, "").startswith(_DATA_EXCEPTION):
            redacted[_MESSAGE] = _REDACTED
        return new_error(redacted, query)

    def __init__(error: Any, message: str) -> None:
        # asyncpg's own text: "invalid input for query argument $1: <value> (<reason>)".
        head, colon, _ = message.partition(": ")
        error.args = (f"{head}: {_REDACTED}" if colon else message,)

    asyncpg.PostgresError.new = new
    asyncpg.DataError.__init__ = __init__
