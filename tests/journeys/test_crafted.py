"""Maliciously crafted bodies, cursors and cookies.

The gateway and each service refuse them with the usual error format, and never return another
person's data.
"""

import asyncio
import itertools
import json
import secrets

import httpx
import pytest

from chassis.auth.identity import IDENTITY_HEADER, Identity, KeyScope, Signer
from chassis.http import body_limit, paging
from devstack.instance import Instance
from tests.waiting import PATIENCE_SECONDS, eventually

from .company import Company, Person

DEEP = 30_000
MALFORMED = {
    "lists in lists": b"[" * DEEP + b"]" * DEEP,
    "lists without an end": b"[" * 2 * DEEP,
    "objects in objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "depth in an unknown field": b'{"%s": "x", "y": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "depth in place of a text": b'{"%s": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a number of many digits": b'{"%s": ' + b"9" * 60_000 + b"}",
    "a number beyond any": b'{"%s": 1e999999}',
    "no number": b'{"%s": NaN}',
    "many keys": b"{" + b",".join(b'"%d":0' % key for key in range(6_000)) + b"}",
    "half a character": rb'{"%s": "\ud800"}',
    "half a character, raw": b'{"%s": "\xed\xa0\x80"}',
    "no UTF-8": b'{"%s": "\xff\xfe"}',
    "an overlong zero": b'{"%s": "\xc0\x80"}',
    "a zero byte": rb'{"%s": "a\u0000b"}',
    "a zero byte, raw": b'{"%s": "a\0b"}',
    "a key that is half a character": rb'{"\ud800": 1}',
    "nothing": b"",
    "null": b"null",
    "two values": b'{"%s": "x"} {}',
    "a comment": b'{"%s": "x" /* */}',
}


def refused(response: httpx.Response, *statuses: int) -> bool:
    whole = response.json().keys() - {"error_details"} == {"result", "error_type", "error_message"}
    return whole and response.status_code in statuses


@pytest.fixture
async def ann(company: Company) -> Person:
    return await company.hire("Ann")


@pytest.mark.parametrize("what", MALFORMED)
async def test_json_that_is_crafted_is_refused_everywhere(
    company: Company, stack: Instance, ann: Person, what: str
) -> None:
    signer = Signer(stack.secrets["identity"])
    for method, path, service, field in (
        ("POST", "/api/tweets", "tweets", b"tweet_data"),
        ("PATCH", f"/api/users/{ann.id}", "users", b"name"),
        ("POST", "/api/erasures", "users", b"name"),
        ("POST", "/api/notifications/seen", "notifications", b"seq"),
        ("POST", "/api/session", "", b"api_key"),
    ):
        body = MALFORMED[what].replace(b"%s", field)
        typed = {"content-type": "application/json"}
        through = await ann.ask(method, path, content=body, headers=typed)
        assert refused(through, 422, 413, 401), (path, through.text)
        if service:
            identity = {IDENTITY_HEADER: signer.sign(Identity(ann.id, KeyScope.account), service)}
            url = f"{stack.url(f'{service}-api-1')}{path}"
            inside = await company.http.request(
                method, url, content=body, headers={**typed, **identity}
            )
            assert refused(inside, 422), (path, inside.text)
    assert (await ann.done("GET", "/api/users/me"))["user"]["name"] == "Ann"


async def test_the_last_of_two_equal_keys_counts(ann: Person) -> None:
    body = rb'{"name": "First", "name": "\u0041nna"}'

    await ann.done("PATCH", f"/api/users/{ann.id}", content=body)

    assert (await ann.done("GET", "/api/users/me"))["user"]["name"] == "Anna"


