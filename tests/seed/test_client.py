"""The seed client when the API is busy, reports an error, or does not respond."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from devstack.instance import Instance
from tools.seed.client import Account, ApiError, Client, GatewayUnreachable

Handler = Callable[[web.Request], Awaitable[web.Response]]


def refusal(status: int, sentence: str, **headers: str) -> web.Response:
    body = {"result": False, "error_type": "Whatever", "error_message": sentence}
    return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def client_of(folder: Path, handler: Handler) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        instance = Instance(folder, server.port or 0, {"USERS_ADMIN_KEY": "admin"})
        async with Client(instance) as client:
            yield client


async def test_a_call_to_a_busy_api_is_repeated_after_retry_after(tmp_path: Path) -> None:
    answers = [
        refusal(429, "Not so fast.", **{"Retry-After": "1"}),
        refusal(503, "Users do not answer."),
        web.json_response({"result": True}),
    ]

    async def api(request: web.Request) -> web.Response:
        return answers.pop(0) if request.method == "POST" else web.Response()

    async with client_of(tmp_path, api) as client:
        await client.follow("ann", 2)

    assert not answers


async def test_an_error_has_the_message_of_the_api(tmp_path: Path) -> None:
    async def api(_: web.Request) -> web.Response:
        return refusal(404, "This person doesn't exist.")

    async with client_of(tmp_path, api) as client:
        with pytest.raises(ApiError, match=r"This person doesn't exist\. \(404 Whatever\)"):
            await client.follow("ann", 2)


async def test_a_person_whose_response_was_lost_is_not_registered_twice(tmp_path: Path) -> None:
    registered: list[str] = []

    async def api(request: web.Request) -> web.Response:
        if request.path == "/api/users" and request.method == "POST":
            registered.append((await request.json())["name"])
            return refusal(504, "Users are slow.")
        if request.path == "/api/users/7/key":
            return web.json_response({"result": True, "user_id": 7, "api_key": "new"})
        found = [{"id": 7, "name": "Ann"}, {"id": 8, "name": "Anna"}] if registered else []
        return web.json_response({"result": True, "users": found, "next_cursor": None})

    async with client_of(tmp_path, api) as client:
        person = await client.register("Ann")

    assert person == Account(7, "new")
    assert registered == ["Ann"]


async def test_without_a_gateway_the_error_says_what_to_do(tmp_path: Path) -> None:
    instance = Instance(tmp_path, 1, {"USERS_ADMIN_KEY": "admin"})

    with pytest.raises(GatewayUnreachable, match="run `make up` first"):
        await Client(instance).__aenter__()
