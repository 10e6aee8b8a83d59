"""The credential cache: what it caches, for how long, and which events expire it."""

import json
from typing import Any

import aio_pika
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import testing
from chassis.auth import api_keys
from chassis.auth.identity import Identity, KeyScope, Verifier
from chassis.messaging import broker, message_format
from chassis.messaging.message_format import TransportedEvent
from devstack.instance import Instance
from tests.waiting import eventually

from .fake_services import OWNER, PERSON, Behaviour, RunningGateway, StartGateway, error

KEY = {"api-key": api_keys.generate()}


def owner(**facts: Any) -> Behaviour:
    async def response(request: Request) -> Response:
        return JSONResponse(OWNER | facts)

    return response


def lookups(running: RunningGateway) -> int:
    return len(running.users.requests)


def keys_looked_up(running: RunningGateway) -> int:
    return sum(request["target"].startswith("/internal/") for request in running.users.requests)


async def refusal(running: RunningGateway) -> httpx.Response:
    """Waits for the first response that refuses the key."""

    async def look() -> httpx.Response | None:
        response = await running.client.get("/api/tweets", headers=KEY)
        return None if response.is_success else response

    return await eventually(look)


async def test_a_mistyped_key_is_refused_without_asking_users(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        good = KEY["api-key"]
        for key in (good[:-1], good + "x", good[:4] + good[4:].swapcase()):
            read = await running.client.get("/api/tweets", headers={"api-key": key})
            signed_in = await running.client.post("/api/session", json={"api_key": key})

            assert error(read) == error(signed_in) == (401, "NotSignedIn")
        assert lookups(running) == 0


async def test_a_service_is_told_what_the_key_allows(start_gateway: StartGateway) -> None:
    facts = {"key_id": 5, "key_expires_at": 2**31, "roles": ["moderator", "of a later version"]}
    async with start_gateway(users=owner(scope="account", **facts)) as running:
        await running.client.get("/api/tweets", headers=KEY)

        token = running.feed.requests[-1]["headers"]["warble-identity"]
        identity = Verifier(testing.PUBLIC_KEY, "feed").verify(token)
        assert identity == Identity(
            PERSON,
            KeyScope.account,
            key_id=5,
            key_expires_at=2**31,
            roles=frozenset(("moderator", "of a later version")),
        )
        assert identity.has_role("moderator")
        assert not identity.has_role("announcer")


async def causes_lookup(running: RunningGateway) -> bool:
    """Whether the gateway asks users about the key in order to answer a request."""
    before = keys_looked_up(running)
    await running.client.get("/api/tweets", headers=KEY)
    return keys_looked_up(running) > before


async def is_cached(running: RunningGateway) -> bool:
    return not await causes_lookup(running)


@pytest.mark.parametrize("path", ["", "/keys/3", "/roles/moderator"])
async def test_who_loses_access_is_looked_up_again_at_once(
    start_gateway: StartGateway, path: str
) -> None:
    async with start_gateway(users=owner(scope="account")) as running:
        # Revocations reach every gateway at the broker, also those of other tests. One that arrives
        # during a lookup keeps the answer out of the cache.
        await eventually(lambda: is_cached(running))
        await running.client.delete(f"/api/users/{PERSON}{path}", headers=KEY)

        assert await causes_lookup(running)


async def test_other_deletions_cause_no_lookup(start_gateway: StartGateway) -> None:
    async def is_cached_afterwards() -> bool:
        await running.client.delete("/api/users/9000002000/follow", headers=KEY)
        return await is_cached(running)

    async with start_gateway(users=owner(scope="account", user_id=9_000_002_000)) as running:
        assert await eventually(is_cached_afterwards)


async def test_a_key_is_cached_no_longer_than_it_lives(start_gateway: StartGateway) -> None:
    alone = {"scope": "write", "user_id": 9_000_001_000}
    async with start_gateway(users=owner(**alone, seconds_left=0)) as running:
        for _ in range(3):
            assert await causes_lookup(running)
    async with start_gateway(users=owner(**alone, seconds_left=3600)) as running:
        assert await eventually(lambda: is_cached(running))


@pytest.mark.exclusive  # Other tests' gateways receive these revocations too.
async def test_a_malformed_revocation_does_not_block_later_ones(
    start_gateway: StartGateway, stack: Instance
) -> None:
    revoked = False

    async def users(request: Request) -> Response:
        return await owner()(request) if not revoked else JSONResponse({"result": False}, 404)

    connection = await aio_pika.connect(stack.broker_url)
    async with start_gateway(users=users) as running, connection:
        exchange = await broker.events_exchange(await connection.channel())
        for body in (b'{"user_id": 1e999}', b"[" * 100_000):
            assert (await running.client.get("/api/tweets", headers=KEY)).status_code == 200
            lookups_before = lookups(running)
            await exchange.publish(aio_pika.Message(body, message_id="users:1"), "key.revoked.v1")

            async def users_is_asked_again(before: int = lookups_before) -> bool:
                await running.client.get("/api/tweets", headers=KEY)
                return lookups(running) > before

            await eventually(users_is_asked_again)
        revoked = True
        message = aio_pika.Message(json.dumps({"user_id": PERSON}).encode(), message_id="users:2")
        await exchange.publish(message, "key.revoked.v1")

        assert error(await refusal(running)) == (401, "NotSignedIn")


@pytest.mark.exclusive  # Other tests' gateways receive these revocations too.
@pytest.mark.parametrize(
    "people", [[PERSON], [PERSON + 1, PERSON, PERSON + 2]], ids=["one", "several"]
)
async def test_every_gateway_receives_a_revocation(
    start_gateway: StartGateway, stack: Instance, people: list[int]
) -> None:
    revoked = False

    async def users(request: Request) -> Response:
        if revoked:
            return JSONResponse({"result": False}, 404)
        return await owner()(request)

    connection = await aio_pika.connect(stack.broker_url)
    async with start_gateway(users=users) as one, start_gateway(users=users) as other, connection:
        for running in (one, other):
            assert (await running.client.get("/api/tweets", headers=KEY)).status_code == 200
        revoked = True
        exchange = await broker.events_exchange(await connection.channel())
        events = [
            TransportedEvent("users:1", "key.revoked.v1", b'{"user_id": %d}' % person, 0)
            for person in people
        ]
        await exchange.publish(message_format.encode(events), "key.revoked.v1")

        for running in (one, other):
            assert error(await refusal(running)) == (401, "NotSignedIn")
