"""Sign-on through the whole running system, and how fast access ends when the provider says so."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import httpx
import pytest

from chassis.messaging import broker
from devstack.instance import Instance
from tests.identity_provider import IdentityProvider
from tests.oidc_provider import CertifiedProvider
from tests.sse import open_stream
from tests.waiting import eventually

from .company import Company

OURS = {"sec-fetch-site": "same-origin"}


@asynccontextmanager
async def browser_at(stack: Instance) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=60) as browser:
        yield browser


async def sign_on(browser: httpx.AsyncClient, provider: IdentityProvider) -> httpx.Response:
    """Goes to the provider and back, as a browser does that follows the redirects."""
    started = await browser.get("/api/sign-on/company/start?next=/people")
    assert started.status_code == 303, started.text
    if started.headers["location"].startswith("/"):
        return started
    answer = provider.authorize(started.headers["location"])
    return await browser.get("/api/sign-on/company/callback", params=answer)


async def me(browser: httpx.AsyncClient) -> httpx.Response:
    return await browser.get("/api/users/me")


async def test_groups_decide_from_one_sign_on_to_the_next(
    stack: Instance, scripted_provider: IdentityProvider
) -> None:
    async with browser_at(stack) as browser, browser_at(stack) as another:
        scripted_provider.claims = {"groups": ["staff", "administrators"]}
        signed_on = await sign_on(browser, scripted_provider)
        as_administrator = (await me(browser)).json()
        key = (
            await browser.post(
                f"/api/users/{as_administrator['user']['id']}/keys", json={}, headers=OURS
            )
        ).json()["api_key"]

        scripted_provider.claims = {"groups": ["staff"]}
        await sign_on(another, scripted_provider)

        async def is_no_administrator() -> bool:
            return (await me(browser)).json()["administrator"] is False

        await eventually(is_no_administrator)
        scripted_provider.claims = {"groups": []}
        refused = await sign_on(another, scripted_provider)

        async def is_out() -> bool:
            by_key = await browser.get("/api/tweets", headers={"api-key": key})
            return by_key.status_code == (await me(browser)).status_code == 401

        await eventually(is_out)

    assert (signed_on.status_code, signed_on.headers["location"]) == (303, "/people")
    assert as_administrator["administrator"] is True
    assert refused.headers["location"] == "/?sign_on=NotAdmitted"


async def test_a_logout_at_the_provider_ends_sessions_and_streams(
    stack: Instance, scripted_provider: IdentityProvider
) -> None:
    scripted_provider.claims = {"sid": secrets.token_hex(8)}
    async with browser_at(stack) as browser, browser_at(stack) as idp:
        await sign_on(browser, scripted_provider)
        assert (await me(browser)).status_code == 200
        async with browser.stream("GET", "/api/stream") as stream:
            assert stream.status_code == 200
            reading = asyncio.create_task(_read(stream))

            token = scripted_provider.logout_token(sub=None, sid=scripted_provider.claims["sid"])
            out = await idp.post("/api/sign-on/company/logout", data={"logout_token": token})

            async def is_out() -> bool:
                return (await me(browser)).status_code == 401

            await eventually(is_out)
            await reading

    assert out.status_code == 200, out.text


async def test_signing_out_at_a_certified_provider_ends_the_session_and_its_stream(
    stack: Instance, certified_provider: CertifiedProvider
) -> None:
    name = f"Ann {secrets.token_hex(4)}"
    async with browser_at(stack) as browser, httpx.AsyncClient(timeout=60) as at_provider:
        started = await browser.get("/api/sign-on/certified/start?next=/people")
        assert started.headers["location"].startswith(certified_provider.issuer), started.text
        back = await certified_provider.sign_in(at_provider, started.headers["location"], name)
        signed_on = await browser.get(back)
        person = (await me(browser)).json()["user"]
        cookie = {"cookie": f"warble_session={browser.cookies['warble_session']}"}
        async with open_stream(stack.gateway_url, cookie) as stream:
            assert stream.response.is_success
            signed_out = await certified_provider.end_session(at_provider)
            afterwards = await me(browser)
            await stream.over()

    assert (signed_on.status_code, signed_on.headers["location"]) == (303, "/people")
    assert person["name"] == name
    assert signed_out.status_code == 303
    # The provider has sent its logout token before it answered the person.
    assert afterwards.status_code == 401


async def test_a_person_links_the_account_they_sign_in_with(
    stack: Instance, company: Company, scripted_provider: IdentityProvider
) -> None:
    boris = await company.hire("Boris")
    async with browser_at(stack) as browser:
        await browser.post("/api/session", json={"api_key": boris.key})
        linking = await browser.post("/api/sign-on/company/link?next=/people", headers=OURS)
        answer = scripted_provider.authorize(linking.json()["location"])
        await browser.get("/api/sign-on/company/callback", params=answer)
        linked = (await me(browser)).json()["user"]["id"]
        await browser.delete("/api/session", headers=OURS)
        await sign_on(browser, scripted_provider)
        signed_on = (await me(browser)).json()["user"]["id"]
        identities = (await browser.get(f"/api/users/{boris.id}/identities")).json()

    assert linked == signed_on == boris.id
    assert [one["subject"] for one in identities["identities"]] == [scripted_provider.subject]


@pytest.mark.exclusive
@pytest.mark.parametrize(
    "fault",
    [
        "users-worker",
        *(
            pytest.param(fault, marks=pytest.mark.slow)
            for fault in ("users-api-1", "notifications-worker", "rabbitmq")
        ),
    ],
)
async def test_no_call_succeeds_a_second_later_though_parts_are_killed(
    stack: Instance, scripted_provider: IdentityProvider, fault: str
) -> None:
    """A second after the gateway has answered the provider or the administrator, or has refused the
    sign-on."""
    ended_at: dict[str, float] = {}
    late: list[tuple[str, float]] = []
    async with contextlib.AsyncExitStack() as browsers:
        other = await browsers.enter_async_context(browser_at(stack))
        signed_on: dict[str, tuple[httpx.AsyncClient, int, str]] = {}
        for event in ("logout", "deactivation", "lost group"):
            browser = await browsers.enter_async_context(browser_at(stack))
            scripted_provider.subject = subject = f"ann-{secrets.token_hex(4)}"
            await sign_on(browser, scripted_provider)
            user_id = (await me(browser)).json()["user"]["id"]
            signed_on[event] = browser, user_id, subject
        # Whoever signs on next is the last one, in no group.
        scripted_provider.claims = {"groups": []}

        async def call(event: str) -> None:
            browser, _, _ = signed_on[event]
            while time.monotonic() < ended_at.get(event, inf) + 3:
                began = time.monotonic()
                with contextlib.suppress(httpx.TransportError):
                    if (await me(browser)).is_success and began > ended_at.get(event, inf) + 1:
                        late.append((event, began - ended_at[event]))
                await asyncio.sleep(0.01)

        async def is_ended(event: str) -> bool:
            _, user_id, subject = signed_on[event]
            if event == "lost group":
                refused = await sign_on(other, scripted_provider)
                return refused.headers["location"] == "/?sign_on=NotAdmitted"
            if event == "deactivation":
                administrator = {"api-key": stack.admin_key}
                path = f"/api/users/{user_id}"
                return (await other.delete(path, headers=administrator)).is_success
            token = scripted_provider.logout_token(sub=subject)
            out = await other.post("/api/sign-on/company/logout", data={"logout_token": token})
            return out.is_success

        async def end(event: str) -> None:
            await eventually(lambda: is_ended(event))
            ended_at[event] = time.monotonic()

        callers = [asyncio.create_task(call(event)) for event in signed_on for _ in range(2)]
        stack.kill(fault)
        await asyncio.gather(*map(end, signed_on))
        await asyncio.gather(*callers)
        for browser, _, _ in signed_on.values():
            await eventually(lambda: _is_out(browser))  # noqa: B023
    # The next test may need the broker at once.
    await eventually(lambda: _broker_answers(stack))

    assert late == []


async def _is_out(browser: httpx.AsyncClient) -> bool:
    return (await me(browser)).status_code == 401


async def _broker_answers(stack: Instance) -> bool:
    try:
        connection = await broker.connect_once(stack.broker_url, "warble-test")
    except ConnectionError:
        return False
    await connection.close()
    return True


async def _read(stream: httpx.Response) -> None:
    async for _ in stream.aiter_bytes():
        pass
