"""Several gateways: access that ends at one of them ends at the others."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from devstack.instance import Instance
from tests.identity_provider import IdentityProvider
from tests.other_gateway import gateway_beside
from tests.sse import Stream, open_stream
from tests.waiting import eventually

from .company import Company
from .test_sign_on import OURS, browser_at, sign_on

ENDINGS = ("sign-out", "revoked key", "deactivation", "back-channel logout")


@pytest.fixture
async def second_gateway(
    stack: Instance, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[str]:
    """Its cache forgets nothing by itself while a test runs."""
    hour = {"GATEWAY_KEY_CACHE_TTL_SECONDS": "3600"}
    async with gateway_beside(stack, unused_tcp_port_factory, **hour) as url:
        yield url


@dataclass
class Access:
    """A credential, and what ends it at the first gateway."""

    end: Callable[[], Awaitable[httpx.Response]]
    headers: dict[str, str]


async def access(
    ending: str, stack: Instance, company: Company, provider: IdentityProvider
) -> Access:
    first = company.http
    if ending in ("revoked key", "deactivation"):
        person = await company.hire("Ann")
        own = {"api-key": person.key}
        path = f"/api/users/{person.id}"
        if ending == "deactivation":
            administrator = {"api-key": stack.admin_key}
            return Access(lambda: first.delete(path, headers=administrator), own)
        created = await first.post(f"{path}/keys", json={}, headers=own)
        key = created.json()
        return Access(
            lambda: first.delete(f"{path}/keys/{key['key_id']}", headers=own),
            {"api-key": key["api_key"]},
        )
    async with browser_at(stack) as browser:
        provider.subject, provider.claims = secrets.token_hex(8), {"sid": secrets.token_hex(8)}
        await sign_on(browser, provider)
        cookie = {"cookie": f"warble_session={browser.cookies['warble_session']}"}
    if ending == "sign-out":
        return Access(lambda: first.delete("/api/session", headers={**OURS, **cookie}), cookie)
    token = {"logout_token": provider.logout_token()}
    return Access(lambda: first.post("/api/sign-on/company/logout", data=token), cookie)


@pytest.mark.parametrize(
    "worker", ["running", pytest.param("stopped", marks=pytest.mark.exclusive)]
)
async def test_access_that_ends_at_one_gateway_ends_at_every_other(
    stack: Instance,
    company: Company,
    scripted_provider: IdentityProvider,
    second_gateway: str,
    worker: str,
) -> None:
    """Also while no event of users is published."""
    found = {ending: await access(ending, stack, company, scripted_provider) for ending in ENDINGS}
    streams: dict[str, Stream] = {}
    async with contextlib.AsyncExitStack() as clients:
        second = await clients.enter_async_context(
            httpx.AsyncClient(base_url=second_gateway, timeout=60)
        )
        for ending, one in found.items():
            assert (await second.get("/api/users/me", headers=one.headers)).is_success
            streams[ending] = await clients.enter_async_context(
                open_stream(second_gateway, one.headers)
            )
            assert streams[ending].response.is_success
        if worker == "stopped":
            stack.stop("users-worker")
            clients.callback(stack.start, "users-worker")

        for ending, one in found.items():
            ended = await one.end()
            assert ended.is_success, (ending, ended.text)

            async def is_over(ending: str = ending, one: Access = one) -> bool:
                answer = await second.get("/api/users/me", headers=one.headers)
                return answer.status_code == 401 and streams[ending].is_over

            await eventually(is_over)

    assert all(stream.is_complete for stream in streams.values())
