"""Rate limits: the algorithm, and how the gateways apply it together."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from aio_pika.abc import AbstractConnection
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import testing
from chassis.auth import api_keys
from chassis.http.errors import TooManyRequests
from chassis.messaging import broker
from devstack.instance import Instance
from gateway.limit_gossip import LimitGossip
from gateway.limits import WINDOW_SECONDS, GcraLimiter, client_address
from gateway.settings import Settings
from tests.waiting import eventually

from .fake_services import OWNER, PERSON, RunningGateway, StartGateway, error

Configure = Callable[..., None]
VALID_KEY = {"api-key": api_keys.generate()}
UNKNOWN_PREFIX = f"{secrets.token_hex(5)}: "
"""Ten characters with which no other test's guesses begin."""


async def users(request: Request) -> Response:
    """Two keys are valid, `ended` was valid, and all others are unknown."""
    for user_id, key in enumerate((VALID_KEY["api-key"], "another"), PERSON):
        if request.url.path.endswith(api_keys.digest(key.encode()).hex()):
            return JSONResponse(OWNER | {"user_id": user_id})
    if request.url.path.endswith(api_keys.digest(b"ended").hex()):
        return JSONResponse({"result": False, "error_type": "KeyEnded"}, 404)
    if request.method == "POST" and request.url.path == "/internal/sessions":
        return JSONResponse({"seconds": 60}, 201)
    if request.url.path.startswith("/internal/keys/"):
        return JSONResponse({"result": False, "error_type": "KeyNotFound"}, 404)
    return JSONResponse({"result": True})


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    def change(**settings: Any) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"GATEWAY_{name.upper()}", str(value))

    return change


async def statuses(ask: Callable[[], Awaitable[httpx.Response]], count: int) -> list[int]:
    return [(await ask()).status_code for _ in range(count)]


def from_address(running: RunningGateway, address: str = "") -> httpx.AsyncClient:
    """The default is an address that no other test uses, because gateways share their counts."""
    address = address or f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
    app = running.client._transport.app  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app=app, client=(address, 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


# The algorithm.


def let_through(limiter: GcraLimiter, times: list[float]) -> list[float]:
    passed = []
    for now in times:
        try:
            limiter.acquire("ann", now)
        except TooManyRequests:
            continue
        passed.append(now)
    return passed


@given(
    st.integers(1, 30),
    st.lists(st.floats(0, 300, allow_nan=False), max_size=200).map(sorted),
)
def test_no_period_has_more_calls_than_the_limit_allows(
    per_minute: int, times: list[float]
) -> None:
    passed = let_through(GcraLimiter("read", per_minute), times)

    for index, first in enumerate(passed):
        for count, last in enumerate(passed[index:], 1):
            assert count <= per_minute + per_minute * (last - first) / WINDOW_SECONDS + 1e-6


@given(st.integers(1, 600), st.floats(0, 1e6))
def test_calls_at_the_allowed_pace_are_never_refused(per_minute: int, start: float) -> None:
    times = [
        start + number * (WINDOW_SECONDS / per_minute) * 1.000001
        for number in range(3 * per_minute)
    ]

    assert len(let_through(GcraLimiter("read", per_minute), times)) == len(times)


@given(st.integers(1, 600), st.floats(0, 1e7))
def test_a_call_after_retry_after_succeeds(per_minute: int, now: float) -> None:
    limiter = GcraLimiter("read", per_minute)

    assert len(let_through(limiter, [now] * (per_minute + 5))) == per_minute
    with pytest.raises(TooManyRequests) as refused:
        limiter.acquire("ann", now)
    assert let_through(limiter, [now + int(refused.value.headers["Retry-After"])])


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 1.0)), min_size=1, max_size=400))
def test_gateways_that_gossip_allow_little_more_than_one_gateway(
    calls: list[tuple[int, float]],
) -> None:
    per_minute = 40
    gateways = [GcraLimiter("read", per_minute) for _ in range(4)]
    now, passed = 0.0, 0

    for turn, (gateway, pause) in enumerate(calls):
        now += pause / 10
        try:
            gateways[gateway].acquire("ann", now)
            passed += 1
        except TooManyRequests:
            pass
        if turn % 4 == 3:
            reports = [limiter.drain(now) for limiter in gateways]
            for sender, spent in enumerate(reports):
                for receiver in range(4):
                    if receiver != sender:
                        for who, calls_ in spent:
                            gateways[receiver].merge(who, calls_, now)

    # In addition: the calls since the last gossip, and those below the gossip threshold.
    assert passed <= per_minute + per_minute * now / WINDOW_SECONDS + 4 + 4


