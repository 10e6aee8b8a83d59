"""What PostgreSQL's errors quote of people's rows and values, left out before anybody can log it.

`hide_parameters` of SQLAlchemy keeps to what it sent itself; the server's DETAIL ("Failing row
contains …") and the driver's own errors repeat it all the same.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg

_DATA_EXCEPTION = "22"
"""The class of SQLSTATE whose very message quotes the value."""

_LEFT_OUT = "(its words quote the value)"


def install() -> None:
    """Has every error of asyncpg's be made without them. The name and the SQLSTATE stay."""
    make = asyncpg.PostgresError.new

    def new(fields: Mapping[str, str], query: str | None = None) -> Any:
        told = {code: text for code, text in fields.items() if code not in ("D", "W")}
        if told.get("C", "").startswith(_DATA_EXCEPTION):
            told["M"] = _LEFT_OUT
        return make(told, query)

    def __init__(error: Any, message: str) -> None:
        # The driver's own: "invalid input for query argument $1: <value> (<reason>)".
        head, colon, _ = message.partition(": ")
        error.args = (f"{head}: {_LEFT_OUT}" if colon else message,)

    asyncpg.PostgresError.new = new
    asyncpg.DataError.__init__ = __init__
