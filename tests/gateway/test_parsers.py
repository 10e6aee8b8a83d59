"""Our own parsers on arbitrary input: each returns, or raises only its documented error.

`make fuzz` runs them with more examples, and with different ones each time.
"""

import asyncio
import contextlib
import itertools
import json
import os
from pathlib import Path

import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

import gateway
from chassis.http import etags, paging
from chassis.http.errors import InvalidRequest, MethodNotAllowed, NotFound
from chassis.messaging import own_writes_header
from chassis.observability import request_context
from chassis.process import http_protocol
from gateway import consistency_tokens, static_site
from gateway.credential_cache import is_session_token, new_session_token
from gateway.http1 import HttpClient, ReadTimeout, RemoteProtocolError
from gateway.http_exchange import cookie_value
from gateway.routes import Routes
from services.media import byte_ranges
from services.media.errors import RangeNotSatisfiable
from tests.waiting import PATIENCE_SECONDS

EXAMPLES = 20 * int(os.environ.get("WARBLE_FUZZ_EXAMPLES", "5"))
ROUTES = Routes(json.loads((Path(gateway.__path__[0]) / "openapi.json").read_text()))

often = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
headers = st.text(st.characters(max_codepoint=255))


@often
@given(st.one_of(st.binary(), st.from_regex(rb"/(api|uploads)(/[a-z0-9.%{}~]*){0,4}")))
def test_any_path_matches_a_route_or_is_refused(path: bytes) -> None:
    with contextlib.suppress(NotFound, MethodNotAllowed):
        route = ROUTES.match("GET", path)
        assert path.count(b"/") == route.template.count("/")
        assert path.isascii()


@often
@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True)))
def test_only_text_in_the_form_of_a_token_is_taken_for_one(text: str) -> None:
    assert not is_session_token(text) or (text.isascii() and len(text) == 43)
    assert is_session_token(new_session_token())


@often
@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]{22}", fullmatch=True)))
def test_any_cursor_is_decoded_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        key = paging.decode(text, 2)
        assert all(0 <= part <= paging.MAX_ID for part in key)


@given(st.lists(st.integers(0, paging.MAX_ID), min_size=1, max_size=3))
def test_a_cursor_decodes_to_what_was_encoded(key: list[int]) -> None:
    assert paging.decode(paging.encode(*key), len(key)) == tuple(key)


@often
@given(
    st.one_of(headers, st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}", fullmatch=True)),
    st.integers(1, 10**9),
)
def test_a_byte_range_lies_within_the_file(header: str, size: int) -> None:
    with contextlib.suppress(RangeNotSatisfiable):
        part = byte_ranges.parse(header, size)
        assert part is None or 0 <= part[0] <= part[1] < size


@often
@given(headers, st.one_of(headers, st.just("br;q=0.5, *;q=0")))
def test_header_parsers_accept_any_text(first: str, second: str) -> None:
    assert etags.matches(f'{first},"here"', '"here"') in (True, False)
    assert static_site._accepts(f"{first},{second}", "br") in (True, False)
    assert cookie_value(f"a=b; wanted={second}", "wanted") is not None
    assert "\n" not in request_context.request_id_or_new(first)
    assert "\n" not in request_context.traceparent_or_new(second)


@often
@given(st.one_of(headers, st.from_regex(r"((tweets|users|x):[0-9]{1,25},?){1,30}")))
def test_consistency_tokens_from_a_client_are_bounded(text: str) -> None:
    events = consistency_tokens.parse(text)

    assert len(events) <= own_writes_header.MAX_EVENTS
    assert all("\n" not in str(event) and "," not in str(event) for event in events)


@often
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"HTTP/1.1 200 OK\r\n",
                    b"HTTP/1.1 100 Continue\r\n\r\n",
                    b"content-length: 3\r\n",
                    b"content-length: 4\r\n",
                    b"content-length: -1\r\n",
                    b"transfer-encoding: chunked\r\n",
                    b"connection: close\r\n",
                    b"\r\n",
                    b"3\r\nabc\r\n0\r\n\r\n",
                    b"ffffffffffffffffff\r\n",
                ]
            ),
        ),
        max_size=8,
    )
)
def test_any_bytes_from_a_service_are_handled(parts: list[bytes]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = HttpClient(connect_timeout_seconds=5)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            async with await client.request("GET", url, "/", {}, timeout_seconds=5) as response:
                assert 200 <= response.status < 1000
                assert len(await response.read()) <= sum(map(len, parts))
        except (RemoteProtocolError, ReadTimeout):
            pass
        finally:
            client.close()
            server.close()
            await server.wait_closed()

    asyncio.run(scenario())


class Wire(asyncio.Transport):
    """A transport that records what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _says_what_came(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    names = [name.decode() for name, _ in scope["headers"]]
    await Response(f"{scope['method']} {scope['path']} {names} {body!r}")(scope, receive, send)


async def _answers(config: uvicorn.Config, parts: list[bytes]) -> bytes:
    protocol = http_protocol.HttpProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    other_end = Wire()
    protocol.connection_made(other_end)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for part in parts:
            if not other_end.closed:
                protocol.data_received(part)
                await asyncio.sleep(0)
        while not other_end.closed:
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    return other_end.written


OFFER = b"connection: upgrade\r\nupgrade: h2c\r\n"


@often
@given(
    st.lists(
        st.sampled_from(
            [
                b"GET /a?b HTTP/1.1\r\nhost: x\r\n\r\n",
                b"POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
                b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
                b"2;a=b\r\nin\r\n1\r\n!\r\n0\r\ntrailer: x\r\n\r\n",
                b"GET /d HTTP/1.1\r\n" + OFFER + b"\r\n",
                b"POST /e HTTP/1.1\r\n" + OFFER + b"content-length: 4\r\n\r\nbody",
                b"POST /f HTTP/1.1\r\n" + OFFER + b"transfer-encoding: chunked\r\n\r\n"
                b"2\r\nin\r\n0\r\n\r\n",
            ]
        ),
        max_size=5,
    ),
    st.lists(st.integers(1, 200), max_size=12),
)
def test_packet_boundaries_do_not_change_responses(requests: list[bytes], sizes: list[int]) -> None:
    config = uvicorn.Config(_says_what_came, lifespan="off", log_config=None)
    config.load()
    whole = b"".join(requests) + b"GET /last HTTP/1.1\r\nconnection: close\r\n\r\n"
    ends = [end for end in itertools.accumulate(sizes) if end < len(whole)]
    parts = [whole[begin:end] for begin, end in itertools.pairwise([0, *ends, len(whole)])]

    answers = asyncio.run(_answers(config, parts))

    assert answers == asyncio.run(_answers(config, [whole]))
    assert answers.count(b"HTTP/1.1 200 OK") == len(requests) + 1
