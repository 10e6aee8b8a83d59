"""The lists that a service contributes to a person's archive of their own data.

Each list is a JSON array that is streamed row by row. It is read in chunks, one statement and one
transaction each, so that a client that reads slowly holds no database connection, and no list is in
memory whole. The gateway packs the lists of all services into one archive: see docs/adr/0023.
"""

from collections.abc import AsyncIterator, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from chassis.auth.identity import SignedIn
from chassis.database.session import Database, fetch
from chassis.http.errors import NotFound

CHUNK_ROWS = 500

ListQueries = Mapping[str, str]
"""By the list's name, a statement with three parameters: $1 the person, $2 the key after which to
continue, $3 the most rows. It returns `key`, which grows from row to row, and `line`, the row as
JSON."""


def router(queries: ListQueries) -> APIRouter:
    """Serves `/internal/export/{name}`: the caller's own list, as one JSON array."""
    router = APIRouter(prefix="/internal", include_in_schema=False)

    @router.get("/export/{name}")
    async def export(name: str, identity: SignedIn, request: Request) -> StreamingResponse:
        if name not in queries:
            raise NotFound
        database: Database = request.app.state.database
        chunks = _chunks(database, queries[name], identity.user_id)
        # The first chunk is read before the response begins, so that a failure can still be an
        # error response.
        first = await anext(chunks)
        return StreamingResponse(_array(first, chunks), media_type="application/json")

    return router


async def _chunks(database: Database, statement: str, user_id: int) -> AsyncIterator[list[str]]:
    after = 0
    while True:
        async with database.transaction() as session:
            rows = await fetch(session, statement, user_id, after, CHUNK_ROWS)
        yield [row["line"] for row in rows]
        if len(rows) < CHUNK_ROWS:
            return
        after = rows[-1]["key"]


async def _array(first: list[str], rest: AsyncIterator[list[str]]) -> AsyncIterator[str]:
    yield "[" + ",\n".join(first)
    async for chunk in rest:
        if chunk:
            yield ",\n" + ",\n".join(chunk)
    yield "]\n"
