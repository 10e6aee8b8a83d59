"""What a gateway believes of a key: how much, how long, and until which news."""

import json
from typing import Any

import aio_pika
import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import api_keys, broker, testing
from chassis.identity import Identity, KeyScope, Verifier
from deploy.local.instance import Instance
from tests.waiting import eventually

from .neighbours import OWNER, Behaviour, Edge, Made, error

KEY = {"api-key": api_keys.generate()}


def owner(**facts: Any) -> Behaviour:
    async def answer(request: Request) -> Response:
        return JSONResponse(OWNER | facts)

    return answer


def lookups(it: Edge) -> int:
    return len(it.users.asked)


async def refusal(it: Edge) -> httpx.Response:
    """The first answer that refuses the key."""

    async def look() -> httpx.Response | None:
        answer = await it.client.get("/api/tweets", headers=KEY)
        return None if answer.is_success else answer

    return await eventually(look)


async def test_a_mistyped_key_is_refused_and_nobody_is_asked(edge: Made) -> None:
    async with edge() as it:
        good = KEY["api-key"]
        for key in (good[:-1], good + "x", good[:4] + good[4:].swapcase()):
            read = await it.client.get("/api/tweets", headers={"api-key": key})
            signed_in = await it.client.post("/api/session", json={"api_key": key})

            assert error(read) == error(signed_in) == (401, "NotSignedIn")
        assert lookups(it) == 0


async def test_a_service_hears_what_the_key_may(edge: Made) -> None:
    async with edge(users=owner(scope="read", key_id=5, key_expires_at=2**31)) as it:
        await it.client.get("/api/tweets", headers=KEY)

        token = it.feed.asked[-1]["headers"]["warble-identity"]
        identity = Verifier(testing.PUBLIC_KEY, "feed").identity(token)
        assert identity == Identity(7, KeyScope.read, key_id=5, key_expires_at=2**31)


async def test_a_key_is_believed_no_longer_than_it_lasts(edge: Made) -> None:
    async with edge(users=owner(scope="write", seconds_left=0)) as it:
        for _ in range(3):
            assert (await it.client.get("/api/tweets", headers=KEY)).status_code == 200
        assert lookups(it) == 3
    async with edge(users=owner(scope="write", seconds_left=3600)) as it:
        for _ in range(3):
            await it.client.get("/api/tweets", headers=KEY)
        assert lookups(it) == 1


async def test_a_revocation_that_cannot_be_read_does_not_keep_later_ones_from_being_heard(
    edge: Made, infrastructure: Instance
) -> None:
    dead = False

    async def users(request: Request) -> Response:
        return await owner()(request) if not dead else JSONResponse({"result": False}, 404)

    connection = await aio_pika.connect(infrastructure.broker_url)
    async with edge(users=users) as it, connection:
        exchange = await broker.events_exchange(await connection.channel())
        for body in (b'{"user_id": 1e999}', b"[" * 100_000):
            assert (await it.client.get("/api/tweets", headers=KEY)).status_code == 200
            asked = lookups(it)
            await exchange.publish(aio_pika.Message(body, message_id="users:1"), "key.revoked.v1")

            async def asked_again(before: int = asked) -> bool:
                await it.client.get("/api/tweets", headers=KEY)
                return lookups(it) > before

            await eventually(asked_again)
        dead = True
        news = aio_pika.Message(b'{"user_id": 7}', message_id="users:2")
        await exchange.publish(news, "key.revoked.v1")

        assert error(await refusal(it)) == (401, "NotSignedIn")


async def test_every_gateway_hears_of_a_revocation(edge: Made, infrastructure: Instance) -> None:
    dead = False

    async def users(request: Request) -> Response:
        if dead:
            return JSONResponse({"result": False}, 404)
        return await owner()(request)

    connection = await aio_pika.connect(infrastructure.broker_url)
    async with edge(users=users) as one, edge(users=users) as other, connection:
        for it in (one, other):
            assert (await it.client.get("/api/tweets", headers=KEY)).status_code == 200
        dead = True
        exchange = await broker.events_exchange(await connection.channel())
        news = aio_pika.Message(json.dumps({"user_id": 7}).encode(), message_id="users:1")
        await exchange.publish(news, "key.revoked.v1")

        for it in (one, other):
            assert error(await refusal(it)) == (401, "NotSignedIn")