@pytest.mark.parametrize("service", ["users", "tweets", "media"])
async def test_a_body_without_an_end_is_read_no_further_by_who_is_asked_directly(
    stack: Instance, service: str
) -> None:
    path, most = {
        "users": ("/api/users", body_limit.MAX_JSON_BYTES),
        "tweets": ("/api/tweets", body_limit.MAX_JSON_BYTES),
        "media": ("/api/medias", 20_000_000),
    }[service]
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n".encode()
    form = b'--x\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'
    kind = b"multipart/form-data; boundary=x" if service == "media" else b"application/json"
    head += b"content-type: " + kind + b"\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (65536, bytes(65536))
    port = int((stack.url(f"{service}-api-1") or "").rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    writer.write(head + b"%x\r\n%b\r\n" % (len(form), form))
    sent = 0
    answered = asyncio.create_task(reader.readuntil(b"}}"))
    while not answered.done() and sent < 10 * most:
        writer.write(chunk)
        await writer.drain()
        await asyncio.wait([answered], timeout=0)
        sent += len(chunk)
    async with asyncio.timeout(PATIENCE_SECONDS):
        response = await answered
    writer.close()

    assert response.startswith(b"HTTP/1.1 413 ")
    problem = json.loads(response.partition(b"\r\n\r\n")[2])
    assert problem["error_type"] == "PayloadTooLarge"
    assert 0 < problem["error_details"]["limit"] <= most


def flipped(sealed: str) -> list[str]:
    """Variants of a token with one character changed: each position, and some that no token has."""
    changed = [
        sealed[:at] + ("A" if character != "A" else "_") + sealed[at + 1 :]
        for at, character in enumerate(sealed)
    ]
    return [*changed, f"%{sealed[1:]}", f"{sealed[:-1]}%"]


EXTREMES = [0, 1, 2**31 - 1, 2**31, 2**32, 2**53 - 1]


async def test_a_cursor_that_was_tampered_with_is_refused_or_a_place_in_the_same_list(
    company: Company, ann: Person
) -> None:
    boris, zoe = await company.hire("Boris"), await company.hire("Zoe")
    for _ in range(2):
        await ann.post(f"By Ann, {secrets.token_hex(8)}")
        tweet_id = await boris.post()
    for fan in (ann, zoe):
        await fan.follow(boris)
        await fan.done("POST", f"/api/tweets/{tweet_id}/likes")
    await company.administrator.done("PATCH", f"/api/users/{zoe.id}", json={"name": "Zoë"})
    await company.administrator.done("PATCH", f"/api/users/{ann.id}", json={"name": "Anna"})

    async def has_arrived() -> bool:
        groups = (await boris.done("GET", "/api/notifications"))["notifications"]
        return {group["kind"] for group in groups} == {"follow", "like"}

    await eventually(has_arrived)
    lists = {
        "/api/notifications?": (boris, 1),
        f"/api/users/{boris.id}/followers?": (ann, 1),
        "/api/users?": (ann, 2),
        "/api/users?query=a&": (ann, 1),
        "/api/tweets?": (ann, 2),
        "/api/tweets?order=recent&scope=everyone&": (ann, 2),
        f"/api/users/{ann.id}/tweets?": (ann, 2),
        f"/api/tweets/{tweet_id}/likes?": (ann, 1),
        "/api/audit?": (company.administrator, 1),
    }
    for path, (reader, numbers) in lists.items():
        first = await reader.done("GET", f"{path}limit=1")
        assert first["next_cursor"], path
        made_up = [paging.encode(*key) for key in itertools.product(EXTREMES, repeat=numbers)]
        for cursor in (*flipped(first["next_cursor"]), *made_up):
            response = await reader.ask("GET", f"{path}limit=1", params={"cursor": cursor})
            assert response.status_code == 200 or refused(response, 422), (
                path,
                cursor,
                response.text,
            )
            if path.startswith(f"/api/users/{ann.id}/tweets") and response.is_success:
                assert {t["author"]["id"] for t in response.json()["tweets"]} <= {ann.id}
            if "followers" in path and response.is_success:
                assert {user["id"] for user in response.json()["users"]} <= {ann.id, zoe.id}


async def test_a_session_that_was_tampered_with_is_none(company: Company, ann: Person) -> None:
    url = company.instance.gateway_url
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as browser:
        signed_in = await browser.post("/api/session", json={"api_key": ann.key})
        token = signed_in.cookies["warble_session"]
    # Only a few have the form of a token, because more would reach the limit on key guesses.
    malformed = [token[:at] + "%" + token[at + 1 :] for at in range(len(token))]
    well_formed = [token.swapcase(), token[::-1]]
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as stranger:
        for other in (*malformed, *well_formed, token[:-4], token + "A", token * 2, "", "=", '"'):
            response = await stranger.get(
                "/api/users/me", headers={"cookie": f"warble_session={other}"}
            )
            assert refused(response, 401), other
        mine = await stranger.get("/api/users/me", headers={"cookie": f"warble_session={token}"})
        assert mine.json()["user"]["id"] == ann.id


async def test_a_copied_cookie_is_worthless_after_signing_out(
    company: Company, ann: Person
) -> None:
    url = company.instance.gateway_url
    async with (
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as browser,
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as thief,
    ):
        await browser.post("/api/session", json={"api_key": ann.key})
        thief.cookies.set("warble_session", browser.cookies["warble_session"])
        before = await thief.get("/api/users/me")
        await browser.delete("/api/session")
        after = await thief.get("/api/users/me")

    assert before.json()["user"]["id"] == ann.id
    assert refused(after, 401)


async def test_events_that_were_tampered_with_cost_a_moment_at_most(ann: Person) -> None:
    await ann.post("Mine")

    async def read(header: str, value: str) -> None:
        response = await ann.ask("GET", "/api/tweets", headers={header: value.encode()})
        assert response.status_code == 200, (header, value)
        assert [tweet["content"] for tweet in response.json()["tweets"]] == ["Mine"]

    crafted = (
        "tweets:99999999999999999999999",
        "tweets:9223372036854775807",
        "tweets:-1",
        "tweets:٣",
        "tweets:1,users:2,feed:3,media:4,gateway:5",
        ",".join(f"tweets:{number}" for number in range(2**52, 2**52 + 100)),
        "tweets:1'; drop table tweet",
    )
    # All at once, because a read waits for an event that may still arrive.
    async with asyncio.TaskGroup() as reads:
        for events in crafted:
            reads.create_task(read("warble-events", events))
            reads.create_task(read("cookie", f"warble_after={events}"))
