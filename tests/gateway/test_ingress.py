"""Behind an ingress: limits count the client's address, and HTTPS is recognised."""

import re
import secrets
from collections.abc import Iterator

import httpx
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from devstack.repository import REPOSITORY

from .fake_services import RunningGateway, StartGateway, error

OVERLAY = REPOSITORY / "deploy/kubernetes/overlays/production/kustomization.yaml"
INGRESS = "10.244.3.17"
"""An address of the pod network."""
ELSEWHERE = "192.0.2.7"
HSTS = "strict-transport-security"


@pytest.fixture
def addresses() -> Iterator[str]:
    """Addresses that no other test uses, because gateways share their counts."""
    network = f"2001:db8:{secrets.token_hex(2)}"
    return (f"{network}:{number}::1" for number in range(1, 100))


def through(running: RunningGateway, peer: str) -> httpx.AsyncClient:
    """A client at the address `peer`, of a gateway that trusts proxies as the overlay says."""
    found = re.search(r"FORWARDED_ALLOW_IPS, value: ([^}]+)}", OVERLAY.read_text())
    assert found is not None
    app = ProxyHeadersMiddleware(running.client._transport.app, found[1])  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app=app, client=(peer, 5000))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://warble.example.com")


async def sign_in(client: httpx.AsyncClient, forwarded: str) -> httpx.Response:
    headers = {"x-forwarded-for": forwarded, "x-forwarded-proto": "https"}
    return await client.post("/api/session", json={"api_key": "anything"}, headers=headers)


async def test_each_client_has_a_limit_of_its_own(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch, addresses: Iterator[str]
) -> None:
    monkeypatch.setenv("GATEWAY_SIGN_INS_PER_MINUTE", "2")
    async with start_gateway() as running, through(running, INGRESS) as client:
        for address in (next(addresses), next(addresses)):
            responses = [await sign_in(client, address) for _ in range(3)]

            assert [response.status_code for response in responses] == [200, 200, 429]


async def test_a_client_cannot_choose_the_address_that_it_is_counted_by(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch, addresses: Iterator[str]
) -> None:
    monkeypatch.setenv("GATEWAY_SIGN_INS_PER_MINUTE", "2")
    own = next(addresses)
    async with start_gateway() as running, through(running, INGRESS) as client:
        # A proxy appends the address that it sees to those that the client sent.
        responses = [await sign_in(client, f"{next(addresses)}, {own}") for _ in range(3)]

        assert error(responses[-1]) == (429, "TooManyRequests")


async def test_a_client_on_https_gets_secure_cookies_and_hsts(
    start_gateway: StartGateway, addresses: Iterator[str]
) -> None:
    async with start_gateway() as running, through(running, INGRESS) as client:
        response = await sign_in(client, next(addresses))

        assert response.headers[HSTS] == "max-age=31536000"
        assert "; secure" in response.headers["set-cookie"].lower()


async def test_forwarded_headers_are_trusted_from_the_ingress_only(
    start_gateway: StartGateway, addresses: Iterator[str]
) -> None:
    async with start_gateway() as running, through(running, ELSEWHERE) as client:
        response = await sign_in(client, next(addresses))

        assert HSTS not in response.headers
        assert "; secure" not in response.headers["set-cookie"].lower()
