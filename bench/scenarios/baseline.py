"""The cost of the cheapest possible chain of two processes: see bench/baseline.py."""

from contextlib import ExitStack
from typing import Any

from bench import baseline, stack
from bench.fixture import FEED, Fixture
from bench.load import Request, always
from bench.measure import figure
from bench.raw_http import encode_request
from bench.servers import serving


async def measure(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    page = (await fixture.api.http.get(FEED, headers={"api-key": fixture.reader.key})).content
    await fixture.owner.execute(
        f"create table if not exists {baseline.TABLE} (id int primary key, body bytea not null)"
    )
    await fixture.owner.execute(
        f"insert into {baseline.TABLE} values (1, $1) on conflict (id) do update set body = $1",
        page,
    )
    address = fixture.system.database()
    settings = {
        baseline.BYTES: str(len(page)),
        baseline.BACK: f"http://127.0.0.1:{fixture.system.port_of(stack.BACK)}",
        baseline.DATABASE: "postgresql://{DB_USER}:{DB_PASSWORD}@{DB_HOST}:{DB_PORT}/{DB_NAME}".format(
            **address
        ),
    }
    found = {}
    with ExitStack() as servers:
        back = servers.enter_context(
            serving("bench.baseline:back", fixture.system.port_of(stack.BACK), **settings)
        )
        front = servers.enter_context(
            serving("bench.baseline:front", fixture.system.port_of(stack.FRONT), **settings)
        )
        groups = {
            "front": front.pid,
            "back": back.pid,
            "postgres": stack.pids(fixture.system)["postgres"],
        }
        for name, server, path in (
            ("a plain endpoint, page from memory", back, "/memory"),
            ("the same, page from the database", back, "/database"),
            ("two processes, page from memory", front, "/memory"),
            ("two processes, page from the database", front, "/database"),
        ):
            request = Request(encode_request(server.url, path))
            found[name] = await figure(
                fixture, name, always(request), fixture.sizes.reads,
                groups=groups, urls=[server.url], rounds=min(3, fixture.sizes.rounds),
            )  # fmt: skip
    return found