def test_all_addresses_of_an_ipv6_network_count_as_one() -> None:
    def of(host: str) -> str:
        return client_address({"client": (host, 1)})

    assert of("2001:db8:1:2:3::4") == of("2001:db8:1:2::ffff") != of("2001:db8:1:3::1")
    assert of("::ffff:192.0.2.7") == of("192.0.2.7") != of("192.0.2.8")
    assert client_address({"client": None}) == client_address({}) == ""
    assert of("a socket") == "a socket"


async def test_an_idle_gateway_notices_that_its_connection_has_ended(
    infrastructure: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = infrastructure.service_environment("gateway")
    monkeypatch.setenv("GATEWAY_BROKER_URL", environment["GATEWAY_BROKER_URL"])
    monkeypatch.setenv("GATEWAY_IDENTITY_PRIVATE_KEY", testing.PRIVATE_KEY)
    connections: list[AbstractConnection] = []
    idle = asyncio.Event()

    class IdleLimiter(GcraLimiter):
        def drain(self, now: float) -> list[tuple[int | str, float]]:
            idle.set()
            return []

    async def connect_once(url: str, name: str) -> AbstractConnection:
        connections.append(await connect(url, name))
        return connections[0]

    connect = broker.connect_once
    monkeypatch.setattr(broker, "connect_once", connect_once)
    running = asyncio.create_task(LimitGossip(Settings(), [IdleLimiter("read", 1)]).run())
    await idle.wait()

    await connections[0].close()

    async with asyncio.timeout(60):
        await asyncio.wait([running])


# The gateway.


async def test_each_kind_of_call_has_a_limit_of_its_own_for_each_person(
    start_gateway: StartGateway, configure: Configure
) -> None:
    configure(reads_per_minute=5, writes_per_minute=4, uploads_per_minute=3, searches_per_minute=2)
    calls = {
        ("GET", "/api/tweets"): 5,
        ("POST", "/api/tweets"): 4,
        ("POST", "/api/medias"): 3,
        ("GET", "/api/users?query=a"): 2,
    }
    async with start_gateway(users=users) as running:
        for (method, path), per_minute in calls.items():
            responses = [
                await running.client.request(method, path, headers=VALID_KEY)
                for _ in range(per_minute + 1)
            ]
            left = [response.headers["ratelimit"].split(";")[1] for response in responses]

            assert left == [f"r={number}" for number in [*range(per_minute)[::-1], 0]]
            assert {
                response.headers["ratelimit-policy"].split(";", 1)[1] for response in responses
            } == {f"q={per_minute};w=60"}
            assert error(responses[-1]) == (429, "TooManyRequests")
            assert 0 < int(responses[-1].headers["retry-after"]) <= 60
            other = await running.client.request(method, path, headers={"api-key": "another"})
            assert other.status_code == 200


async def test_downloads_and_sign_ins_are_counted_by_address(
    start_gateway: StartGateway, configure: Configure
) -> None:
    configure(downloads_per_minute=3, sign_ins_per_minute=2)
    async with (
        start_gateway(users=users) as running,
        from_address(running, "192.0.2.9") as elsewhere,
    ):
        credentials = {"api_key": VALID_KEY["api-key"]}
        pictures = [await running.client.get("/uploads/x.png") for _ in range(4)]
        sign_ins = [await running.client.post("/api/session", json=credentials) for _ in range(3)]

        assert [response.status_code for response in pictures] == [200, 200, 200, 429]
        assert [response.status_code for response in sign_ins] == [200, 200, 429]
        assert error(sign_ins[-1]) == (429, "TooManyRequests")
        assert sign_ins[0].headers["ratelimit"].startswith('"sign-in";r=1;')
        assert int(sign_ins[-1].headers["retry-after"]) > 0
        assert (await elsewhere.get("/uploads/x.png")).status_code == 200
        assert (await elsewhere.post("/api/session", json=credentials)).status_code == 200


async def test_switching_limits_off_keeps_the_limit_on_guesses(
    start_gateway: StartGateway, configure: Configure
) -> None:
    configure(
        rate_limits="off", reads_per_minute=1, sign_ins_per_minute=1, key_guesses_per_minute=2
    )
    async with start_gateway(users=users) as running, from_address(running) as here:

        async def read() -> httpx.Response:
            return await running.client.get("/api/tweets", headers=VALID_KEY)

        assert await statuses(read, 5) == [200] * 5
        assert "ratelimit" not in (await read()).headers
        wrong = [
            await here.get("/api/tweets", headers={"api-key": f"{number} is wrong"})
            for number in range(3)
        ]
        assert [response.status_code for response in wrong] == [401, 401, 429]


async def test_a_guesser_is_refused_and_a_known_key_at_the_same_address_is_not(
    start_gateway: StartGateway, configure: Configure
) -> None:
    configure(key_guesses_per_minute=3)
    async with (
        start_gateway(users=users) as running,
        from_address(running) as here,
        from_address(running) as elsewhere,
    ):
        assert (await here.get("/api/tweets", headers=VALID_KEY)).status_code == 200
        guesses = [{"api-key": f"{number}{UNKNOWN_PREFIX}"} for number in range(5)]
        by_header = [await here.get("/api/tweets", headers=guess) for guess in guesses[:4]]
        by_session = await here.post("/api/session", json={"api_key": "9" + UNKNOWN_PREFIX})
        lookups_before = len(running.users.requests)

        assert [response.status_code for response in by_header] == [401, 401, 401, 429]
        assert error(by_session) == (429, "TooManyRequests")
        running.client._transport.app._proxy._credentials.expire_person(PERSON)  # type: ignore[attr-defined]
        assert (await here.get("/api/tweets", headers=VALID_KEY)).status_code == 200
        assert (await elsewhere.get("/api/tweets", headers=guesses[4])).status_code == 401
        unknown_here = await here.get("/api/tweets", headers={"api-key": "another"})
        assert unknown_here.status_code == 429
        assert len(running.users.requests) == lookups_before + 2


async def test_one_key_cannot_be_guessed_from_many_addresses(
    start_gateway: StartGateway, configure: Configure
) -> None:
    configure(key_guesses_per_minute=3)
    async with start_gateway(users=users) as running:
        responses = []
        for number in range(5):
            async with from_address(running) as client:
                guess = {"api-key": f"{UNKNOWN_PREFIX}{number}"}
                responses.append(await client.get("/api/tweets", headers=guess))

        assert [response.status_code for response in responses] == [401, 401, 401, 429, 429]


async def test_a_typo_an_ended_key_and_a_repeated_key_are_no_guesses(
    start_gateway: StartGateway, configure: Configure
) -> None:
    configure(key_guesses_per_minute=2)
    async with start_gateway(users=users) as running, from_address(running) as here:
        for key in ("ended", api_keys.generate()[:-1] + "!", UNKNOWN_PREFIX):

            async def read(key: str = key) -> httpx.Response:
                return await here.get("/api/tweets", headers={"api-key": key})

            assert await statuses(read, 5) == [401] * 5


async def test_calls_at_one_gateway_count_at_the_other(
    start_gateway: StartGateway, configure: Configure
) -> None:
    configure(reads_per_minute=20, key_guesses_per_minute=4)
    address = f"2001:db8:0:{secrets.token_hex(2)}::1"
    async with (
        start_gateway(users=users) as one,
        start_gateway(users=users) as other,
        from_address(one, address) as at_one,
        from_address(other, address) as at_other,
    ):
        await asyncio.gather(*(at_one.get("/api/tweets", headers=VALID_KEY) for _ in range(20)))
        for number in range(4):
            await at_one.get("/api/tweets", headers={"api-key": f"{number}{UNKNOWN_PREFIX}"})

        for headers in (VALID_KEY, {"api-key": "5" + UNKNOWN_PREFIX}):

            async def refuses(headers: dict[str, str] = headers) -> bool:
                return (await at_other.get("/api/tweets", headers=headers)).status_code == 429

            await eventually(refuses)
