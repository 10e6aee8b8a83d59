"""The API client of tools when the API is busy, reports an error, or does not respond."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from devstack.instance import Instance
from tools.api_client import ATTEMPTS, Api, ApiError, GatewayUnreachable, api_of


def refusal(status: int, sentence: str, **headers: str) -> httpx.Response:
    body = {"result": False, "error_type": "Whatever", "error_message": sentence}
    return httpx.Response(status, json=body, headers=headers)


def api_with(folder: Path, answer: Callable[[httpx.Request], httpx.Response]) -> Api:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://gateway")
    return Api(Instance(folder, 8000, {"USERS_ADMIN_KEY": "admin"}), http, ATTEMPTS)


async def test_a_call_to_a_busy_api_is_repeated_after_retry_after(tmp_path: Path) -> None:
    answers = [
        refusal(429, "Not so fast.", **{"Retry-After": "1"}),
        refusal(503, "Users do not answer."),
        httpx.Response(200, json={"result": True}),
    ]

    await api_with(tmp_path, lambda _: answers.pop(0)).administrator.like(1)

    assert not answers


async def test_an_error_has_the_message_of_the_api(tmp_path: Path) -> None:
    api = api_with(tmp_path, lambda _: refusal(404, "This tweet doesn't exist."))

    with pytest.raises(ApiError, match=r"This tweet doesn't exist\. \(404 Whatever,"):
        await api.administrator.like(1)


async def test_a_person_whose_response_was_lost_is_not_registered_twice(tmp_path: Path) -> None:
    registered = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal registered
        if request.method == "POST" and request.url.path == "/api/users":
            registered += 1
            return refusal(504, "Users are slow.")
        if request.url.path == "/api/users/7/key":
            return httpx.Response(200, json={"user_id": 7, "api_key": "new"})
        found = [{"id": 7, "name": "Ann"}, {"id": 8, "name": "Anna"}]
        return httpx.Response(200, json={"users": found, "next_cursor": None})

    person = await api_with(tmp_path, answer).hire("Ann")

    assert (person.id, person.key) == (7, "new")
    assert registered == 1


async def test_without_a_gateway_the_error_says_what_to_do(tmp_path: Path) -> None:
    instance = Instance(tmp_path, 1, {"USERS_ADMIN_KEY": "admin"})

    with pytest.raises(GatewayUnreachable, match="run `make up` first"):
        async with api_of(instance, ATTEMPTS):
            pass
