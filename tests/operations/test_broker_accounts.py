"""Each account at the broker has the permissions that its service needs, and no others."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from chassis.messaging import broker
from devstack.instance import Instance
from devstack.repository import REPOSITORY, SERVICES

ACCOUNTS = (*SERVICES, "gateway")
TABLE: dict[str, Any] = json.loads(
    (REPOSITORY / "deploy" / "rabbitmq" / "accounts.json").read_text()
)
EVENTS: str = TABLE["exchange"]
KEYS = sorted(path.stem for path in (REPOSITORY / "tests" / "contracts" / "samples").glob("*.json"))


@asynccontextmanager
async def channel_of(stack: Instance, account: str) -> AsyncIterator[AbstractChannel]:
    url = stack.service_environment(account)[f"{account.upper()}_BROKER_URL"]
    assert f"//{account}:" in url
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def is_refused(
    stack: Instance, account: str, act: Callable[[AbstractChannel], Awaitable[object]]
) -> bool:
    async with channel_of(stack, account) as channel:
        try:
            await act(channel)
        except ChannelAccessRefused:
            return True
        return False


def keys_in(pattern: str) -> set[str]:
    return {key for key in KEYS if key.replace(".", r"\.") in pattern}


def publishes(key: str, exchange: str = EVENTS) -> Callable[[AbstractChannel], Awaitable[object]]:
    async def act(channel: AbstractChannel) -> None:
        # It expires at once, so that the real consumers do not receive it.
        to = await channel.get_exchange(exchange, ensure=False)
        message = aio_pika.Message(b"{}", expiration=0, message_id="rubbish")
        await to.publish(message, key, mandatory=False)

    return act


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_an_account_publishes_only_its_own_events(stack: Instance, account: str) -> None:
    own = keys_in(TABLE["accounts"][account]["publishes"])

    others = {key for key in KEYS if key not in own}
    assert {key for key in others if await is_refused(stack, account, publishes(key))} == others
    # A routing key without any consumer.
    assert await is_refused(stack, account, publishes("made.up.v1"))


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_an_account_reaches_no_queue_of_another(stack: Instance, account: str) -> None:
    for other in SERVICES:
        if other == account:
            continue
        consumes = keys_in(TABLE["accounts"][other]["consumes"])
        for key in sorted(consumes)[:2]:
            queue = f"{other}.{key}"

            async def reads(channel: AbstractChannel, queue: str = queue) -> None:
                await (await channel.get_queue(queue, ensure=False)).get(fail=False)

            async def deletes(channel: AbstractChannel, queue: str = queue) -> None:
                await channel.queue_delete(queue)

            async def binds(channel: AbstractChannel, queue: str = queue, key: str = key) -> None:
                await (await channel.get_queue(queue, ensure=False)).bind(EVENTS, key)

            for act in (
                reads,
                deletes,
                binds,
                publishes(queue, exchange=""),
                publishes(queue, exchange=f"{other}.queues"),
            ):
                assert await is_refused(stack, account, act), (queue, act)


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_an_account_receives_only_the_events_it_handles(
    stack: Instance, account: str
) -> None:
    consumes = keys_in(TABLE["accounts"][account]["consumes"])
    refused = set()
    for key in KEYS:

        async def listens(channel: AbstractChannel, key: str = key) -> None:
            queue = await channel.declare_queue(
                f"{account}.{secrets.token_hex(8)}", exclusive=True, auto_delete=True
            )
            await queue.bind(EVENTS, key)

        if await is_refused(stack, account, listens):
            refused.add(key)

    assert refused == set(KEYS) - consumes

    async def listens_to_all(channel: AbstractChannel) -> None:
        queue = await channel.declare_queue(f"{account}.{secrets.token_hex(8)}", exclusive=True)
        await queue.bind(EVENTS, "#")

    assert await is_refused(stack, account, listens_to_all)


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_an_account_creates_nothing_under_another_name(stack: Instance, account: str) -> None:
    for name in ("planted", *(f"{other}.planted" for other in ACCOUNTS if other != account)):

        async def declares_a_queue(channel: AbstractChannel, name: str = name) -> None:
            await channel.declare_queue(name, exclusive=True)

        async def declares_an_exchange(channel: AbstractChannel, name: str = name) -> None:
            await channel.declare_exchange(name, auto_delete=True)

        assert await is_refused(stack, account, declares_a_queue), name
        assert await is_refused(stack, account, declares_an_exchange), name


async def test_unknown_accounts_and_wrong_passwords_are_rejected(stack: Instance) -> None:
    host = stack.broker_url.partition("@")[2]
    for account in ("guest:guest", "users:wrong", "warble:"):
        with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
            await broker.connect_once(f"amqp://{account}@{host}", "warble-test")
