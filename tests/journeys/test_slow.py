"""Very many idle or slow connections do not delay other clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from devstack.instance import Instance

from .company import Company, Person

SILENT, SLOW_HEADS, SLOW_BODIES, FLOODS = 600, 600, 40, 20


@pytest.fixture
async def besieged(stack: Instance, company: Company) -> AsyncIterator[None]:
    """Opens such connections to the gateway and to a service."""
    boris = await company.hire("Boris")
    body = (
        f"POST /api/tweets HTTP/1.1\r\nhost: x\r\napi-key: {boris.key}\r\n"
        'content-type: application/json\r\ncontent-length: 99\r\n\r\n{"tweet_data": "'
    ).encode()
    flood = b"".join(b"x-%d: y\r\n" % number for number in range(3_000))
    connections = []
    for url in (stack.gateway_url, stack.url("tweets-api-1") or ""):
        port = int(url.rpartition(":")[2])
        for sent, count in (
            (b"", SILENT),
            (b"GET /api/tweets HTTP/1.1\r\nhost: x", SLOW_HEADS),
            (body, SLOW_BODIES),
            (b"GET /api/tweets HTTP/1.1\r\n" + flood, FLOODS),
        ):
            for _ in range(count):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                connections.append(writer)
    yield
    for writer in connections:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def ann(company: Company) -> Person:
    return await company.hire("Ann")


@pytest.mark.exclusive
async def test_who_holds_connections_for_nothing_keeps_nobody_waiting(
    ann: Person, besieged: None
) -> None:
    for number in range(20):
        await ann.post(f"{number}")

    assert len(await ann.feed()) == 20
