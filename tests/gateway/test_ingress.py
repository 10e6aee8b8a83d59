"""Behind an ingress: whose address a limit counts, and what a browser learns of HTTPS."""

import re
import secrets
from collections.abc import Iterator

import httpx
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from deploy.local.places import REPOSITORY

from .neighbours import Edge, Made, error

OVERLAY = REPOSITORY / "deploy/kubernetes/overlays/production/kustomization.yaml"
INGRESS = "10.244.3.17"
"""An address of the pod network."""
ELSEWHERE = "192.0.2.7"
HSTS = "strict-transport-security"


@pytest.fixture
def addresses() -> Iterator[str]:
    """Addresses that no other test's gateway has heard of: gateways share what they count."""
    network = f"2001:db8:{secrets.token_hex(2)}"
    return (f"{network}:{number}::1" for number in range(1, 100))


def through(it: Edge, peer: str) -> httpx.AsyncClient:
    """The gateway as uvicorn runs it with the overlay's settings, asked by this peer."""
    found = re.search(r"FORWARDED_ALLOW_IPS, value: ([^}]+)}", OVERLAY.read_text())
    assert found is not None
    app = ProxyHeadersMiddleware(it.client._transport.app, found[1])  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app=app, client=(peer, 5000))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://warble.example.com")


async def sign_in(client: httpx.AsyncClient, forwarded: str) -> httpx.Response:
    headers = {"x-forwarded-for": forwarded, "x-forwarded-proto": "https"}
    return await client.post("/api/session", json={"api_key": "anything"}, headers=headers)


async def test_each_client_has_a_limit_of_its_own(
    edge: Made, monkeypatch: pytest.MonkeyPatch, addresses: Iterator[str]
) -> None:
    monkeypatch.setenv("GATEWAY_SIGN_INS_PER_MINUTE", "2")
    async with edge() as it, through(it, INGRESS) as client:
        for address in (next(addresses), next(addresses)):
            answers = [await sign_in(client, address) for _ in range(3)]

            assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_a_client_cannot_choose_the_address_that_it_is_counted_by(
    edge: Made, monkeypatch: pytest.MonkeyPatch, addresses: Iterator[str]
) -> None:
    monkeypatch.setenv("GATEWAY_SIGN_INS_PER_MINUTE", "2")
    own = next(addresses)
    async with edge() as it, through(it, INGRESS) as client:
        # A proxy adds the address that it sees behind those that the client made up.
        answers = [await sign_in(client, f"{next(addresses)}, {own}") for _ in range(3)]

        assert error(answers[-1]) == (429, "TooManyRequests")


async def test_who_comes_by_https_gets_secure_cookies_and_hsts(
    edge: Made, addresses: Iterator[str]
) -> None:
    async with edge() as it, through(it, INGRESS) as client:
        answer = await sign_in(client, next(addresses))

        assert answer.headers[HSTS] == "max-age=31536000"
        assert "; secure" in answer.headers["set-cookie"].lower()


async def test_nobody_but_the_ingress_is_believed(edge: Made, addresses: Iterator[str]) -> None:
    async with edge() as it, through(it, ELSEWHERE) as client:
        answer = await sign_in(client, next(addresses))

        assert HSTS not in answer.headers
        assert "; secure" not in answer.headers["set-cookie"].lower()
