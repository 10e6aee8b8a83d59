"""Request smuggling: ambiguous requests on raw sockets.

If the gateway and a service disagreed on where a request ends, a client could hide a second request
in the first, and its response could reach another client. After each ambiguous request, the next
requests on the same connection and on others must get their own responses.
"""

import json
import secrets
from typing import Any, NamedTuple

import pytest

from chassis.auth.identity import IDENTITY_HEADER, Identity, KeyScope, Signer
from devstack.instance import Instance
from tests.sockets import send_raw

from .company import Company, Person

HIDDEN = b"GET /api/users/me HTTP/1.1\r\nhost: x\r\nx-request-id: hidden\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
BODY_OF_7 = b"content-length: 7\r\n\r\n{     }"


class Poison(NamedTuple):
    head: bytes
    """The bytes after the request line, the host and the key: further headers and the body."""
    refused: bool = True
    """If false, the request is valid, and the next one on the connection is answered too."""
    line: bytes = b"POST %b HTTP/1.1\r\n"


POISONS = {
    "a length and chunks": Poison(b"content-length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\nG"),
    "chunks and a length": Poison(CHUNKED + b"content-length: 4\r\n\r\n1f\r\n" + HIDDEN),
    "two lengths": Poison(b"content-length: 0\r\ncontent-length: 44\r\n\r\n" + HIDDEN),
    "twice the same length": Poison(b"content-length: 7\r\n" + BODY_OF_7),
    "a list of lengths": Poison(b"content-length: 7, 7\r\n\r\n{     }"),
    "a length with a sign": Poison(b"content-length: +7\r\n\r\n{     }"),
    "a length in two lines": Poison(b"content-length:\r\n 7\r\n\r\n{     }"),
    "chunks by another name": Poison(b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    "chunks that are not the last": Poison(b"transfer-encoding: chunked, x\r\n\r\n0\r\n\r\n"),
    "chunks twice": Poison(CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN),
    "chunks behind a tab": Poison(b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    "chunks in two lines": Poison(b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    "a space before the colon": Poison(b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n"),
    "a space before the name": Poison(b" transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    "lines that end in half": Poison(b"a: b\ncontent-length: 44\r\n\r\n" + HIDDEN),
    "a zero byte": Poison(b"a: b\0c\r\n\r\n"),
    "a chunk that is longer than it says": Poison(CHUNKED + b"\r\n1\r\n{    }\r\n0\r\n\r\n"),
    "a chunk's size in C": Poison(CHUNKED + b"\r\n0x7\r\n{     }\r\n0\r\n\r\n"),
    "a chunk's size without an end": Poison(CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n{     }"),
    "an extension that ends in half": Poison(CHUNKED + b"\r\n7;a\n{     }\r\n0\r\n\r\n" + HIDDEN),
    "a length behind the body": Poison(
        CHUNKED + b"\r\n7\r\n{     }\r\n0\r\ncontent-length: 44\r\n\r\n" + HIDDEN
    ),
    "a tunnel": Poison(b"\r\n" + HIDDEN, line=b"CONNECT %b HTTP/1.1\r\n"),
    "a space before the method": Poison(b"\r\n" + HIDDEN, line=b" POST %b HTTP/1.1\r\n"),
    "another protocol, with a body": Poison(
        b"connection: upgrade\r\nupgrade: h2c\r\n" + BODY_OF_7, refused=False
    ),
    "another protocol, with chunks": Poison(
        b"connection: upgrade\r\nupgrade: websocket\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        refused=False,
    ),
    "a request for a body": Poison(
        b"content-length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, refused=False
    ),
    "a request in chunks": Poison(
        CHUNKED + b"\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n", refused=False
    ),
    "extensions and trailers": Poison(
        CHUNKED + b'\r\n7;a="b";c\r\n{     }\r\n0\r\nwarble-identity: x\r\n\r\n', refused=False
    ),
    "headers of the connection": Poison(
        b"connection: content-length, api-key, warble-identity, host\r\n" + BODY_OF_7,
        refused=False,
    ),
    "headers with underscores": Poison(
        b"content_length: 44\r\ntransfer_encoding: chunked\r\n\r\n", refused=False
    ),
    "a whole address": Poison(
        BODY_OF_7, refused=False, line=b"POST http://elsewhere:1%b HTTP/1.1\r\n"
    ),
    "a promise to wait": Poison(b"expect: 100-continue\r\n" + BODY_OF_7, refused=False),
}


def port_of(url: str | None) -> int:
    return int((url or "").rpartition(":")[2])


def as_bytes(headers: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


async def send_pair(
    port: int, poison: Poison, path: str, headers: dict[str, str], next_path: str
) -> tuple[list[bytes], str]:
    """Sends an ambiguous request and a valid one; returns the responses and the second one's id."""
    request_id = secrets.token_hex(8)
    head = b"host: x\r\n" + as_bytes(headers)
    behind = as_bytes({"x-request-id": request_id, "connection": "close"})
    first = poison.line % path.encode() + head + poison.head
    # In one write. If the first request ends the connection, a second write would fail, and the
    # response to the first would be lost.
    response = await send_raw(
        port, first + b"GET %b HTTP/1.1\r\n" % next_path.encode() + head + behind + b"\r\n"
    )
    whole = response.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    return whole.split(b"HTTP/1.1 ")[1:], request_id


def body_of(response: bytes) -> Any:
    return json.loads(response.partition(b"\r\n\r\n")[2])


@pytest.fixture
async def ann(company: Company) -> Person:
    return await company.hire("Ann")


@pytest.fixture
async def boris(company: Company) -> Person:
    return await company.hire("Boris")


@pytest.mark.parametrize("poison", POISONS)
async def test_nobody_gets_an_answer_that_is_not_theirs(
    stack: Instance, ann: Person, boris: Person, poison: str
) -> None:
    port, sent = port_of(stack.gateway_url), POISONS[poison]
    answers, request_id = await send_pair(
        port, sent, f"/api/users/{ann.id}/follow", {"api-key": boris.key}, "/api/users/me"
    )
    # Enough requests to use each connection that the gateway keeps to each replica.
    others = [await ann.done("GET", "/api/users/me") for _ in range(4)]

    assert [other["user"]["id"] for other in others] == [ann.id] * 4
    assert b"hidden" not in b"".join(answers)
    if sent.refused:
        assert [response[:3] for response in answers] == [b"400"]
        assert body_of(answers[0])["error_type"] == "MalformedRequest"
    else:
        assert [response[:3] for response in answers] == [b"200", b"200"]
        assert request_id.encode() in answers[1]
        assert body_of(answers[1])["user"]["id"] == boris.id


SERVICES = {
    "users": "/api/users/1/follow",
    "tweets": "/api/tweets/1/likes",
    "media": "/api/medias",
    "feed": "/api/tweets",
    "notifications": "/api/notifications",
}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_that_is_reached_from_inside_reads_each_in_one_way_as_well(
    stack: Instance, service: str
) -> None:
    port, path = port_of(stack.url(f"{service}-api-1")), SERVICES[service]

    for poison in POISONS.values():
        answers, request_id = await send_pair(port, poison, path, {}, path)

        if poison.refused:
            assert [response[:3] for response in answers] == [b"400"], poison
        else:
            assert len(answers) == 2, poison
            assert request_id.encode() in answers[1]
        for response in answers:
            assert response[:3] in (b"400", b"401", b"405", b"415", b"422"), (poison, response)
            assert body_of(response).keys() == {"result", "error_type", "error_message"}


async def test_no_header_that_a_client_sends_says_who_they_are(
    stack: Instance, ann: Person, boris: Person
) -> None:
    port = port_of(stack.gateway_url)
    theirs = Signer(stack.secrets["identity"]).sign(Identity(boris.id, KeyScope.account), "users")
    variants = [
        f"{IDENTITY_HEADER}: {theirs}\r\n",
        f"{IDENTITY_HEADER}: {theirs}\r\n{IDENTITY_HEADER}: {theirs}\r\n",
        f"{IDENTITY_HEADER.upper()}: {theirs}\r\n",
        f"{IDENTITY_HEADER.replace('-', '_')}: {theirs}\r\n",
        f"connection: {IDENTITY_HEADER}\r\n{IDENTITY_HEADER}: {theirs}\r\n",
        f"connection: api-key\r\n{IDENTITY_HEADER}: {theirs}\r\n",
    ]

    for variant in variants:
        ask = f"GET /api/users/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{variant}"
        nobody = await send_raw(port, f"{ask}\r\n".encode())
        own = await send_raw(port, f"{ask}api-key: {ann.key}\r\n\r\n".encode())

        assert body_of(nobody)["error_type"] == "NotSignedIn"
        assert body_of(own)["user"]["id"] == ann.id


async def test_one_that_is_no_request_among_others_ends_them(stack: Instance, ann: Person) -> None:
    ask = f"GET /api/users/me HTTP/1.1\r\nhost: x\r\napi-key: {ann.key}\r\n".encode()
    poisoned = ask + b"content-length: 1\r\ncontent-length: 2\r\n\r\n"

    at_once = await send_raw(port_of(stack.gateway_url), ask + b"\r\n" + poisoned + ask + b"\r\n")
    old = await send_raw(
        port_of(stack.gateway_url), ask.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" * 2
    )

    assert at_once.count(b"HTTP/1.1 ") <= 1
    assert old.count(b"HTTP/1.1 200 OK") == 1


async def test_a_length_with_more_zeros_than_python_reads_is_a_length(
    stack: Instance, ann: Person
) -> None:
    body = b'{"tweet_data": "By Ann"}'
    head = f"POST /api/tweets HTTP/1.1\r\nhost: x\r\napi-key: {ann.key}\r\n".encode()
    length = b"connection: close\r\ncontent-length: " + b"0" * 5_000 + b"%d\r\n" % len(body)

    response = await send_raw(port_of(stack.gateway_url), head + length + b"\r\n" + body)

    assert response.startswith(b"HTTP/1.1 201 ")
