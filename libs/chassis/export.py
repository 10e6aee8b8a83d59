"""What a service gives to a person who takes along what is theirs: lists of JSON, row by row.

Each list is read in short pieces, one statement each: whoever reads slowly holds no connection to
the database, and nobody's list is whole in memory. The gateway packs the lists: docs/adr/0023.
"""

from collections.abc import AsyncIterator, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from .database import Database, fetch
from .errors import NotFound
from .identity import SignedIn

PIECE = 500
"""Rows that are read at a time."""

Lists = Mapping[str, str]
"""By name, a statement for $1 the person, $2 the key behind which it goes on, $3 rows at most: it
gives `key`, which grows, and `line`, a row's JSON."""


def router(lists: Lists) -> APIRouter:
    """`/internal/export/{name}`: a list of the caller's own, as one JSON array."""
    router = APIRouter(prefix="/internal", include_in_schema=False)

    @router.get("/export/{name}")
    async def export(name: str, identity: SignedIn, request: Request) -> StreamingResponse:
        if name not in lists:
            raise NotFound
        database: Database = request.app.state.database
        pieces = _pieces(database, lists[name], identity.user_id)
        # What fails by then is still an error answer.
        first = await anext(pieces)
        return StreamingResponse(_array(first, pieces), media_type="application/json")

    return router


async def _pieces(database: Database, statement: str, user_id: int) -> AsyncIterator[list[str]]:
    behind = 0
    while True:
        async with database.transaction() as session:
            rows = await fetch(session, statement, user_id, behind, PIECE)
        yield [row["line"] for row in rows]
        if len(rows) < PIECE:
            return
        behind = rows[-1]["key"]


async def _array(first: list[str], rest: AsyncIterator[list[str]]) -> AsyncIterator[str]:
    yield "[" + ",\n".join(first)
    async for piece in rest:
        if piece:
            yield ",\n" + ",\n".join(piece)
    yield "]\n"
